# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: whether an LFC (kea-lfc) works on a lease file, told from the processes; the PID file alone does not tell.

A PID file outlives a killed kea-lfc, and its number may belong to another process by now (kea-facts 3.4). So a kea-lfc
is looked for in /proc: by its program, its user, and the PID file that it was given. Its name proves nothing, since
each user may give a process any name and any arguments. What /proc cannot show is told from the PID file:

- Kea forks and then executes kea-lfc. In between, the process looks like Kea. Kea 3.1.3 and later write the PID file
  before that, so a PID file younger than ``YOUNG`` counts as an LFC that is about to start. With older versions only
  the rotated file ``.1`` announces it (``LeaseFile.unfinished``).
- On a host that hides the processes of other users (hidepid of proc(5), ProtectProc of systemd.exec(5)), users other
  than root and Kea's own see no kea-lfc. A living process that the PID file of another user names then counts as one.
  A kea-lfc of Kea before 3.1.3 that has not written its PID file yet cannot be seen there.
"""

from __future__ import annotations

import contextlib
import enum
import os
import stat
import time
from typing import FrozenSet, NamedTuple, Optional

from . import tree
from .lease_file import LeaseFile

YOUNG = 5.0
"""Seconds for which a PID file counts as that of a kea-lfc that is about to start."""

EXECUTION = 0.5
"""Seconds to wait for the arguments of a kea-lfc that is being executed: it may work on another lease file."""

_NAME = b"kea-lfc"
_LONGEST = 64
"""Bytes of a PID file that are read; a number is shorter."""


class Status(enum.Enum):
    """What the processes and the PID file say together."""

    ABSENT = "absent"
    """No kea-lfc and no PID file."""
    RUNNING = "running"
    """A kea-lfc works on the lease file."""
    STARTING = "starting"
    """The PID file was written a moment ago, so a kea-lfc may be about to start."""
    HIDDEN = "hidden"
    """The PID file may name a kea-lfc, and this user may not look at that process or read that file."""
    BLOCKING = "blocking"
    """The PID file is stale and names another living process, or no number: Kea refuses to load its leases."""
    ENDED = "ended"
    """The PID file is stale and names no living process: Kea ignores it."""


class Lfc(NamedTuple):
    """What is known about the LFC of one lease file at one moment."""

    status: Status
    process: Optional[int]
    """Process id: of the kea-lfc if it is RUNNING, else what the PID file says; None if that is no number."""
    pid_file: str

    @property
    def at_work(self) -> bool:
        """Whether a kea-lfc runs, or may be running or about to start: neither clean up nor have Kea load leases."""
        return self.status in (Status.RUNNING, Status.STARTING, Status.HIDDEN)

    @property
    def stale(self) -> bool:
        """Whether there is a PID file and no kea-lfc."""
        return self.status in (Status.BLOCKING, Status.ENDED)

    @property
    def refuses_load(self) -> bool:
        """Whether Kea would fail to load its leases now, and then serve no client (kea-facts 3.4)."""
        return self.at_work or self.status is Status.BLOCKING

    @property
    def text(self) -> str:
        """The same for people, such as ``kea-lfc runs as process 12``; empty if there is nothing to say."""
        return {
            Status.ABSENT: "",
            Status.RUNNING: f"kea-lfc runs as process {self.process}",
            Status.STARTING: f"{self.pid_file} was written a moment ago",
            Status.HIDDEN: f"{self.pid_file} is of a process that this user may not look at",
            Status.BLOCKING: f"{self.pid_file} is stale, and Kea takes it for a running kea-lfc",
            Status.ENDED: f"{self.pid_file} is stale",
        }[self.status]


def find(path: str) -> Lfc:
    """Return what is known about the LFC of the lease file with this path. Changes nothing.

    Raises OSError if this user may not look into the directory of the lease file.
    """
    pid_file = LeaseFile(path).pid
    process = running(path)
    if process is not None:
        return Lfc(Status.RUNNING, process, pid_file)
    try:
        found = os.lstat(pid_file)
        if 0 <= time.time() - found.st_mtime < YOUNG:
            return Lfc(Status.STARTING, None, pid_file)
        text = _read_pid(pid_file) if stat.S_ISREG(found.st_mode) else b""
    except FileNotFoundError:
        return Lfc(Status.ABSENT, None, pid_file)
    if text is None:
        return Lfc(Status.HIDDEN, None, pid_file)
    number = _number(text)
    return Lfc(_judge(number, found.st_uid), number, pid_file)


def running(path: str) -> Optional[int]:
    """Return the process id of a kea-lfc that works on the lease file with this path, None if this user sees none."""
    pid_file, users = os.fsencode(LeaseFile(path).pid), _users(path)
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        with contextlib.suppress(OSError):
            if _is_lfc_of(entry, pid_file, users):
                return int(entry)
    return None


def _is_lfc_of(entry: str, pid_file: bytes, users: FrozenSet[int]) -> bool:
    """Look at a process until its arguments can be read, at most EXECUTION seconds. Raises OSError if it has ended."""
    deadline = time.monotonic() + EXECUTION
    while True:
        cmdline = _read(f"/proc/{entry}/cmdline")
        # Empty for kernel threads, for zombies and for an instant while a program is executed.
        status = b"" if cmdline else _read(f"/proc/{entry}/stat")
        if not is_lfc(cmdline, status, pid_file) or not _is_genuine(entry, users):
            return False
        if cmdline or time.monotonic() > deadline:
            return True
        time.sleep(0.002)


def _users(path: str) -> FrozenSet[int]:
    """Return the users who may run an LFC on this lease file: root, and who owns the file or its directory."""
    owners = {0}
    for name in (path, os.path.dirname(path)):
        with contextlib.suppress(OSError):
            owners.add(os.lstat(name).st_uid)
    return frozenset(owners)


def _is_genuine(entry: str, users: FrozenSet[int]) -> bool:
    """Return whether a process that looks like kea-lfc runs as one of these users, and runs that program.

    The program of another user's process cannot be seen without rights; its user counts then. Raises OSError if the
    process has ended.
    """
    if os.stat(f"/proc/{entry}").st_uid not in users:
        return False
    try:
        program = os.readlink(f"/proc/{entry}/exe")
    except PermissionError:
        return True
    deleted = " (deleted)"
    return os.path.basename(program[: -len(deleted)] if program.endswith(deleted) else program) == _NAME.decode()


def is_lfc(cmdline: bytes, status: bytes, pid_file: bytes) -> bool:
    """Return whether a process says that it is a kea-lfc that was given this PID file.

    ``cmdline`` and ``status`` are its files ``cmdline`` and ``stat`` in /proc (proc(5)); the latter counts if the first
    is empty. A kea-lfc whose arguments cannot be read yet counts for every lease file, a zombie for none.
    """
    words = cmdline.split(b"\0")
    if cmdline:
        return os.path.basename(words[0]) == _NAME and pid_file in words
    _number, _open, rest = status.partition(b"(")
    name, _close, state = rest.rpartition(b") ")
    return name == _NAME and state[:1] not in (b"Z", b"X")


def remove_stale_pid_file(path: str) -> Lfc:
    """Remove the PID file if it is stale, and return what is known about the LFC afterwards.

    Without this, Kea would refuse to load its leases once the number belongs to another process, and kea-lfc would end
    with success and do nothing. Nothing is removed if the result is ``at_work``. Raises OSError.

    The caller holds the lock of the lease file and is root or Kea's user: the modules before they start Kea, the LFC
    program before its run. The monitor removes no PID file.
    """
    found = find(path)
    if not found.stale:
        return found
    with contextlib.suppress(FileNotFoundError), tree.at(found.pid_file, follow=False) as spot:
        spot.unlink()
    # A kea-lfc that started while its PID file was removed is seen by this second look.
    return find(path)


def _judge(number: Optional[int], owner: int) -> Status:
    """``owner`` is the user id of the PID file's owner, and so of the kea-lfc that wrote it."""
    if number is None:
        return Status.BLOCKING
    if not _is_alive(number):
        return Status.ENDED
    # Processes of one's own are never hidden.
    if owner != os.geteuid() and not _is_visible(number):
        return Status.HIDDEN
    return Status.BLOCKING


def _number(text: bytes) -> Optional[int]:
    """Return the number in the text of a PID file; None if there is none."""
    digits = text[:_LONGEST].strip()
    return int(digits) if digits.isdigit() else None


def _is_alive(number: int) -> bool:
    try:
        os.kill(number, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def _is_visible(number: int) -> bool:
    return os.access(f"/proc/{number}/cmdline", os.R_OK)


def _read_pid(path: str) -> Optional[bytes]:
    """Return the beginning of a PID file; None if this user may not read it, nothing if another user prepared it."""
    try:
        with tree.at(path, follow=False) as spot, open(spot.open(), "rb") as file:
            return file.read(_LONGEST)
    except PermissionError:
        return None
    except tree.UnsafePathError:
        return b""


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()
