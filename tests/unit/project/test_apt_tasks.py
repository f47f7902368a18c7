# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packages on a host with empty package lists: check mode tells what would be installed, and does not fail."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Iterator

import yaml
from support.paths import ROOT, ansible_environment
from support.playbook import Played

INSTALLING = "roles/kea_server/tasks/apt.yml"
UPGRADING = "roles/kea_server/tasks/upgrade.yml"
APT = "ansible.builtin.apt"


def tasks_of(tasks: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for task in tasks:
        yield task
        yield from tasks_of([*task.get("block", []), *task.get("rescue", []), *task.get("always", [])])


def test_packages_are_installed_by_apt_in_one_place() -> None:
    found = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "roles").glob("*/tasks/*.yml")
        if any(APT in task for task in tasks_of(yaml.safe_load(path.read_text(encoding="utf-8")) or []))
    }
    assert found == {INSTALLING, UPGRADING}


def test_check_mode_tells_of_packages_that_no_list_has(tmp_path: Path) -> None:
    wanted = {"names": ["kea-a", "kea-b"], "missing": ["kea-a", "kea-b"], "unlisted": ["kea-b"], "wanted": ["kea-a"]}
    local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    given = {**local, "kea_server__wanted": wanted, "kea_server__wanted_for": "Kea"}
    play = {"hosts": "localhost", "gather_facts": False, "vars": given}
    play["tasks"] = [{"ansible.builtin.include_tasks": str(ROOT / INSTALLING)}]
    (tmp_path / "play.yml").write_text(json.dumps([play]))
    command = ["ansible-playbook", "--check", "--diff", str(tmp_path / "play.yml")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=ansible_environment())
    played = Played(0, done.stdout)
    assert "and then installed: kea-a, kea-b. The lists of this host do not have kea-b" in played.words
    assert played.changed_tasks == ["Show which packages apt would install: Kea"]
