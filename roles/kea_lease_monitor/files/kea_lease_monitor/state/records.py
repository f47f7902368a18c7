# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Records that the state keeps. Times are epoch seconds."""

from __future__ import annotations

from typing import Mapping, NamedTuple, Optional, Tuple


class Heartbeat(NamedTuple):
    """Status of a subscription of a running monitor."""

    monitor: str
    subscription: str
    version: str
    pid: int
    started_at: float
    beat_at: float
    status: str
    """starting, waiting, running, retrying, standby or stopped."""
    status_since: float
    detail: str
    events: int
    """Number delivered since the start."""


class Bookmark(NamedTuple):
    """How far a subscription is."""

    subscription: str
    position: str
    effects: str
    """Digest of what the subscription did with the leases up to there; see subscriptions.Subscription."""
    updated_at: float


class Registration(NamedTuple):
    """A subscription that a configuration has or had."""

    name: str
    description: str
    """For people: what it matches and where it goes."""
    added_at: float
    removed_at: Optional[float]


class DeadLetter(NamedTuple):
    """An event that a sink will never accept."""

    id: int
    subscription: str
    ref: str
    reason: str
    detail: str
    event: str
    """JSON with kind, lease and, from schema 0002 on, sink."""
    recorded_at: float


class Request(NamedTuple):
    """A replay that a person requested. It stays until the replay is done."""

    id: int
    subscription: str
    argument: str
    """Text of replay.Replay.argument."""
    requested_at: float


LIVING, UNCONFIRMED, CONFIRMED = "living", "unconfirmed", "confirmed"
"""States of a client. The first says that its lease lives and that it is not confirmed yet, the others that its lease
ended."""


class Client(NamedTuple):
    """A client for which a subscription keeps something that may go."""

    subscription: str
    client: str
    """Text that tells clients apart; see endings.client."""
    family: int
    subnet_id: int
    address: str
    state: str
    """LIVING, UNCONFIRMED or CONFIRMED."""
    at: float
    """When the lease ends, if LIVING; else when it ended."""
    made: Optional[int]
    """When the client first got a lease, by Kea's clock; None if that is not known."""
    lifetime: int
    """Of its lease, in seconds."""
    reserves: bool
    """Whether the address is reserved for it."""
    lease: str
    """JSON of its last lease; see endings.clients.dumped."""


Subnet = Tuple[int, int]
"""Family and id."""


class Settlement(NamedTuple):
    """All that changes in one transaction with a bookmark."""

    bookmark: Bookmark
    dead_letters: Tuple[DeadLetter, ...] = ()
    """The database numbers them."""
    done: Optional[int] = None
    """Number of the request that is fulfilled."""
    redelivered: Tuple[int, ...] = ()
    """Numbers of dead letters to remove."""
    clients: Mapping[str, Optional[Client]] = {}
    """Clients to store, None to remove one."""
    shortages: Optional[Mapping[Subnet, float]] = None
    """Subnets that ran short of addresses, and until when leases of that time last. None if nothing changed."""
