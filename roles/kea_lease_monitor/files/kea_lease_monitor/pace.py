# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many events a subscription reads at once: as many as its sinks act upon in time for the next heartbeat."""

from __future__ import annotations

from kea_lease_monitor.clock import Clock

MOST, LEAST, FIRST = 1000, 50, 125
"""Events. The most limit the memory that is used while a sink cannot deliver."""
LONGEST = 3.0
"""Seconds for a batch. The loop sends no heartbeat meanwhile, and 15 s without one count as a fault."""


class Pace:
    """Doubles the batches while they take a moment, and halves them on a slow disk or a busy host."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._began = clock.monotonic()
        self.size = FIRST

    def begin(self) -> None:
        """Note that a batch begins."""
        self._began = self._clock.monotonic()

    def end(self) -> float:
        """Judge the batch that began last, and return how many seconds it took."""
        passed = self._clock.monotonic() - self._began
        if passed > LONGEST:
            self.size = max(LEAST, self.size // 2)
        elif passed < LONGEST / 4:
            self.size = min(MOST, self.size * 2)
        return passed
