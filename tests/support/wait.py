# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wait for a condition, for a limited time."""

from __future__ import annotations

import time
from typing import Callable, TypeVar

T = TypeVar("T")
LIMIT = 60.0
"""Seconds. Far above what any wait takes on a busy machine, because a test must not depend on its load."""


def until(
    condition: Callable[[], T],
    what: str | Callable[[], str],
    seconds: float = LIMIT,
    pause: float | Callable[[], object] = 0.005,
) -> T:
    """Call ``condition`` until it returns something true, and return that.

    ``what`` names the condition, or returns its name, in the AssertionError after so many ``seconds``. ``pause`` is
    the time between two calls, or what to do meanwhile.
    """
    due = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > due:
            raise AssertionError(f"not seen within {seconds} s: {what() if callable(what) else what}")
        if callable(pause):
            pause()
        else:
            time.sleep(pause)
    return found
