# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The event loop: descriptors, due times and signals."""

from __future__ import annotations

import contextlib
import os
import select
import signal
from types import FrameType
from typing import Callable, Dict, List, Optional, Protocol

from kea_lease_monitor.clock import Clock

_IDLE = 3600.0
"""Seconds that a loop without tasks sleeps."""


class Task(Protocol):
    """A task is pumped when its descriptor is readable or its time has come."""

    def fileno(self) -> Optional[int]: ...

    def due(self) -> float: ...

    def pump(self) -> None: ...


class Signals:
    """Signals as flags and a readable descriptor, so that the loop handles them between two steps."""

    def __init__(self, hurry: Callable[[], None]) -> None:
        """``hurry`` is called in the signal handler when the program must stop. It must make all waits end soon."""
        self.stop = ""
        self.reload = False
        self._hurry = hurry
        self._reader, self._writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._note)

    def _note(self, number: int, _frame: Optional[FrameType]) -> None:
        if number == signal.SIGHUP:
            self.reload = True
        else:
            self.stop = signal.Signals(number).name
            self._hurry()

    def fileno(self) -> int:
        return self._reader

    def drain(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while os.read(self._reader, 512):
                pass


def run(tasks: List[Task], signals: Signals, reload: Callable[[], None], clock: Clock) -> None:
    """Run the tasks until a signal stops the program. ``reload`` may change the list of tasks in place."""
    while not signals.stop:
        readable = _wait(tasks, signals, clock)
        if signals.reload:
            signals.reload = False
            reload()
            continue
        now = clock.monotonic()
        for task in tasks:
            if not signals.stop and (task.fileno() in readable or task.due() <= now):
                task.pump()


def _wait(tasks: List[Task], signals: Signals, clock: Clock) -> Dict[Optional[int], int]:
    poll = select.poll()
    poll.register(signals.fileno(), select.POLLIN)
    for task in tasks:
        number = task.fileno()
        if number is not None:
            poll.register(number, select.POLLIN)
    due = min((task.due() for task in tasks), default=clock.monotonic() + _IDLE)
    found = poll.poll(max(0.0, due - clock.monotonic()) * 1000)
    signals.drain()
    return dict(found)
