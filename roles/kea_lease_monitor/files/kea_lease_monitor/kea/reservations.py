# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which leases deserve a reservation, and what one looks like in Kea's configuration."""

from __future__ import annotations

from typing import Any, Collection, Dict, List, Mapping, Sequence, Tuple

from kea_lease_monitor.kea import identifiers
from kea_lease_monitor.lease import EventKind, Lease, LeaseEvent, LeaseState

KINDS = frozenset({EventKind.ASSIGNED, EventKind.CHANGED})
"""A renewal says nothing new. To act upon it would undo, within hours, what a person changed by hand."""

_HELD = frozenset({*KINDS, EventKind.RENEWED})

MARK = "kea-lease-monitor"
"""In the user context of each reservation that we made: the address and the name that we gave it. Where it says
something else than the reservation does, a person changed that, and where it is missing a person made it."""

_ADDRESS = 0
"""Lease::TYPE_NA. A temporary address is not to last, a delegated prefix is no address."""


def chosen(events: Sequence[LeaseEvent], families: Collection[int]) -> List[LeaseEvent]:
    """The events to act upon: of several for one client or for one address the last one only, in order."""
    clients: Dict[Tuple[object, ...], LeaseEvent] = {}
    for event in events:
        client = identifiers.client(event.lease)
        if event.kind in KINDS and client and event.lease.family in families and _may_last(event.lease):
            clients.pop(client, None)
            clients[client] = event
    addresses = {(event.lease.address, event.lease.subnet_id): event for event in clients.values()}
    return [event for event in clients.values() if addresses[event.lease.address, event.lease.subnet_id] is event]


def _may_last(lease: Lease) -> bool:
    """An address that its client made itself and only registered (RFC 9686) is none that Kea could give away."""
    return lease.lease_type == _ADDRESS and lease.state is LeaseState.DEFAULT


def rounds(events: Sequence[LeaseEvent]) -> List[List[LeaseEvent]]:
    """Such that each client of DHCPv6, which may hold several addresses, comes once in a round."""
    found: Dict[int, List[LeaseEvent]] = {}
    seen: Dict[Tuple[str, int], int] = {}
    for event in events:
        client = (event.lease.duid, event.lease.subnet_id)
        seen[client] = seen.get(client, 0) + 1
        found.setdefault(seen[client], []).append(event)
    return list(found.values())


def parameters6(events: Sequence[LeaseEvent]) -> Dict[str, Any]:
    """For host6_sql.reserve."""
    leases = [event.lease for event in events]
    return {
        "type": identifiers.DUID_TYPE,
        "hwaddr_type": identifiers.HWADDR_TYPE,
        "identifiers": [lease.duid.replace(":", "") for lease in leases],
        "hwaddrs": [lease.hwaddr.replace(":", "") for lease in leases],
        "iaids": [str(lease.iaid) for lease in leases],
        "subnets": [lease.subnet_id for lease in leases],
        "addresses": [lease.address for lease in leases],
        "hostnames": [lease.hostname[:255] for lease in leases],
    }


def parameters(events: Sequence[LeaseEvent]) -> Dict[str, Any]:
    """For host_sql.RESERVE, one array per column."""
    leases = [event.lease for event in events]
    return {
        "type": identifiers.HWADDR_TYPE,
        "identifiers": [lease.hwaddr.replace(":", "") for lease in leases],
        "subnets": [lease.subnet_id for lease in leases],
        "addresses": [identifiers.number(lease.address) for lease in leases],
        "hostnames": [lease.hostname[:255] for lease in leases],
    }


def verdict(present: Mapping[str, Any], lease: Lease) -> str:
    """What to do with a reservation in Kea's configuration: leave it ``unchanged``, have it ``updated``, or say that it
    was ``edited``. Filling in an address where a person gave none overwrites nothing.
    """
    mark, address = _mark(present), present.get("ip-address")
    if address == lease.address:
        renamed = _name_is_ours(present) and lease.hostname not in ("", present.get("hostname", ""))
        return "updated" if renamed else "unchanged"
    if address == mark.get("ip-address"):
        return "updated"
    return "unchanged" if lease.address == mark.get("ip-address") else "edited"


def adopted(present: Mapping[str, Any], lease: Lease) -> Dict[str, Any]:
    """The reservation with our mark, if it has nothing but what release 1.0.0 gave it for this lease; else empty."""
    ours = present.keys() <= {"hw-address", "ip-address", "hostname"} and present.get("ip-address") == lease.address
    name = present.get("hostname", "")
    if not ours or name not in ("", lease.hostname):
        return {}
    mark = {"ip-address": lease.address, "hostname": name}
    return {**present, "user-context": {MARK: {key: value for key, value in mark.items() if value}}}


def held(events: Sequence[LeaseEvent]) -> List[LeaseEvent]:
    """Of leases met while all are read, those that a reservation by hardware address may be of."""
    return [event for event in events if event.kind in _HELD and event.lease.family == 4 and event.lease.hwaddr]


def host_object(lease: Lease, present: Mapping[str, Any]) -> Dict[str, Any]:
    """Kea's reservation map; whatever else a person put into ``present`` stays. A lost name takes none away."""
    mark, name = _mark(present), present.get("hostname", "")
    if _name_is_ours(present) or not (mark or name):
        name = mark["hostname"] = lease.hostname or name
    mark["ip-address"] = lease.address
    context = {**present.get("user-context", {}), MARK: {key: value for key, value in mark.items() if value}}
    wanted = {**present, "hw-address": lease.hwaddr, "ip-address": lease.address, "user-context": context}
    return {**wanted, "hostname": name} if name else wanted


def _mark(present: Mapping[str, Any]) -> Dict[str, Any]:
    context = present.get("user-context")
    mark = context.get(MARK) if isinstance(context, dict) else None
    return dict(mark) if isinstance(mark, dict) else {}


def _name_is_ours(present: Mapping[str, Any]) -> bool:
    mark = _mark(present)
    return bool(mark) and mark.get("hostname", "") == present.get("hostname", "")
