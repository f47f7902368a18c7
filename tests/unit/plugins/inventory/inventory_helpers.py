# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs Ansible's programs with a configuration of the inventory plugin."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from support.paths import ROOT

HOSTILE = "{{ lookup('pipe','id') }}"


class Result(NamedTuple):
    """What a program printed. ``inventory`` is the parsed answer of ``ansible-inventory --list``."""

    code: int
    output: str
    errors: str

    @property
    def inventory(self) -> dict[str, Any]:
        assert self.code == 0, self.errors
        found: dict[str, Any] = json.loads(self.output)
        return found

    @property
    def hosts(self) -> dict[str, dict[str, Any]]:
        """The variables of each host, without the marks of text that is no template."""
        found: dict[str, dict[str, Any]] = _plain(self.inventory.get("_meta", {}).get("hostvars", {}))
        return found


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return value["__ansible_unsafe"] if "__ansible_unsafe" in value else {k: _plain(v) for k, v in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list) else value


def run(program: str, *arguments: object, **environment: str) -> Result:
    """Run one of Ansible's programs. A source that fails ends it with an error."""
    variables = {
        **os.environ,
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"),
        "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "true",
        "ANSIBLE_FORCE_COLOR": "0",
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_CALLBACK_RESULT_FORMAT": "json",
        **environment,
    }
    command = [str(Path(sys.executable).parent / program), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=variables, cwd=ROOT)
    # Ansible folds its messages to the width of a terminal.
    return Result(done.returncode, done.stdout, " ".join(done.stderr.split()))


def configuration(parent: Path, /, **settings: Any) -> Path:
    """Write a configuration of the plugin, and return its path."""
    path = parent / "site.kea.yml"
    path.write_text(yaml.safe_dump({"plugin": "baremetal.kea.kea", **settings}))
    return path


def listed(parent: Path, /, **settings: Any) -> Result:
    """Return what ``ansible-inventory --list`` says with these settings."""
    return run("ansible-inventory", "-i", configuration(parent, **settings), "--list")
