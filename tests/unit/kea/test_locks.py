# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Locks: a wait ends, and says for whom it was."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from _kea import locks, tree
from support.wait import until

HOLD = "import fcntl, sys, time; file = open(sys.argv[1]); fcntl.flock(file, fcntl.LOCK_EX); time.sleep(60)"


def is_locked(path: Path) -> bool:
    with path.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def test_a_wait_ends_and_names_the_holder(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.touch(0o644)
    with subprocess.Popen([sys.executable, "-c", HOLD, str(path)]) as process:
        try:
            until(lambda: is_locked(path), "the lock of the other process")
            started = time.monotonic()
            with pytest.raises(locks.LockedError) as caught, locks.held(str(path), 0.3):
                raise AssertionError("the lock was taken twice")
            assert time.monotonic() - started < 10
        finally:
            process.kill()
    text = str(caught.value)
    assert f"{path} is still locked after 0 s by process {process.pid} ({sys.executable} -c" in text
    assert "running since 20" in text


def test_a_unit_that_sees_no_locks_of_others_is_told_of_the_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in the monitor's unit, which has ProcSubset=pid."""
    monkeypatch.setattr(locks, "_LOCKS", str(tmp_path / "missing"))
    path = str(tmp_path / "lock")
    with locks.held(path, 0), pytest.raises(locks.LockedError, match="locked by a process that this user cannot see"):
        locks.held(path, 0).__enter__()


def test_a_lock_is_closed_to_others_and_free_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.touch(0o644)
    for _time in range(2):
        with locks.held(str(path), 0):
            assert path.stat().st_mode & 0o777 == 0o600
            assert is_locked(path)


def test_a_fifo_or_a_link_in_place_of_a_lock_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to("elsewhere")
    for name in ("fifo", "link"):
        with pytest.raises(tree.UnsafePathError), locks.held(str(tmp_path / name), 5):
            raise AssertionError("the lock was taken")
    assert not (tmp_path / "elsewhere").exists()
