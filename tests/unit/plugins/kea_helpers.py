# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs modules as Ansible does, but in this process, and finds the programs that the tests need."""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args


def run_module(name: str, /, check: bool = False, **options: Any) -> dict[str, Any]:
    """The result of a module; C(failed) is always there."""
    module = importlib.import_module(f"ansible_collections.baremetal.kea.plugins.modules.{name}")
    arguments = {**options, "_ansible_check_mode": check, "_ansible_diff": True}
    output = io.StringIO()
    with patch_module_args(arguments), contextlib.redirect_stdout(output), pytest.raises(SystemExit):
        module.main()
    return {"failed": False, **json.loads(output.getvalue())}


def need(program: str) -> str:
    """The path of a program; a missing one fails the test, it never skips it."""
    found = shutil.which(program, path="/usr/sbin:/usr/bin:/usr/lib/postgresql/15/bin")
    assert found, f"{program} must be installed for these tests"
    return found


def snapshot(directory: Path) -> dict[str, tuple[bytes, int, int, int]]:
    """Content, owner, group and mode of every file in a directory."""
    return {
        path.name: (path.read_bytes(), path.stat().st_uid, path.stat().st_gid, path.stat().st_mode)
        for path in directory.iterdir()
    }
