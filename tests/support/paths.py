# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where things are in the checkout, and how a child process finds the Python packages of the collection."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LAB = ROOT / "tests" / "lab"
MONITOR = ROOT / "roles" / "kea_lease_monitor" / "files"
"""Directory with the monitor's program and package."""
LFC_PROGRAM = ROOT / "roles" / "kea_lfc_timer" / "files"
"""Directory with the package of the LFC program."""
SHARED = ROOT / "plugins" / "module_utils"
"""Directory with ``_kea``, which an installed release carries beside each program."""
KEA_SCHEMA = "/usr/share/kea/scripts/pgsql/dhcpdb_create.pgsql"


def program_path() -> str:
    """Return a PYTHONPATH on which both programs find their packages."""
    given = os.environ.get("PYTHONPATH")
    return os.pathsep.join([str(MONITOR), str(LFC_PROGRAM), str(SHARED), *([given] if given else [])])


def program_environment(**more: str) -> dict[str, str]:
    """Return this process's environment with that PYTHONPATH, and ``more``."""
    return {**os.environ, "PYTHONPATH": program_path(), **more}


def ansible_environment(**more: str) -> dict[str, str]:
    """Return this process's environment with Ansible set up for the collection of this checkout, and ``more``."""
    return {
        **os.environ,
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"),
        "ANSIBLE_FORCE_COLOR": "0",
        "MOLECULE_PROJECT_DIRECTORY": str(ROOT),
        **more,
    }
