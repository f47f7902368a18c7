# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the host has a processor to spare."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from typing import Deque, Protocol

_WAITED = "/proc/thread-self/schedstat"
"""Nanoseconds on a processor, nanoseconds waited for one, and the number of turns."""
_NAP, _LATE = 0.0025, 0.0005
"""Seconds of a nap, and by how much a thread wakes up too late if no processor was free then."""
_NAPS, _LATE_NAPS = 40, 2
"""A processor is free if of the last so many naps no more were late. On 2 processors, of a Kea that serves all
that it can, 29 to 41 % are late, and of one with three quarters of that load, no more than 2 %.
"""


class Load(Protocol):
    """The load of the host."""

    def ask(self) -> None:
        """Begin to find out whether a processor is free."""

    def is_free(self) -> bool:
        """Return whether one was found free since ``ask``."""

    def end(self) -> None:
        """Stop finding out."""

    def waited(self) -> float:
        """Return the seconds that this thread has waited for a processor since the last call."""


class Naps:
    """Finds a free processor by a thread that gets one only if no other thread of the host wants it (SCHED_IDLE)."""

    def __init__(self) -> None:
        self._ended = threading.Event()
        self._free = threading.Event()
        self._waited = 0.0

    def ask(self) -> None:
        self.end()
        self._ended, self._free = threading.Event(), threading.Event()
        threading.Thread(target=_nap, args=(self._ended, self._free), daemon=True).start()

    def is_free(self) -> bool:
        return self._free.is_set()

    def end(self) -> None:
        self._ended.set()

    def waited(self) -> float:
        try:
            with open(_WAITED, encoding="ascii") as file:
                now = int(file.read().split()[1]) / 1e9
        except (OSError, ValueError, IndexError):  # a kernel that does not tell
            return 0.0
        passed, self._waited = now - self._waited, now
        return passed


def _nap(ended: threading.Event, free: threading.Event) -> None:
    try:
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    except OSError:  # not permitted here: then nothing waits
        free.set()
        return
    late: Deque[bool] = deque(maxlen=_NAPS)
    while not ended.is_set():
        due = time.monotonic() + _NAP
        time.sleep(_NAP)
        late.append(time.monotonic() > due + _LATE)
        if len(late) == _NAPS and sum(late) <= _LATE_NAPS:
            free.set()
            return
