# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a source hands over, and what a sink answers."""

from __future__ import annotations

import enum
from typing import NamedTuple, Tuple

from kea_lease_monitor.lease import LeaseEvent
from kea_lease_monitor.position import Position


class Reason(enum.Enum):
    """Why a sink will never act on an event. A bounded set, because it labels a metric."""

    ADDRESS_TAKEN = "address_taken"
    EDITED = "edited_by_hand"
    REFUSED = "refused"


class Rejection(NamedTuple):
    """An event that becomes a dead letter."""

    event: LeaseEvent
    reason: Reason
    detail: str


class Batch(NamedTuple):
    """``position`` may be stored once every event was acted upon; ``caught_up`` tells that nothing more is known."""

    events: Tuple[LeaseEvent, ...]
    position: Position
    caught_up: bool


class Delivery(NamedTuple):
    """The counts and the rejections add up to the number of events given."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    skipped: int = 0
    """Events that ask nothing of this sink."""
    rejected: Tuple[Rejection, ...] = ()
    executed: int = 0
    """Events that a command accepted; what it made of them is its own matter."""


class Pending(NamedTuple):
    """A sink is still at work: the same events are handed to it again when one of the two is so."""

    fileno: int
    """This descriptor became readable."""
    due: float
    """This time has come, by the monotonic clock."""
