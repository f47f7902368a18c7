# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Ansible writes to the system log before a module runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.basic import AnsibleModule
from support.modules import run_module


@pytest.mark.parametrize(
    ("module", "options"),
    [
        ("kea_config", {"settings": {"Dhcp4/lease-database": {"type": "memfile", "password": "pass-word"}}}),
        ("kea_config", {"databases": [{"purpose": "lease", "type": "memfile", "password": "pass-word"}]}),
        ("kea_database", {"purpose": "lease", "type": "memfile", "password": "pass-word"}),
        ("kea_files", {"files": [{"content": "pass-word", "secret": True}]}),
    ],
)
def test_no_secret_is_logged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, options: dict[str, Any]
) -> None:
    logged: list[str] = []
    monkeypatch.setattr(AnsibleModule, "log", lambda _self, *words, **more: logged.append(repr((words, more))))
    if module == "kea_files":
        options["files"][0]["path"] = str(tmp_path / "secret")
    else:
        options["path"] = str(tmp_path / "kea-dhcp4.conf")
    result = run_module(module, **options)
    assert any("Invoked with" in line for line in logged)
    assert "pass-word" not in repr(logged) + repr(result)
