# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lab installs into the Python environment, which a machine that has one would never tell, and its ports."""

from __future__ import annotations

import os
import re
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


def test_no_test_takes_the_port_of_keas_exporters() -> None:
    taken = re.compile(rf"\b{9 * 1000 + 547}\b")
    files = [
        path for name in ("tests", "molecule") for kind in ("py", "yml") for path in (ROOT / name).rglob(f"*.{kind}")
    ]
    assert [path for path in files if taken.search(path.read_text(encoding="utf-8"))] == []
