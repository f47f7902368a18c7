# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a backlog waits until Kea has served its clients: after a power cut, all of them ask at once.

A lease that lives keeps its address also without a reservation. So while many leases come and no processor is free, the
monitor leaves all of them to Kea and its database, and works the backlog off afterwards.
"""

from __future__ import annotations

import logging
from typing import Optional

from kea_lease_monitor import telemetry
from kea_lease_monitor.clock import Clock
from kea_lease_monitor.pace import Pace

MANY = 300
"""Leases a second from which on it is a herd."""
FEW = 10
"""Events of a batch that tell of a herd, if it waited for a processor."""
BACKLOG = 125
"""Events of a batch that tell, on a busy host, that there is a herd still."""
WINDOW, TRUSTED = 0.25, 2.0
"""Seconds for which leases are counted: as a rule, and after a processor was found free."""
LONGEST = 5.0
"""Seconds that a batch waits. Then one is acted upon, so that no overload without an end starves the monitor."""
LOOK = 0.02
"""Seconds between two looks at the load."""

_CROWDED = 0.2
"""Share of a batch's time, waited for a processor, from which on none is free."""
_TOLD = 1.0
"""Seconds of a wait that is logged."""


class Herd:
    """Tells a subscription between its batches whether to wait."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._pace = Pace(clock)
        self._load = clock.load()
        self._waits_since: Optional[float] = None
        self._looks = 0.0
        self._is_busy = False
        """Whether the last batch was acted upon although no processor was free."""
        self._count_from(WINDOW)

    def _count_from(self, window: float) -> None:
        self._began, self._window, self._count = self._clock.monotonic(), window, 0

    @property
    def size(self) -> int:
        """Return how many events to read at once."""
        return self._pace.size

    def begin(self) -> None:
        """Note that a batch begins."""
        self._pace.begin()
        self._load.waited()

    def acted(self, events: int) -> None:
        """Note that the batch that began last ended, with so many events."""
        lasted = self._pace.end()
        now = self._clock.monotonic()
        self._count += events
        passed = now - self._began
        is_over = passed >= self._window
        is_crowded = events >= FEW and events >= MANY * lasted and self._load.waited() > _CROWDED * lasted
        if is_crowded or (is_over and self._count >= MANY * passed) or (self._is_busy and events >= BACKLOG):
            self._waits_since, self._looks = now, now + LOOK
            self._load.ask()
        elif is_over:
            self._is_busy = False
            self._count_from(WINDOW)

    def due(self) -> Optional[float]:
        """Return when to look whether to wait on, by the monotonic clock; None if nothing waits."""
        return None if self._waits_since is None else self._looks

    def waits(self) -> bool:
        """Return whether to wait on."""
        if self._waits_since is None:
            return False
        now, is_free = self._clock.monotonic(), self._load.is_free()
        waited = now - self._waits_since
        if waited < LONGEST and not is_free:
            self._looks = now + LOOK
            return True
        self._load.end()
        self._waits_since, self._is_busy = None, not is_free
        self._count_from(TRUSTED if is_free else WINDOW)
        if waited >= _TOLD:
            telemetry.log(logging.INFO, "gave_way", "Left the processors to Kea", seconds=round(waited, 1))
        return False
