# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The setting of docs/take-over.md that holds Kea: apt reads it, and it covers each package of each packaging."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from ansible_collections.baremetal.kea.plugins.module_utils._config.packagings import DEB, PACKAGINGS
from support.paths import ROOT
from support.programs import need

FURTHER = ("kea-common", "kea-hooks", "isc-kea-common", "isc-kea-mysql")
"""Packages that those of the table need, or that a site has beside them."""
NAME = "Unattended-Upgrade::Package-Blacklist"


def test_the_documented_setting_holds_all_packages_of_kea(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "take-over.md").read_text()
    [setting] = re.findall(rf"^ +({NAME} \{{.*\}};)$", text, re.MULTILINE)
    (tmp_path / "52kea").write_text(setting + "\n")
    (tmp_path / "apt.conf").write_text(f'Dir::Etc::parts "{tmp_path}/parts";\n{setting}\n')
    environment = {**os.environ, "APT_CONFIG": str(tmp_path / "apt.conf")}
    dumped = subprocess.run(
        [need("apt-config"), "dump", NAME], capture_output=True, text=True, check=True, env=environment
    ).stdout
    # unattended-upgrades takes them for regular expressions at the beginning of a name (is_pkgname_in_blacklist).
    patterns = re.findall(rf'^{NAME}:: "(.*)";$', dumped, re.MULTILINE)
    packages = [package for one in PACKAGINGS if one.format == DEB for package in one.packages]
    assert len(packages) > 5
    assert [name for name in (*packages, *FURTHER) if not any(re.match(one, name) for one in patterns)] == []
    assert not any(re.match(one, "postgresql-17") for one in patterns)
