# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which leases of a batch ask for a reservation, and in which order they are written."""

from __future__ import annotations

from typing import Collection, Dict, List, Sequence, Set, Tuple

from kea_lease_monitor.kea import identifiers
from kea_lease_monitor.kea.reservations import ENDS, KINDS
from kea_lease_monitor.kea.shares import PREFIX, address_of
from kea_lease_monitor.lease import Lease, LeaseEvent, LeaseState

ADDRESSES_ONLY = frozenset({0})
"""Lease::TYPE_NA. A temporary address must not last, and a delegated prefix is reserved only on request."""

PREFIXES_TOO = frozenset({0, PREFIX})
"""With the option ``prefixes`` of a sink."""

PREFIXES_OPTION = ("skip", "reserve")
"""What the option ``prefixes`` of a sink may be."""


def chosen(
    events: Sequence[LeaseEvent], families: Collection[int], types: Collection[int] = ADDRESSES_ONLY
) -> List[LeaseEvent]:
    """Return the events that ask for a reservation, in order: the last one for each client and each reservation key.

    A hardware address that has two leases at a time, by two client identifiers, counts as two clients. ``types`` are
    those of the leases that are reserved.
    """
    clients: Dict[Tuple[object, ...], List[LeaseEvent]] = {}
    over: Set[Tuple[str, int]] = set()
    for event in events:
        client, key = identifiers.client(event.lease), reservation_key(event.lease)
        if event.kind in ENDS:
            over.add(key)
        elif event.kind in KINDS and client and event.lease.family in families and _may_last(event.lease, types):
            over.discard(key)
            others = [each for each in clients.pop(client, []) if _is_second(each.lease, event.lease)]
            living = [each for each in others if reservation_key(each.lease) not in over]
            clients[client] = [*living, event]
    found = [event for several in clients.values() for event in several]
    last = {reservation_key(event.lease): event for event in found}
    return [event for event in found if last[reservation_key(event.lease)] is event]


def reservation_key(lease: Lease) -> Tuple[str, int]:
    """Return the address, or the prefix with its length, and the subnet."""
    return address_of(lease), lease.subnet_id


def _is_second(one: Lease, other: Lease) -> bool:
    """Return whether Kea takes the two leases of a hardware address for those of two clients (belongsToClient)."""
    return bool(one.client_id and other.client_id) and one.client_id != other.client_id


def _may_last(lease: Lease, types: Collection[int]) -> bool:
    """Return whether Kea assigned the address: one that its client only registered (RFC 9686) is not Kea's to give."""
    return lease.lease_type in types and lease.state is LeaseState.DEFAULT


def rounds(events: Sequence[LeaseEvent]) -> List[List[LeaseEvent]]:
    """Split events so that each client occurs once in a round.

    A DHCPv6 client may hold several addresses, and so may a hardware address with several client identifiers.
    """
    found: Dict[int, List[LeaseEvent]] = {}
    seen: Dict[Tuple[str, int], int] = {}
    for event in events:
        client = (event.lease.duid or event.lease.hwaddr, event.lease.subnet_id)
        seen[client] = seen.get(client, 0) + 1
        found.setdefault(seen[client], []).append(event)
    return list(found.values())
