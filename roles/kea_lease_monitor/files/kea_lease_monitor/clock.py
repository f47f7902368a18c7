# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Time, randomness and the load of the host, injected so that tests control them."""

from __future__ import annotations

import random
from time import monotonic, time
from typing import Callable, NamedTuple

from kea_lease_monitor.load import waited


class Clock(NamedTuple):
    """Monotonic seconds, epoch seconds, a uniform random number in [0, 1), and seconds waited for a processor."""

    monotonic: Callable[[], float] = monotonic
    time: Callable[[], float] = time
    random: Callable[[], float] = random.SystemRandom().random
    waited: Callable[[], float] = waited
