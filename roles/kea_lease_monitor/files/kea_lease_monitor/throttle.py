# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A limit for log lines that a client or a damaged file could repeat a million times."""

from __future__ import annotations

from typing import Callable, Dict, List, Tuple

LINES = 20
"""Lines of one kind that are logged in one interval."""

INTERVAL = 60.0
"""Seconds after which lines of that kind are logged again."""


class Throttle:
    """Counts the lines of each kind, and those that were not logged."""

    def __init__(self, now: Callable[[], float]) -> None:
        """``now`` is the monotonic clock."""
        self._now = now
        self._counts: Dict[str, Tuple[float, int]] = {}

    def admits(self, kind: str) -> bool:
        """Count one more line. Return whether to log it."""
        begun, count = self._counts.get(kind, (self._now(), 0))
        self._counts[kind] = (begun, count + 1)
        return count < LINES

    def suppressed(self) -> List[Tuple[str, int]]:
        """Return each kind whose interval is over, with the number of lines that were not logged; 0 is left out."""
        over = [kind for kind, (begun, _count) in self._counts.items() if self._now() - begun >= INTERVAL]
        counts = [(kind, self._counts.pop(kind)[1] - LINES) for kind in over]
        return [(kind, count) for kind, count in counts if count > 0]
