# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the collection's playbooks and modules with Ansible, on hosts."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any, Iterable, Mapping, NamedTuple

from support.paths import ROOT, ansible_environment


class Played(NamedTuple):
    """How a playbook ended. A negative code is the signal that killed it."""

    code: int
    output: str

    @property
    def words(self) -> str:
        """The output in one line: Ansible breaks long messages."""
        return " ".join(self.output.split())

    @property
    def changed(self) -> list[int]:
        """How many tasks changed something, for each host."""
        return [int(count) for count in re.findall(r"changed=(\d+)", self.output)]

    @property
    def changed_tasks(self) -> list[str]:
        """The names of the tasks that changed something on any host."""
        tasks = re.split(r"TASK \[", self.words)[1:]
        return [task.partition("]")[0] for task in tasks if " changed: [" in task]


def play(
    name: str,
    inventories: Iterable[str | Path],
    variables: Mapping[str, Any],
    options: Iterable[str] = (),
    environment: Mapping[str, str] | None = None,
) -> Played:
    """Run a playbook of the collection."""
    command = ["ansible-playbook", f"playbooks/{name}.yml", "--extra-vars", json.dumps(dict(variables)), *options]
    for inventory in inventories:
        command += ["-i", str(inventory)]
    given = ansible_environment(**(environment or {}))
    done = subprocess.run(command, cwd=ROOT, env=given, capture_output=True, text=True, check=False)
    return Played(done.returncode, done.stdout + done.stderr)


def module(
    host: str,
    name: str,
    options: Mapping[str, Any],
    arguments: Iterable[str] = (),
    environment: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Run a module of the collection on a host, and return its result. Raise AssertionError if it fails."""
    output = {"ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.oneline", "ANSIBLE_LOAD_CALLBACK_PLUGINS": "1"}
    command = ["ansible", host, "-m", f"baremetal.kea.{name}", "-a", json.dumps(dict(options)), *arguments]
    given = ansible_environment(**output, **(environment or {}))
    done = subprocess.run(command, cwd=ROOT, env=given, capture_output=True, text=True, check=False)
    head, arrow, printed = done.stdout.partition("=> ")
    assert arrow, done.stdout + done.stderr
    assert "FAILED" not in head, printed
    result: dict[str, Any] = json.loads(printed)
    return result
