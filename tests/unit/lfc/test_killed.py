# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kill a run anywhere: the next run finishes the work, and no lease is lost, with and without a restart in between."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from itertools import count
from pathlib import Path

import pytest
from kea_lfc_cleanup.cli import DONE, FAILED
from support.paths import program_environment
from support.programs import need

from lfc.world import Server

pytestmark = pytest.mark.slow


def prepare(kea: Server) -> None:
    kea.add(range(1, 6))
    assert kea.run_lfc("rotate") == DONE
    kea.add([6])
    kea.add([1], "update", 2000000100)
    kea.delete(2)


def check(kea: Server, restart: bool, number: int) -> None:
    """Check that no lease is lost: after adding a lease, perhaps a restart, the next run, and a restart."""
    kea.add([100 + number])
    expected = kea.leases()
    if restart:
        kea.restart()
        assert kea.leases() == expected, "after the kill and a restart"
    age_pid_file(kea)
    assert kea.run_lfc("rotate") == DONE, kea.state()
    assert kea.leftovers() == []
    assert kea.leases() == expected
    kea.restart()
    assert kea.leases() == expected, "after the next run and a restart"


def age_pid_file(kea: Server) -> None:
    """Make the PID file that a killed kea-lfc left as old as the next run, a minute later, would find it."""
    path = Path(kea.files.pid)
    if path.exists():
        os.utime(path, (1, 1))


@pytest.mark.parametrize("restart", [False, True])
def test_killed_before_every_step(kea: Server, restart: bool) -> None:
    prepare(kea)
    killed = []
    for number in count(1):
        step = kea.killed_before(number, "rotate")
        if not step:
            break
        killed.append(step)
        check(kea, restart, number)
    assert len(killed) == 7, killed


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize(
    ("number", "left_before", "steps"),
    [
        (
            4,
            "reload Kea",
            ["look for traces of a killed run", "rename the lease file back", "check that Kea's own LFC runs"],
        ),
        (6, "run kea-lfc", ["look for traces of a killed run", "run kea-lfc", "record the result"]),
    ],
)
def test_the_run_that_finishes_a_killed_run_is_killed_before_every_step(
    kea: Server, number: int, left_before: str, steps: list[str], restart: bool
) -> None:
    prepare(kea)
    assert kea.killed_before(number, "rotate") == left_before
    for step, name in enumerate(steps, 1):
        expected = kea.leases()
        assert kea.killed_before(step, "finish") == name
        assert kea.leases() == expected
        age_pid_file(kea)
    check(kea, restart, number)


def traced(call: str, number: int, command: list[str]) -> list[str]:
    """Return a command that runs this one and kills it before its Nth system call of this name (N is C(number))."""
    inject = f"inject={call}:signal=SIGKILL:when={number}"
    return [need("strace"), "-qq", "-f", "-o", "/dev/null", "-e", f"trace={call}", "-e", inject, *command]


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize(("call", "times"), [("link", 1), ("unlink", 2), ("unlinkat", 2), ("renameat", 2)])
def test_the_program_is_killed_before_every_change_of_a_name(kea: Server, call: str, times: int, restart: bool) -> None:
    """It renames by link and unlink, removes a stale copy, and replaces its state file and its metrics."""
    prepare(kea)
    for number in range(1, times + 1):
        program = [sys.executable, "-m", "kea_lfc_cleanup", *kea.words("rotate")]
        command = traced(call, number, program)
        done = subprocess.run(command, env=program_environment(), capture_output=True, text=True, check=False)
        assert done.returncode == -9, done.stdout + done.stderr
        check(kea, restart, number)


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize(("call", "times"), [("unlink", 3), ("rename", 2)])
def test_kea_lfc_is_killed_before_every_change_of_a_name(kea: Server, call: str, times: int, restart: bool) -> None:
    """It renames twice and removes .2, .1 and its PID file. The program survives and reports the signal."""
    prepare(kea)
    for number in range(1, times + 1):
        wrapper = kea.path / "kea-lfc"
        wrapper.write_text(f'#!/bin/sh\nexec {" ".join(traced(call, number, [need("kea-lfc")]))} "$@"\n')
        wrapper.chmod(0o755)
        assert kea.run_lfc("rotate", **{"kea-lfc": str(wrapper)}) == FAILED
        assert re.search("kea-lfc was killed by signal 9: .* raise kea_lfc_leases", kea.state()["message"])
        check(kea, restart, number)
