# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kind of a change, found from the leases alone: no code compares versions of Kea."""

from __future__ import annotations

from typing import NamedTuple, Optional

from _kea import hwaddr_source, lifetime

from kea_lease_monitor.lease import EventKind, Lease, LeaseState

_BY_STATE = {
    LeaseState.DECLINED: EventKind.DECLINED,
    LeaseState.RECLAIMED: EventKind.RECLAIMED,
    LeaseState.RELEASED: EventKind.RELEASED,
}


def is_confirmed(made: Optional[int], cltt: int, valid_lifetime: float) -> bool:
    """Return whether a client, last heard of at ``cltt``, is confirmed; ``made`` as in batch.Kept."""
    return lifetime.is_confirmed(made, cltt, valid_lifetime)


class Trace(NamedTuple):
    """What is kept of a lease to judge its next row. It is small, because one is kept for each address."""

    holder: int
    details: int
    held: bool
    expires: Optional[int]


def trace(lease: Lease) -> Trace:
    """Return what to keep of a lease."""
    return Trace(
        hash((lease.hwaddr, lease.client_id, lease.duid, lease.iaid)),
        hash((lease.hostname, lease.subnet_id, hwaddr_source.is_proven(lease.hwaddr_source))),
        lease.state is LeaseState.DEFAULT and lease.valid_lifetime > 0,
        lease.expires,
    )


def of_row(previous: Optional[Trace], lease: Lease) -> EventKind:
    """Return the kind of a row in a lease file.

    Lifetime 0 deletes a lease there. Only Kea 2.7 and later write a state that distinguishes a release from that.
    """
    if lease.valid_lifetime == 0 and lease.state is not LeaseState.RELEASED:
        return EventKind.DELETED
    return _of_lease(previous, lease)


def of_record(operation: str, previous: Optional[Trace], lease: Lease) -> EventKind:
    """Return the kind of a change in PostgreSQL. ``operation`` is I, U or D, for INSERT, UPDATE or DELETE.

    Before Kea 2.7 a release is an UPDATE to lifetime 0, or a DELETE.
    """
    if operation == "D":
        return EventKind.DELETED
    if lease.valid_lifetime == 0 and lease.state is LeaseState.DEFAULT:
        return EventKind.RELEASED
    return _of_lease(previous, lease)


def of_reading(previous: Optional[Trace], lease: Lease, now: float) -> EventKind:
    """Return the kind of a lease found while all leases are read: Kea may not have reclaimed an expired one yet.

    ``now`` is in epoch seconds.
    """
    kind = of_record("I", previous, lease)
    held = kind in {EventKind.ASSIGNED, EventKind.RENEWED, EventKind.CHANGED}
    return EventKind.EXPIRED if held and lifetime.is_over(lease.expires, now) else kind


def _of_lease(previous: Optional[Trace], lease: Lease) -> EventKind:
    if lease.state in _BY_STATE:
        return _BY_STATE[lease.state]
    now = trace(lease)
    if previous is None or not previous.held or previous.holder != now.holder:
        return EventKind.ASSIGNED
    if lifetime.is_over(previous.expires, lease.cltt):
        return EventKind.ASSIGNED
    return EventKind.RENEWED if previous.details == now.details else EventKind.CHANGED
