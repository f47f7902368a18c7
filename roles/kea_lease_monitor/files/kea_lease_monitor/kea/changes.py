# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What kind of change it was: decided here, from the data alone, so that nobody compares versions of Kea."""

from __future__ import annotations

from typing import NamedTuple, Optional

from kea_lease_monitor.kea import lifetime
from kea_lease_monitor.lease import EventKind, Lease, LeaseState

_BY_STATE = {
    LeaseState.DECLINED: EventKind.DECLINED,
    LeaseState.RECLAIMED: EventKind.RECLAIMED,
    LeaseState.RELEASED: EventKind.RELEASED,
}


class Trace(NamedTuple):
    """What must be remembered of a lease to judge its next row; small, because one is kept for each address."""

    holder: int
    details: int
    held: bool
    expires: Optional[int]


def trace(lease: Lease) -> Trace:
    return Trace(
        hash((lease.hwaddr, lease.client_id, lease.duid, lease.iaid)),
        hash((lease.hostname, lease.subnet_id)),
        lease.state is LeaseState.DEFAULT and lease.valid_lifetime > 0,
        lease.expires,
    )


def of_row(previous: Optional[Trace], lease: Lease) -> EventKind:
    """A row of a lease file. Lifetime 0 deletes there; only from Kea 2.7 on does the state tell a release apart."""
    if lease.valid_lifetime == 0 and lease.state is not LeaseState.RELEASED:
        return EventKind.DELETED
    return _of_lease(previous, lease)


def of_record(operation: str, previous: Optional[Trace], lease: Lease) -> EventKind:
    """A change in PostgreSQL ('I', 'U' or 'D'). A release before Kea 2.7 is an UPDATE to lifetime 0 (or a DELETE)."""
    if operation == "D":
        return EventKind.DELETED
    if lease.valid_lifetime == 0 and lease.state is LeaseState.DEFAULT:
        return EventKind.RELEASED
    return _of_lease(previous, lease)


def of_reading(previous: Optional[Trace], lease: Lease, now: float) -> EventKind:
    """A lease met while all are read: Kea may not have reclaimed yet what has run out."""
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
