# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Time and randomness, injected so that tests control both."""

from __future__ import annotations

import random
from time import monotonic, time
from typing import Callable, NamedTuple


class Clock(NamedTuple):
    """Monotonic seconds, epoch seconds, and a uniform random number in [0, 1)."""

    monotonic: Callable[[], float] = monotonic
    time: Callable[[], float] = time
    random: Callable[[], float] = random.SystemRandom().random
