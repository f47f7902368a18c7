# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which leases deserve a reservation, and what one looks like in Kea's configuration."""

from __future__ import annotations

from typing import Any, Dict, List, Sequence, Tuple

from kea_lease_monitor.kea import identifiers
from kea_lease_monitor.lease import EventKind, Lease, LeaseEvent

KINDS = frozenset({EventKind.ASSIGNED, EventKind.CHANGED})
"""A renewal says nothing new. To act upon it would undo, within hours, what a person changed by hand."""

Key = Tuple[str, int]
"""Hardware address and subnet."""


def key(lease: Lease) -> Key:
    return lease.hwaddr, lease.subnet_id


def chosen(events: Sequence[LeaseEvent]) -> List[LeaseEvent]:
    """The events to act upon: of several for one client or for one address the last one only, in order."""
    clients: Dict[Key, LeaseEvent] = {}
    for event in events:
        if event.kind in KINDS and event.lease.hwaddr:
            clients.pop(key(event.lease), None)
            clients[key(event.lease)] = event
    addresses = {(event.lease.address, event.lease.subnet_id): event for event in clients.values()}
    return [event for event in clients.values() if addresses[event.lease.address, event.lease.subnet_id] is event]


def parameters(events: Sequence[LeaseEvent]) -> Dict[str, Any]:
    """For sql.RESERVE, one array per column."""
    leases = [event.lease for event in events]
    return {
        "type": identifiers.HWADDR_TYPE,
        "identifiers": [lease.hwaddr.replace(":", "") for lease in leases],
        "subnets": [lease.subnet_id for lease in leases],
        "addresses": [identifiers.number(lease.address) for lease in leases],
        "hostnames": [lease.hostname[:255] for lease in leases],
    }


def host_object(lease: Lease, present: Dict[str, Any]) -> Dict[str, Any]:
    """Kea's reservation map; whatever else a person put into ``present`` stays. A lost name takes none away."""
    wanted = {**present, "hw-address": lease.hwaddr, "ip-address": lease.address}
    return {**wanted, "hostname": lease.hostname} if lease.hostname else wanted
