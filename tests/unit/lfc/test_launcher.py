# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The launcher kea-lfc-cleanup in a release as it lies on a host."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import _kea.lfc
import kea_lfc_cleanup

PROGRAM = Path(kea_lfc_cleanup.__file__).parent
SHARED = Path(_kea.lfc.__file__).parent


def test_the_launcher_finds_its_packages_through_the_link_to_the_release(tmp_path: Path) -> None:
    release = tmp_path / "releases/1.0.0-0123456789ab"
    shutil.copytree(PROGRAM, release / "lib/kea_lfc_cleanup")
    shutil.copytree(SHARED, release / "lib/_kea")
    shutil.copy(PROGRAM.parent / "kea-lfc-cleanup", release)
    (tmp_path / "current").symlink_to(release)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    command = ["sh", str(tmp_path / "current/kea-lfc-cleanup"), "--help"]
    done = subprocess.run(command, env=environment, cwd="/", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("usage: kea-lfc-cleanup [-h] --family {4,6}")
