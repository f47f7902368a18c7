# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Metrics and log lines of endings and pools."""

from __future__ import annotations

from typing import Dict, Mapping, Sequence, Tuple

from kea_lease_monitor import metrics, telemetry
from kea_lease_monitor.kea.pools import Figures, Room, Server, counted
from kea_lease_monitor.state.records import Subnet


def begin(subscription: str, reasons: Sequence[str]) -> None:
    """Export the counters of forgotten clients at 0. Prometheus sees no increase of a series that begins at 1."""
    for reason in reasons:
        metrics.ENDED.labels(subscription, reason)


def ended(subscription: str, reason: str) -> None:
    """Count a client that was forgotten."""
    metrics.ENDED.labels(subscription, reason).inc()


def short(subscription: str, subnet: int, room: Room) -> None:
    """Log that few addresses of a subnet are free."""
    text = "Few addresses are free: what was made for unconfirmed clients goes as their leases end"
    fields = {"subnet": subnet, "free": room.free, "total": room.total}
    telemetry.warning("pool_short", text, subscription=subscription, **fields)


_ROOMS: Dict[str, Mapping[Subnet, Room]] = {}
"""The last rooms that each subscription found: the figures are the same, and not each knows all reservations."""


def drop(subscription: str) -> None:
    """Drop what a subscription found."""
    _ROOMS.pop(subscription, None)


def show(subscription: str, figures: Figures, rooms: Mapping[Subnet, Room]) -> None:
    """Set the metrics of subnets and pools; what has no figures has none."""
    _ROOMS[subscription] = rooms
    rooms = {key: room._replace(reserved=_most_reserved(key, room)) for key, room in rooms.items()}
    subnets: Dict[Tuple[object, ...], float] = {}
    pools: Dict[Tuple[object, ...], float] = {}
    for key, room in rooms.items():
        subnets.update({(*key, state): count for state, count in room.counts.items()})
    for subnet in figures:
        for number, counts in counted(subnet, rooms.get((subnet.family, subnet.id))).items():
            told = {state: count for state, count in counts.items() if count is not None}
            pools.update({(subnet.family, subnet.id, number, state): count for state, count in told.items()})
    metrics.replace(metrics.SUBNETS, subnets)
    metrics.replace(metrics.POOLS, pools)


def _most_reserved(key: Subnet, room: Room) -> int:
    return max([room.reserved, *(rooms[key].reserved for rooms in _ROOMS.values() if key in rooms)])


def show_servers(servers: Mapping[int, Server]) -> None:
    """Set the metrics of the servers by their family; what a server does not tell has none."""
    told = {family: server.listening for family, server in servers.items() if server.listening is not None}
    metrics.replace(metrics.LISTENING, {(family,): int(listening) for family, listening in told.items()})
    pairs = {family: server.pair for family, server in servers.items() if server.pair}
    metrics.replace(metrics.PAIR, {(family, pair.role, pair.state): 1 for family, pair in pairs.items()})
    metrics.replace(metrics.IN_TOUCH, {(family,): int(pair.in_touch) for family, pair in pairs.items()})
    metrics.replace(metrics.UNACKED, {(family,): pair.unacked for family, pair in pairs.items()})
