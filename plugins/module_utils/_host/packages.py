# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: which packages must be installed or marked, found without apt, which takes seconds."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Dict, List, Sequence

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

EXTENDED_STATES = "/var/lib/apt/extended_states"
_AUTOMATIC = re.compile(r"^Package: (\S+)\n(?:\S.*\n)*?Auto-Installed: 1$", re.MULTILINE)


def packages(module: AnsibleModule, names: Sequence[str]) -> Dict[str, List[str]]:
    """Return the packages that are not installed (``missing``), and those marked as automatic (``automatic``).

    apt removes an automatic package with the one that needed it.
    """
    query = ["dpkg-query", "--show", "--showformat=${db:Status-Status} ${Package}\n", *names]
    _code, out, _err = module.run_command(query) if names else (0, "", "")
    installed = {line.split()[1] for line in out.splitlines() if line.startswith("installed ")}
    automatic = _automatic()
    return {
        "missing": [name for name in names if name not in installed],
        "automatic": [name for name in names if name in installed and name in automatic],
    }


def untouched(module: AnsibleModule, package: str, path: str) -> bool:
    """Return whether the configuration file is there, unchanged since the package installed it."""
    _code, files, _err = module.run_command(["dpkg-query", "--show", "--showformat=${Conffiles}", package])
    code, altered, _err = module.run_command(["dpkg", "--verify", package])
    return code <= 1 and f" {path} " in files and os.path.exists(path) and path not in altered


def _automatic() -> List[str]:
    try:
        with open(EXTENDED_STATES, encoding="utf-8") as file:
            found: List[str] = _AUTOMATIC.findall(file.read())
            return found
    except OSError:
        return []
