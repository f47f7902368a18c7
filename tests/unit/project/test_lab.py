# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lab installs into the Python environment: a machine that has one already would never tell."""

from __future__ import annotations

import os
import subprocess

from support.paths import ROOT

PINNED = (ROOT / "requirements-dev.txt").read_text().splitlines()


def requirements(**environment: str) -> list[str]:
    inherited = {name: value for name, value in os.environ.items() if name != "ANSIBLE_CORE"}
    command = [str(ROOT / "tests/lab/lab"), "requirements"]
    return subprocess.check_output(command, text=True, env=inherited | environment).splitlines()


def test_without_a_choice_it_is_what_is_pinned() -> None:
    assert requirements() == PINNED


def test_another_ansible_core_takes_the_place_of_the_pinned_one() -> None:
    changed = [line for line in requirements(ANSIBLE_CORE="2.16.19") if line not in PINNED]
    assert changed == ["ansible-core==2.16.19", "ansible"]
