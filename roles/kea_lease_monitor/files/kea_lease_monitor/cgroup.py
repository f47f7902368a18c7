# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A control group for the processes of one command: no fork leaves it, and the kernel ends all of them in one step.

It needs cgroup v2 with cgroup.kill (Linux 5.14), and a group of this process that systemd delegates (``Delegate=``).
"""

from __future__ import annotations

import os
import select
import tempfile
import time
from contextlib import suppress
from typing import Optional

_ROOTS = ("/sys/fs/cgroup", "/sys/fs/cgroup/unified")
"""Where cgroup v2 is mounted: alone, or beside v1."""

_ENDING = 0.5
"""Seconds within which killed processes must be gone. A group with one that the kernel cannot end yet is left."""


class ControlGroup:
    """One of them."""

    def __init__(self, path: str) -> None:
        """``path`` is its directory."""
        self.path = path

    def end(self) -> None:
        """Kill all processes in it, wait for their end, and remove it."""
        with suppress(OSError):
            if not self._is_removed():
                self._kill()
                os.rmdir(self.path)

    def _is_removed(self) -> bool:
        """Remove it if no process is left in it."""
        with suppress(OSError):
            os.rmdir(self.path)
            return True
        return False

    def _kill(self) -> None:
        due = time.monotonic() + _ENDING
        with open(f"{self.path}/cgroup.events", encoding="ascii") as events:
            poll = select.poll()
            poll.register(events, select.POLLPRI)
            with open(f"{self.path}/cgroup.kill", "w", encoding="ascii") as kill:
                kill.write("1")
            while "populated 1" in events.read() and time.monotonic() < due:
                poll.poll(max(0, due - time.monotonic()) * 1000)
                events.seek(0)


def create() -> Optional[ControlGroup]:
    """Return a new one below that of this process; None where this process may not create one."""
    for parent in (f"{root}{_own()}" for root in _ROOTS):
        if not os.path.exists(f"{parent}/cgroup.procs"):
            continue
        with suppress(OSError):
            group = ControlGroup(tempfile.mkdtemp(prefix="command-", dir=parent))
            if os.path.exists(f"{group.path}/cgroup.kill"):
                return group
            group.end()
    return None


def _own() -> str:
    """Return the path of this process's group in cgroup v2, or of the root."""
    with suppress(OSError), open("/proc/self/cgroup", encoding="utf-8", errors="surrogateescape") as file:
        for line in file:
            if line.startswith("0::"):
                return line[len("0::") :].rstrip("\n").rstrip("/")
    return ""
