# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which leases get a reservation, and what one looks like in Kea's configuration."""

from __future__ import annotations

import enum
from typing import Any, Collection, Dict, List, Mapping, Sequence, Tuple

from _kea.identifiers import DUID_TYPE, HWADDR_TYPE

from kea_lease_monitor.kea import identifiers
from kea_lease_monitor.lease import EventKind, Lease, LeaseEvent, LeaseState


class Verdict(enum.Enum):
    """What becomes of the reservation for a lease. The statements in kea/sql return the values."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    CONFLICT = "conflict"
    """Another client has the reservation key: the address in the subnet."""
    EDITED = "edited"
    """A person wrote or changed the client's reservation."""
    RETRY = "retry"
    """Another session wrote the same row at the same time, so nothing was done. Only the database returns it."""


KINDS = frozenset({EventKind.ASSIGNED, EventKind.CHANGED})
"""Kinds of event that ask for a reservation. A renewal does not: to act on it would undo, within hours, what a person
changed."""

_HELD = frozenset({*KINDS, EventKind.RENEWED})

MARK = "kea-lease-monitor"
"""Key in the user context of each managed reservation. Its value holds the address and the name that the monitor wrote.
A reservation that differs from it was edited by a person, and one without it was written by a person."""

_ADDRESS = 0
"""Lease::TYPE_NA. A temporary address must not last, and a delegated prefix is no address."""


def chosen(events: Sequence[LeaseEvent], families: Collection[int]) -> List[LeaseEvent]:
    """Return the events that ask for a reservation, in order: the last one for each client and each reservation key."""
    clients: Dict[Tuple[object, ...], LeaseEvent] = {}
    for event in events:
        client = identifiers.client(event.lease)
        if event.kind in KINDS and client and event.lease.family in families and _may_last(event.lease):
            clients.pop(client, None)
            clients[client] = event
    addresses = {(event.lease.address, event.lease.subnet_id): event for event in clients.values()}
    return [event for event in clients.values() if addresses[event.lease.address, event.lease.subnet_id] is event]


def _may_last(lease: Lease) -> bool:
    """Return whether Kea assigned the address: one that its client only registered (RFC 9686) is not Kea's to give."""
    return lease.lease_type == _ADDRESS and lease.state is LeaseState.DEFAULT


def rounds(events: Sequence[LeaseEvent]) -> List[List[LeaseEvent]]:
    """Split events so that each DHCPv6 client, which may hold several addresses, occurs once in a round."""
    found: Dict[int, List[LeaseEvent]] = {}
    seen: Dict[Tuple[str, int], int] = {}
    for event in events:
        client = (event.lease.duid, event.lease.subnet_id)
        seen[client] = seen.get(client, 0) + 1
        found.setdefault(seen[client], []).append(event)
    return list(found.values())


def parameters6(events: Sequence[LeaseEvent]) -> Dict[str, Any]:
    """Return the parameters of hosts6.reserve, one array for each column."""
    leases = [event.lease for event in events]
    return {
        "type": DUID_TYPE,
        "hwaddr_type": HWADDR_TYPE,
        "identifiers": [lease.duid.replace(":", "") for lease in leases],
        "hwaddrs": [lease.hwaddr.replace(":", "") for lease in leases],
        "iaids": [str(lease.iaid) for lease in leases],
        "subnets": [lease.subnet_id for lease in leases],
        "addresses": [lease.address for lease in leases],
        "hostnames": [lease.hostname[:255] for lease in leases],
    }


def parameters(events: Sequence[LeaseEvent]) -> Dict[str, Any]:
    """Return the parameters of the statements in hosts4, one array for each column."""
    leases = [event.lease for event in events]
    return {
        "type": HWADDR_TYPE,
        "identifiers": [lease.hwaddr.replace(":", "") for lease in leases],
        "subnets": [lease.subnet_id for lease in leases],
        "addresses": [identifiers.number(lease.address) for lease in leases],
        "hostnames": [lease.hostname[:255] for lease in leases],
    }


def judge(present: Mapping[str, Any], lease: Lease) -> Verdict:
    """Return what to do with a client's reservation in Kea's configuration: UNCHANGED, UPDATED or EDITED.

    A reservation without an address is UPDATED, because that overwrites nothing that a person wrote.
    """
    mark, address = _mark(present), present.get("ip-address")
    if address == lease.address:
        renamed = _is_name_managed(present) and lease.hostname not in ("", present.get("hostname", ""))
        return Verdict.UPDATED if renamed else Verdict.UNCHANGED
    if address == mark.get("ip-address"):
        return Verdict.UPDATED
    return Verdict.UNCHANGED if lease.address == mark.get("ip-address") else Verdict.EDITED


def adopted(present: Mapping[str, Any], lease: Lease) -> Dict[str, Any]:
    """Return the reservation with the mark, if it is just what release 1.0.0 wrote for this lease; else empty."""
    known = present.keys() <= {"hw-address", "ip-address", "hostname"} and present.get("ip-address") == lease.address
    name = present.get("hostname", "")
    if not known or name not in ("", lease.hostname):
        return {}
    mark = {"ip-address": lease.address, "hostname": name}
    return {**present, "user-context": {MARK: {key: value for key, value in mark.items() if value}}}


def held(events: Sequence[LeaseEvent]) -> List[LeaseEvent]:
    """Return the events of current leases that a reservation by hardware address may belong to."""
    return [event for event in events if event.kind in _HELD and event.lease.family == 4 and event.lease.hwaddr]


def host_object(lease: Lease, present: Mapping[str, Any]) -> Dict[str, Any]:
    """Return Kea's reservation map for a lease. What else a person wrote into ``present`` stays.

    A lease without a name does not remove the reservation's name.
    """
    mark, name = _mark(present), present.get("hostname", "")
    if _is_name_managed(present) or not (mark or name):
        name = mark["hostname"] = lease.hostname or name
    mark["ip-address"] = lease.address
    context = {**present.get("user-context", {}), MARK: {key: value for key, value in mark.items() if value}}
    wanted = {**present, "hw-address": lease.hwaddr, "ip-address": lease.address, "user-context": context}
    return {**wanted, "hostname": name} if name else wanted


def _mark(present: Mapping[str, Any]) -> Dict[str, Any]:
    context = present.get("user-context")
    mark = context.get(MARK) if isinstance(context, dict) else None
    return dict(mark) if isinstance(mark, dict) else {}


def _is_name_managed(present: Mapping[str, Any]) -> bool:
    mark = _mark(present)
    return bool(mark) and mark.get("hostname", "") == present.get("hostname", "")
