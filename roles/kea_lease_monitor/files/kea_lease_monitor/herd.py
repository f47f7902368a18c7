# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a backlog waits until Kea has served its clients: after a power cut, all of them ask at once.

A lease that lives keeps its address also without a reservation. So while many leases come and there are too few
processors for all, the monitor leaves them to Kea and its database most of the time, and works the backlog off later.
"""

from __future__ import annotations

import logging
from typing import Optional

from kea_lease_monitor import telemetry
from kea_lease_monitor.clock import Clock
from kea_lease_monitor.pace import Pace

MANY, FEW = 300, 10
"""Leases a second, and events of a batch, from which on it is a herd."""
CROWDED = 0.2
"""Share of a batch's time that this thread waited for a processor, from which on there are too few."""
TIMES, LONGEST = 20, 4.0
"""The next batch waits for so many times as long as the last one took, but no more seconds than that.

It waits once more at most after the last client was served. An overload without an end cannot stop the monitor.
"""
_TOLD = 1.0
"""Seconds of a wait that is logged."""


class Herd:
    """Tells a subscription how many events to read at once, and whether to wait before."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._pace = Pace(clock)
        self._waited = 0.0
        self._until: Optional[float] = None

    @property
    def size(self) -> int:
        """Return how many events to read at once."""
        return self._pace.size

    def begin(self) -> None:
        """Note that a batch begins."""
        self._pace.begin()
        self._waited = self._clock.waited()

    def acted(self, events: int) -> None:
        """Note that the batch that began last ended, with so many events."""
        lasted = self._pace.end()
        if events < FEW or events < MANY * lasted or self._clock.waited() - self._waited <= CROWDED * lasted:
            return
        pause = min(LONGEST, TIMES * lasted)
        self._until = self._clock.monotonic() + pause
        if pause >= _TOLD:
            telemetry.log(logging.INFO, "gave_way", "Leaving the processors to Kea", seconds=round(pause, 1))

    def due(self) -> Optional[float]:
        """Return until when to wait, by the monotonic clock; None if nothing waits."""
        return self._until

    def waits(self) -> bool:
        """Return whether to wait on."""
        if self._until is not None and self._clock.monotonic() >= self._until:
            self._until = None
        return self._until is not None
