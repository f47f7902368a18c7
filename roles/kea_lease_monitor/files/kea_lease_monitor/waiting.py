# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting for a database, in short portions of time."""

from __future__ import annotations

import time
from typing import Callable

_PORTION = 0.2
"""Seconds. After each portion the wait reports a sign of life and checks whether the program is to stop."""


def _silent() -> None:
    """Report nothing."""


class Waiting:
    """Limits of every wait for a database in this process. The composition root creates one and installs it."""

    def __init__(self, sign_of_life: Callable[[], None] = _silent) -> None:
        """``sign_of_life`` is called after each portion. Every wait has an end, so a waiting program does not hang."""
        self._sign_of_life = sign_of_life
        self._end = float("inf")

    def end_within(self, seconds: float) -> None:
        """End every present and future wait within ``seconds``. Safe in a signal handler."""
        self._end = min(self._end, time.monotonic() + seconds)

    def wait(self, seconds: float, step: Callable[[float], bool]) -> bool:
        """Call ``step`` with portions of ``seconds`` until it returns True. Return whether it did in time."""
        due = time.monotonic() + seconds
        while not (done := step(max(0.0, min(_PORTION, due - time.monotonic(), self._end - time.monotonic())))):
            self._sign_of_life()
            if time.monotonic() >= min(due, self._end):
                break
        return done
