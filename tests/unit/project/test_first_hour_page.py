# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps of docs/first-hour.md, without a host; tests/hosts/test_first_hour.py runs them on one."""

from __future__ import annotations

import re

import pytest
import yaml
from support.pages import steps
from support.paths import ROOT

STEPS = steps("first-hour.md")


@pytest.mark.parametrize("step", [step for step in STEPS if step.file], ids=lambda step: step.file)
def test_a_file_is_yaml_with_a_name(step) -> None:  # type: ignore[no-untyped-def]
    assert re.fullmatch(r"(group_vars/)?[a-z_.]+\.yml", step.file)
    assert yaml.safe_load(step.text)


def test_every_file_is_used_and_every_file_that_is_used_was_written() -> None:
    """Ansible itself reads the variables of a group."""
    written: set[str] = set()
    used = {step.file for step in STEPS if step.file.startswith("group_vars/")}
    for step in STEPS:
        if step.file:
            written.add(step.file)
        named = set(re.findall(r"[a-z.]+\.yml", step.command))
        assert named <= written, step.command
        used |= named
    assert used == written


def test_every_playbook_of_the_collection_exists() -> None:
    called = {name for step in STEPS for name in re.findall(r"baremetal\.kea\.(kea_\w+)", step.command)}
    assert called
    assert {name for name in called if not (ROOT / f"playbooks/{name}.yml").is_file()} == set()
