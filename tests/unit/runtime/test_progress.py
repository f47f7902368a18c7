# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A person at a terminal sees how far a long command is; a program sees nothing of it."""

from __future__ import annotations

import io
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from kea_lease_monitor.commands.progress import Progress
from kea_lease_monitor.kea import transfer
from kea_lease_monitor.state import migrate
from kea_lease_monitor.state.location import StateLocation
from support.paths import ROOT


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_it_counts_once_a_second_and_erases_its_line() -> None:
    now, file = [0.0], Terminal()
    with Progress("leases read", 50, file, lambda: now[0]) as progress:
        for _each in range(50):
            now[0] += 0.125
            progress()
    shown = file.getvalue().split("\r\x1b[K")
    assert (shown[0], shown[-1]) == ("", "")
    assert [line.split()[0] for line in shown[1:-1]] == ["8", "16", "24", "32", "40", "48"]
    assert shown[1] == "8 of 50 leases read"


def test_what_takes_less_than_a_second_or_is_read_by_a_program_shows_nothing() -> None:
    for file, seconds in ((Terminal(), 0.9), (io.StringIO(), 9.0)):
        now = [0.0]
        with Progress("leases read", None, file, lambda now=now: now[0]) as progress:  # type: ignore[misc]
            now[0] += seconds
            progress()
        assert file.getvalue() == ""


def test_export_and_import_count_each_reservation(tmp_path: Path) -> None:
    hosts = {1: [{"hw-address": f"02:00:00:00:00:{number:02x}"} for number in range(3)]}
    counted: list[None] = []
    found = transfer.plan(str(tmp_path), hosts, lambda: counted.append(None))
    assert len(counted) == 3
    transfer.write(str(tmp_path), found.contents)
    transfer.export(str(tmp_path), lambda: counted.append(None))
    assert len(counted) == 6


def test_an_upgrade_of_the_state_counts_each_step(tmp_path: Path) -> None:
    counted: list[None] = []
    plan = migrate.upgrade(StateLocation(str(tmp_path / "state.sqlite")), None, lambda: counted.append(None))
    assert len(counted) == len(plan.steps) > 1


@pytest.mark.parametrize("terminal", [True, False])
def test_a_command_shows_it_at_a_terminal_only(tmp_path: Path, terminal: bool) -> None:
    program = (
        "import sys; from kea_lease_monitor.commands import progress; progress._INTERVAL = 0.0\n"
        "from kea_lease_monitor.commands import cli; sys.exit(cli.main())"
    )
    paths = [str(ROOT / "roles/kea_lease_monitor/files"), str(ROOT / "plugins/module_utils")]
    leader, follower = pty.openpty()
    location = tmp_path / "state.sqlite"
    done = subprocess.run(
        [sys.executable, "-c", program, "db", "upgrade", "--yes", "--json", "--state", str(location)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        stdout=subprocess.PIPE,
        stderr=follower if terminal else subprocess.PIPE,
        check=False,
    )
    os.close(follower)
    shown = os.read(leader, 65536).decode() if terminal else done.stderr.decode()
    os.close(leader)
    assert done.returncode == 0
    assert json.loads(done.stdout)["problem"] is None
    assert ("steps done" in shown) is terminal
