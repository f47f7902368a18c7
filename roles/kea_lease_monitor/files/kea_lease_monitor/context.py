# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a source or a sink may need besides its options."""

from __future__ import annotations

from typing import Callable, Dict, FrozenSet, NamedTuple

from kea_lease_monitor.clock import Clock
from kea_lease_monitor.database import Link


class Context(NamedTuple):
    """Given to the registries' build functions. A sink and its source have different links."""

    subscription: str
    """Name of the subscription."""
    families: FrozenSet[int]
    """Address families that the subscription names, if any."""
    link: Callable[[], Link]
    """Create a database session for this source or sink alone."""
    clock: Clock
    passed: Dict[str, int]
    """Shared by all subscriptions of this process; see EventsSource."""
