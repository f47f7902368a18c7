# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The subnets in which few addresses are free, as after a flood of clients that never come back."""

from __future__ import annotations

from typing import Callable, Dict, Mapping, Optional, Protocol

from kea_lease_monitor.clock import Clock
from kea_lease_monitor.endings import reporting
from kea_lease_monitor.kea import pools
from kea_lease_monitor.lease import Lease
from kea_lease_monitor.state.records import Subnet
from kea_lease_monitor.subscriptions import Subscription

_LATE = 60.0
"""Seconds that Kea may take to reclaim the last leases."""


class ShortageStore(Protocol):
    """What ``Shortages`` needs of the state store."""

    def reserved(self) -> Dict[Subnet, int]: ...

    def shortages(self, subscription: str) -> Dict[Subnet, float]: ...


class Shortages:
    """The shortages in the subnets of one subscription. All methods raise TemporaryError."""

    def __init__(
        self,
        subscription: Subscription,
        store: ShortageStore,
        clock: Clock,
        made: Callable[[], Mapping[Subnet, int]],
    ) -> None:
        """Nothing is read from the store yet. ``made`` returns how many reservations the sinks made."""
        self._made = made
        self._subscription = subscription
        self._store = store
        self._clock = clock
        self._lifetimes: Dict[Subnet, int] = {}
        """The longest lifetime that was met in each subnet since the start."""
        self.drop()

    def drop(self) -> None:
        """Drop all that is not stored."""
        self._current: Optional[Dict[Subnet, float]] = None
        self._reserved: Dict[Subnet, int] = {}
        reporting.drop(self._subscription.name)
        self.changed = False
        """Whether the current ones are to be stored."""

    @property
    def current(self) -> Dict[Subnet, float]:
        """Return the subnets, and until when leases may last that were made while few addresses were free."""
        if self._current is None:
            self._current = self._store.shortages(self._subscription.name)
        return self._current

    def met(self, lease: Lease) -> None:
        """Note the lifetime of a lease."""
        if lease.expires is not None:
            subnet = lease.family, lease.subnet_id
            self._lifetimes[subnet] = max(self._lifetimes.get(subnet, 0), lease.valid_lifetime)

    def judge(self, reserved_changed: bool) -> None:
        """Begin, prolong and end shortages by the figures of pools; without recent figures they stay as they are.

        ``reserved_changed`` says that the reserved addresses must be counted again.
        """
        terms, now = self._subscription.ending, self._clock.time()
        reading = pools.read(terms.figures)
        if reading is None or not reading.is_recent(now):
            reporting.show(self._subscription.name, (), {})
            reporting.show_servers({})
            return
        if reserved_changed:
            self._reserved = self._store.reserved()
        rooms = pools.rooms(reading.figures, self._reserved, self._made())
        reporting.show(self._subscription.name, reading.figures, rooms)
        reporting.show_servers(reading.servers)
        for subnet, room in rooms.items():
            if self._subscription.match.has_subnet(*subnet):
                self._judge(subnet, room, now)

    def _judge(self, subnet: Subnet, room: pools.Room, now: float) -> None:
        terms = self._subscription.ending
        if room.is_below(terms.low_water):
            if subnet not in self.current:
                reporting.short(self._subscription.name, subnet[1], room)
            # If no lease was met since the start, none was made since the shortage was stored. Without a stored one,
            # the time after which each unconfirmed client goes is long enough.
            known = self._lifetimes.get(subnet)
            until = self.current.get(subnet, 0.0 if known else now + terms.unconfirmed_for)
            self.current[subnet] = max(until, now + known + _LATE if known else 0.0)
            self.changed = True
        elif self.current.get(subnet, now) < now:
            del self.current[subnet]
            self.changed = True
