# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: lock files that only this user may open, whose wait has a limit and names the holder.

The kernel releases a lock when its process ends, however it ends. The file stays.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from typing import Iterator, List, Optional

from . import tree

_PAUSE = 0.1
"""Seconds between two attempts."""
_LOCKS = "/proc/locks"
_LONGEST = 200
"""Characters of a command that are shown."""


class LockedError(Exception):
    """Another process holds the lock. The text names it."""


@contextlib.contextmanager
def held(path: str, timeout: float) -> Iterator[int]:
    """Hold the lock of this path, and provide its descriptor. The file is created with mode 0600.

    As root, it gets the owner of its directory: a lock that root made must not keep that user out. Raises LockedError
    after ``timeout`` seconds, and OSError if the file cannot be opened.
    """
    with tree.at(path, follow=False) as spot:
        descriptor = spot.open(os.O_RDWR | os.O_CREAT, 0o600)
        home = os.fstat(spot.directory)
    try:
        if os.geteuid() == 0:
            os.fchown(descriptor, home.st_uid, home.st_gid)
        # An older release created it open to all, and whoever can open it can lock it.
        os.fchmod(descriptor, 0o600)
        _take(descriptor, path, timeout)
        yield descriptor
    finally:
        os.close(descriptor)


def holder(descriptor: int) -> str:
    """Return which process holds the lock of this open file: its number, its command, and since when it runs."""
    number = _process(os.fstat(descriptor).st_ino)
    if number is None:
        return "a process that this user cannot see"
    command, started = "", ""
    with contextlib.suppress(OSError):
        with open(f"/proc/{number}/cmdline", "rb") as file:
            words = file.read(4 * _LONGEST).rstrip(b"\0").replace(b"\0", b" ").decode("utf-8", "replace")
        command = "".join(letter if letter.isprintable() else "?" for letter in words)[:_LONGEST]
        moment = time.localtime(os.stat(f"/proc/{number}").st_ctime)
        started = f", running since {time.strftime('%Y-%m-%d %H:%M:%S', moment)}"
    return f"process {number} ({command or 'unknown command'}{started})"


def _take(descriptor: int, path: str, timeout: float) -> None:
    deadline = time.monotonic() + timeout
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() >= deadline:
                waited = f" after {timeout:.0f} s" if timeout else ""
                raise LockedError(f"{path} is still locked{waited} by {holder(descriptor)}") from error
        time.sleep(_PAUSE)


def _process(inode: int) -> Optional[int]:
    """Return the process that holds a lock of the file with this inode (proc_locks(5))."""
    rows: List[List[str]] = []
    # A unit with ProcSubset=pid has no such file.
    with contextlib.suppress(FileNotFoundError), open(_LOCKS, encoding="ascii") as file:
        rows = [line.split() for line in file]
    for row in rows:
        if len(row) > 5 and row[1] == "FLOCK" and row[5].endswith(f":{inode}") and int(row[4]) > 0:
            return int(row[4])
    return None
