# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the state keeps, as values. Times are epoch seconds."""

from __future__ import annotations

from typing import NamedTuple, Optional, Tuple


class Heartbeat(NamedTuple):
    """How a subscription of a running monitor fares."""

    monitor: str
    subscription: str
    version: str
    pid: int
    started_at: float
    beat_at: float
    status: str
    """starting, running, retrying, standby or stopped."""
    status_since: float
    detail: str
    events: int
    """Delivered since the start."""


class Bookmark(NamedTuple):
    subscription: str
    position: str
    effects: str
    """What the subscription did with the leases up to there; see pipeline.Subscription."""
    updated_at: float


class Registration(NamedTuple):
    """A subscription that some configuration has, or had."""

    name: str
    description: str
    """For people: what it matches and where it goes."""
    added_at: float
    removed_at: Optional[float]


class Letter(NamedTuple):
    """An event that a sink will never act upon."""

    id: int
    subscription: str
    ref: str
    reason: str
    detail: str
    event: str
    """JSON: kind, lease and, from schema 0002 on, sink."""
    recorded_at: float


class Request(NamedTuple):
    """What a person asked a subscription to do; it stays until that is done."""

    id: int
    subscription: str
    argument: str
    """As replay.Replay writes it."""
    requested_at: float


class Settlement(NamedTuple):
    """All that changes together with a bookmark."""

    bookmark: Bookmark
    letters: Tuple[Letter, ...] = ()
    """Their numbers are given by the database."""
    done: Optional[int] = None
    """The request that is fulfilled."""
    redelivered: Tuple[int, ...] = ()
    """Letters that are none any more."""
