# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When to try again: a value that the loop keeps, never a sleep."""

from __future__ import annotations

from typing import Callable, NamedTuple


class Retry(NamedTuple):
    due: float
    """By the monotonic clock, seconds."""
    attempt: int
    error: str


class Backoff(NamedTuple):
    """Full jitter: anything up to the bound, so that many clients of a returning server do not arrive at once."""

    random: Callable[[], float]
    """Uniform in [0, 1)."""
    first: float = 0.1
    """Bound of the first wait, seconds; each attempt doubles it."""
    limit: float = 30.0
    """Greatest bound, seconds."""

    def retry(self, now: float, attempt: int, error: str) -> Retry:
        bound = min(self.limit, self.first * 2.0 ** min(attempt - 1, 32))
        return Retry(now + bound * self.random(), attempt, error)
