# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values that a source returns, and that a sink answers."""

from __future__ import annotations

import enum
from typing import NamedTuple, Optional, Sequence, Tuple

from kea_lease_monitor.lease import LeaseEvent
from kea_lease_monitor.position import Position


class Reason(enum.Enum):
    """Why a sink will never act on an event. A bounded set, because it labels a metric."""

    ADDRESS_TAKEN = "address_taken"
    EDITED = "edited_by_hand"
    REFUSED = "refused"
    SECOND_LEASE = "second_lease"
    """Another client identifier of the same hardware address has the reservation."""
    SITE = "site_reservation"
    """A reservation of the site is, or may be, the client's, and it names no address."""
    LEFT_OUT = "subnet_left_out"
    """Kea's configuration includes no reservations of the monitor in the lease's subnet."""
    INVALID = "invalid"
    """Kea could not use a reservation with what the client sent."""


class Rejection(NamedTuple):
    """An event that becomes a dead letter."""

    event: LeaseEvent
    reason: Reason
    detail: str


class Kept(NamedTuple):
    """What a sink keeps for the client of an event that told of a living lease."""

    event: LeaseEvent
    made: Optional[int]
    """When the client first got a lease, epoch seconds by Kea's clock; None for what an earlier release made, and for
    what a person wrote."""
    reserves: bool
    """Whether Kea gives the address to no other client because of it."""


class Batch(NamedTuple):
    """Events of a source. ``position`` may be stored once every sink has acted on them.

    ``caught_up`` says that the source knows no further event.
    """

    events: Tuple[LeaseEvent, ...]
    position: Position
    caught_up: bool


class Delivery(NamedTuple):
    """Result of a sink. The counts and the rejections add up to the number of events."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    skipped: int = 0
    """Events that need no action of this sink."""
    rejected: Tuple[Rejection, ...] = ()
    executed: int = 0
    """Events that a command or a web server accepted."""
    removed: int = 0
    """Effects that were removed for FORGOTTEN events."""
    kept: Tuple[Kept, ...] = ()
    """One for each event after which this sink has an effect that lasts, whether it was there before or not."""
    succeeded: Tuple[LeaseEvent, ...] = ()
    """Second leases of earlier batches that have the reservation now. The next sinks were not told of them."""


class Pending(NamedTuple):
    """A sink is still acting. It gets the same events again at the first of two conditions."""

    fileno: int
    """The descriptor is readable."""
    due: float
    """The time has come, by the monotonic clock."""


def following(events: Sequence[LeaseEvent], answer: Delivery) -> Sequence[LeaseEvent]:
    """Return the events for the next sinks: those must follow just the leases that the reservation follows."""
    seconds = [each.event for each in answer.rejected if each.reason is Reason.SECOND_LEASE]
    rest = [event for event in events if event not in seconds] if seconds else events
    return [*rest, *answer.succeeded] if answer.succeeded else rest
