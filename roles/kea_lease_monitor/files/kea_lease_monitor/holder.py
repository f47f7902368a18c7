# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Program that runs one command and leaves none of its processes: ``python3 -I -S holder.py GROUP COMMAND ...``.

GROUP is the directory of a control group to enter first, or empty. The caller ends what is left in it. The command's
processes cannot leave by a process group or a session of their own: they are found as descendants, and an orphan
among them becomes a child of this process, the subreaper (prctl(2)). The standard error of the command is read while it
is written, and only its end is kept.

Standard output gets one line, ``exit CODE``, ``signal NUMBER`` or ``failed REASON``, and then that end. SIGTERM ends
the command first. This file is a program of its own, so it imports nothing of the package.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import sys
import time
from types import FrameType
from typing import List, Optional, Set

_SUBREAPER = 36
"""PR_SET_CHILD_SUBREAPER of prctl(2)."""

_TAIL = 400
"""Bytes kept of the standard error."""

_GRACE = 0.3
"""Seconds between SIGTERM and SIGKILL."""

_KILLING = 1.0
"""Seconds within which killed processes must be gone. One that the kernel cannot end yet is left."""


class _StopError(Exception):
    """The caller sent SIGTERM."""


def main(group: str, command: List[str]) -> int:
    """Run the command, report, and return 0."""
    signal.signal(signal.SIGTERM, _stop)
    if group:
        _enter(group)
    ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)
    try:
        held = _Held(command)
    except OSError as error:
        return _report(f"failed {error.strerror}", b"")
    with contextlib.suppress(_StopError):
        held.follow()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if not held.has_ended():
        _signal_all(signal.SIGTERM)
        held.follow(_GRACE)
    outcome = _kill_all(held.pid)
    held.drain()
    return _report(outcome, held.said)


def _stop(_number: int, _frame: Optional[FrameType]) -> None:
    raise _StopError


def _enter(group: str) -> None:
    """Move this process into the group. Where that is not allowed, the descendants are found all the same."""
    with contextlib.suppress(OSError), open(f"{group}/cgroup.procs", "w", encoding="ascii") as file:
        file.write("0")


class _Held:
    """The command, and the end of what it writes to its standard error."""

    def __init__(self, command: List[str]) -> None:
        """Start it in a session of its own. Raises OSError."""
        self._pipe, writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        os.set_blocking(writer, True)
        actions = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0), (os.POSIX_SPAWN_DUP2, writer, 2)]
        default = [signal.SIGPIPE, signal.SIGXFSZ]  # Python ignores them, and the command would inherit that
        self.pid = os.posix_spawn(command[0], command, os.environ, file_actions=actions, setsid=True, setsigdef=default)
        os.close(writer)
        self._ended = os.pidfd_open(self.pid)
        self.said = b""

    def has_ended(self) -> bool:
        """Return whether it has. It is not reaped, so its number still means it."""
        return bool(os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT))

    def follow(self, seconds: Optional[float] = None) -> None:
        """Read until the command ends, or for so long. Its children may hold the pipe open for longer."""
        due = None if seconds is None else time.monotonic() + seconds
        poll = select.poll()
        for descriptor in (self._pipe, self._ended):
            poll.register(descriptor, select.POLLIN)
        while due is None or due > time.monotonic():
            ready = dict(poll.poll(None if due is None else max(0, due - time.monotonic()) * 1000))
            if self._ended in ready:
                return
            if self._pipe in ready and not self._read():
                poll.unregister(self._pipe)

    def drain(self) -> None:
        """Read what is left, once nothing writes any more."""
        while self._read():
            pass

    def _read(self) -> bool:
        """Return whether there may be more to read."""
        try:
            said = os.read(self._pipe, 65536)
        except BlockingIOError:
            return False
        self.said = (self.said + said)[-_TAIL:]
        return bool(said)


def _kill_all(pid: int) -> str:
    """Kill and reap all descendants; return how ``pid`` ended. Each round finds the orphans of the previous one."""
    outcome, due = "failed the kernel does not end it", time.monotonic() + _KILLING
    while time.monotonic() < due:
        _signal_all(signal.SIGKILL)
        try:
            while (found := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG)) is not None:
                if found.si_pid == pid:
                    ended = found.si_code == os.CLD_EXITED
                    outcome = f"{'exit' if ended else 'signal'} {found.si_status}"
        except ChildProcessError:
            break
        time.sleep(0.002)
    return outcome


def _signal_all(number: int) -> None:
    for pid in _descendants():
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def _descendants() -> Set[int]:
    """Return the processes below this one. None of them is reaped meanwhile, or its number would mean another."""
    found: Set[int] = set()
    waiting = [os.getpid()]
    while waiting:
        children = _children(waiting.pop()) - found
        found |= children
        waiting += children
    return found


def _children(pid: int) -> Set[int]:
    found: Set[int] = set()
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{thread}/children", encoding="ascii") as file:
                found.update(map(int, file.read().split()))
    return found


def _report(outcome: str, said: bytes) -> int:
    sys.stdout.buffer.write(outcome.encode() + b"\n" + said)
    sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
