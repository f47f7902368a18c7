# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``status`` and ``check`` show of the addresses of subnets and pools."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Protocol, Sequence

from kea_lease_monitor.commands import built
from kea_lease_monitor.errors import TemporaryError
from kea_lease_monitor.kea import pools
from kea_lease_monitor.settings import MonitorSettings
from kea_lease_monitor.sinks.base import counted
from kea_lease_monitor.state.records import Heartbeat, Subnet

COLUMNS = ("subnet", "pool", "total", "leased", "reserved", "free")

_FEW = 10
"""Per cent of free addresses under which ``check`` warns."""

_PATIENCE = 60.0
"""Seconds that a monitor runs before ``check`` expects figures: the deployment starts the other service after it."""


class RoomStore(Protocol):
    """What ``rooms`` needs of the state store."""

    def reserved(self) -> Dict[Subnet, int]: ...


class Addresses(NamedTuple):
    """The figures of pools, and what is reserved."""

    figures: pools.Figures
    rooms: Mapping[Subnet, pools.Room]
    age: Optional[float]
    """Seconds; None if there are no figures."""
    recent: bool = False
    """Whether the figures count."""


def read(settings: MonitorSettings, store: RoomStore, now: float) -> Addresses:
    """Return the present addresses. Raises TemporaryError."""
    figures = pools.read(settings.pools)
    return of(figures, store, _made(settings) if figures else {}, now)


def of(reading: Optional[pools.Reading], store: RoomStore, made: pools.Counts, now: float) -> Addresses:
    """Return the addresses by figures and reservations. Raises TemporaryError."""
    if reading is None:
        return Addresses((), {}, None)
    rooms = pools.rooms(reading.figures, store.reserved(), made)
    return Addresses(reading.figures, rooms, now - reading.written_at, reading.is_recent(now))


def _made(settings: MonitorSettings) -> pools.Counts:
    """Return how many reservations the sinks made, as far as they can tell now."""
    found: Dict[Subnet, int] = {}
    for flow in settings.flows:
        for sink in built.sinks(settings, flow):
            with suppress(TemporaryError):
                found.update({key: max(count, found.get(key, 0)) for key, count in counted([sink]).items()})
            sink.close()
    return found


def missing(addresses: Addresses, settings: MonitorSettings, heartbeats: Sequence[Heartbeat], now: float) -> str:
    """Return a warning if a subscription acts by figures and there are none, though the monitor runs for a minute."""
    wanted = {flow.subscription.name for flow in settings.flows if flow.subscription.ending.low_water}
    ran = any(beat.subscription in wanted and now - beat.started_at > _PATIENCE for beat in heartbeats)
    if addresses.age is not None or not ran:
        return ""
    return (
        f"there are no figures of pools in {settings.pools[0]}, so low_water has no effect: "
        f"see journalctl -u kea-reservations, or set low_water to 0"
    )


def warning(addresses: Addresses) -> str:
    """Return the subnets in which few addresses are free, in one line; empty if there are enough.

    It is never a failure: one client must not be able to make a deployment undo itself.
    """
    if addresses.age is None:
        return ""
    if not addresses.recent:
        return f"the figures of pools are {addresses.age:.0f} seconds old"
    short = [
        f"subnet {number} has {room.free} of {room.total} addresses free"
        for (_family, number), room in addresses.rooms.items()
        if room.is_below(_FEW)
    ]
    return "; ".join(short)


def lines(addresses: Addresses) -> List[Dict[str, Any]]:
    """Return one mapping for each subnet and each of its pools, by column."""
    found: List[Dict[str, Any]] = []
    for subnet in addresses.figures:
        room = addresses.rooms.get((subnet.family, subnet.id))
        if room:
            found.append({"family": subnet.family, "subnet": subnet.id, "pool": None, **room.counts})
        for number, counts in pools.counted(subnet, room).items():
            found.append({"family": subnet.family, "subnet": subnet.id, "pool": number, **counts})
    return found


def add(subscriptions: Sequence[Dict[str, Any]], addresses: Addresses, settings: MonitorSettings) -> None:
    """Add the key ``pools`` to the lines of ``status``: those of the subnets that each subscription can select."""
    matches = {flow.subscription.name: flow.subscription.match for flow in settings.flows}
    every = lines(addresses)
    for line in subscriptions:
        match = matches.get(line["subscription"])
        line["pools"] = [each for each in every if match and match.has_subnet(each["family"], each["subnet"])]
