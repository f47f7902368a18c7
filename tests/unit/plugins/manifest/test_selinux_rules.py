# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules of SELinux in the manifest, with a stand-in for semanage: no host with SELinux was there."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.baremetal.kea.plugins.module_utils._host import selinux
from support.modules import run_module

SEMANAGE = """#!/bin/sh
shift
for last; do :; done
case $1 in
    --delete) grep -vF "$last " RULES >RULES.new; mv RULES.new RULES ;;
    --add) echo "$last    --    system_u:object_r:$3:s0" >>RULES ;;
esac
"""
PROGRAMS = "/opt/baremetal/(kea-lfc/)?releases/[^/]+/kea-(lease-monitor|lfc-cleanup)"
OTHERS = "/srv/web(/.*)?    all files    system_u:object_r:httpd_sys_content_t:s0\n/opt/x    --    <<none>>\n"


class Host:
    """A host with SELinux, and its manifest."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.rules = root / "file_contexts.local"
        self.rules.write_text(OTHERS)
        (root / "semanage").write_text(SEMANAGE.replace("RULES", str(self.rules)))
        (root / "semanage").chmod(0o755)

    def do(self, state: str, **options: Any) -> dict[str, Any]:
        return run_module("kea_manifest", state=state, directory=str(self.root / "store"), **options)


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(selinux, "RULES", str(tmp_path / "*.local"))
    return Host(tmp_path)


def test_a_rule_that_a_deployment_added_is_removed(host: Host) -> None:
    host.do("intended", things={"fcontext": [PROGRAMS]})
    host.rules.write_text(f"{OTHERS}{PROGRAMS}    --    system_u:object_r:bin_t:s0\n")
    host.do("made")
    assert host.do("checked")["entries"][0]["made"] == {"state": "present", "type": "bin_t"}
    assert host.do("restored")["things"] == [f"fcontext:{PROGRAMS}"]
    assert host.rules.read_text() == OTHERS


def test_a_rule_that_was_there_is_there_again(host: Host) -> None:
    rule = f"{OTHERS}{PROGRAMS}    --    system_u:object_r:usr_t:s0\n"
    host.rules.write_text(rule)
    host.do("intended", things={"fcontext": [PROGRAMS]})
    host.rules.write_text(rule.replace("usr_t", "bin_t"))
    host.do("made")
    host.do("restored")
    assert host.rules.read_text() == rule


def test_a_rule_stays_without_the_program_that_removes_it(host: Host) -> None:
    host.do("intended", things={"fcontext": [PROGRAMS]})
    host.rules.write_text(f"{PROGRAMS}    --    system_u:object_r:bin_t:s0\n")
    host.do("made")
    (host.root / "semanage").unlink()
    assert "semanage is missing" in host.do("restored")["msg"]
