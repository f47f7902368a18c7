# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a module as Ansible does, but in this process."""

from __future__ import annotations

import contextlib
import importlib
import io
import json
from pathlib import Path
from typing import Any, ContextManager
from unittest import mock

from ansible.module_utils import basic
from ansible.module_utils.common import warnings


def run_module(module_name: str, /, check: bool = False, **options: Any) -> dict[str, Any]:
    """Return the result of a module. It always has ``failed``."""
    module = importlib.import_module(f"ansible_collections.baremetal.kea.plugins.modules.{module_name}")
    asked = {"_ansible_check_mode": check, "_ansible_diff": True, "_ansible_no_log": False}
    arguments = {**asked, **options}
    output = io.StringIO()
    # A module has a process of its own. Here it must forget the warnings of the module that ran before it.
    warnings._global_warnings.clear()
    ended = False
    with _given(arguments), contextlib.redirect_stdout(output):
        try:
            module.main()
        except SystemExit:
            ended = True
    assert ended, f"{module_name} returned without a result"
    # Ansible takes what is for itself out of the result; since 2.22 that has the secrets to mask.
    found = json.loads(output.getvalue()).items()
    return {"failed": False, **{name: value for name, value in found if not name.startswith("_ansible_")}}


def _given(arguments: dict[str, Any]) -> ContextManager[Any]:
    """Return a context in which a module gets these arguments."""
    try:
        from ansible.module_utils.testing import patch_module_args  # noqa: PLC0415 # since ansible-core 2.17
    except ImportError:
        return mock.patch.object(basic, "_ANSIBLE_ARGS", json.dumps({"ANSIBLE_MODULE_ARGS": arguments}).encode())
    context: ContextManager[Any] = patch_module_args(arguments)
    return context


def snapshot(directory: Path) -> dict[str, tuple[bytes, int, int, int]]:
    """Return content, owner, group and mode of every file in a directory."""
    return {
        path.name: (path.read_bytes(), path.stat().st_uid, path.stat().st_gid, path.stat().st_mode)
        for path in directory.iterdir()
    }
