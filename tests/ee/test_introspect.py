# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ansible-builder finds that the collection needs is what its plugins import, and no more."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata

import yaml
from support.paths import ROOT

ANSIBLE = frozenset(("ansible", "ansible_collections"))


def introspected() -> dict[str, list[str]]:
    """Return the requirements of this collection by kind, as ansible-builder reads them."""
    command = [os.environ["ANSIBLE_BUILDER"], "introspect", str(ROOT / ".collections")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, list[str]] = yaml.safe_load(done.stdout)
    own = "  # from collection baremetal.kea"
    return {kind: [line.removesuffix(own) for line in lines if line.endswith(own)] for kind, lines in found.items()}


def imported() -> Iterator[str]:
    """Yield each module outside Python, Ansible and this collection that a plugin imports."""
    for path in (ROOT / "plugins").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                names = [node.module]
            tops = {name.partition(".")[0] for name in names}
            yield from tops - ANSIBLE - sys.stdlib_module_names


def distribution(requirement: str) -> str:
    found = re.match(r"[\w.-]+", requirement)
    assert found
    return found[0].lower()


def test_each_library_is_named_once_and_is_needed() -> None:
    core = {distribution(line) for line in metadata.requires("ansible-core") or []}
    providers = metadata.packages_distributions()
    needed = {distribution(providers[name][0]) for name in imported()} - core
    assert sorted(distribution(line) for line in introspected()["python"]) == sorted(needed)


def test_ansible_can_reach_the_hosts_on_each_platform() -> None:
    assert introspected()["system"] == ["openssh-client [platform:dpkg]", "openssh-clients [platform:rpm]"]
