# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Retries: a value for the loop, instead of a sleep."""

from __future__ import annotations

from typing import Callable, NamedTuple


class Retry(NamedTuple):
    """When to retry a failed step."""

    due: float
    """By the monotonic clock, seconds."""
    attempt: int
    error: str


class Backoff(NamedTuple):
    """Exponential back-off with full jitter, so that the clients of a returning server do not all arrive at once."""

    random: Callable[[], float]
    """Uniform in [0, 1)."""
    first: float = 0.1
    """Bound of the first wait, seconds; each attempt doubles it."""
    limit: float = 30.0
    """Greatest bound, seconds."""

    def retry(self, now: float, attempt: int, error: str) -> Retry:
        """Return the retry after ``attempt`` failures."""
        bound = min(self.limit, self.first * 2.0 ** min(attempt - 1, 32))
        return Retry(now + bound * self.random(), attempt, error)
