# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settling: how far a subscription is, and when that is stored."""

from __future__ import annotations

from typing import List, Optional, Protocol, Sequence

from kea_lease_monitor import position as positions
from kea_lease_monitor.batch import Batch, Rejection
from kea_lease_monitor.clock import Clock
from kea_lease_monitor.endings.endings import Endings
from kea_lease_monitor.position import Position
from kea_lease_monitor.replay import Replays, dead_letter_text
from kea_lease_monitor.state.records import Bookmark, DeadLetter, Settlement
from kea_lease_monitor.subscriptions import Subscription

_BUSY = 0.05
"""Seconds that a bookmark may wait, so that the next batch does not wait for its transaction."""

_IDLE = 60.0
"""Seconds between two bookmarks while no events arrive."""


class Bookmarks(Protocol):
    """What settling needs of the state store."""

    def bookmark(self, subscription: str) -> Optional[Bookmark]: ...

    def settle(self, settlement: Settlement, term: int) -> None: ...


class Settling:
    """The position in the source, and what is stored together with its bookmark: dead letters and clients."""

    def __init__(
        self, subscription: Subscription, bookmarks: Bookmarks, replays: Replays, endings: Endings, clock: Clock
    ) -> None:
        self._endings = endings
        self._subscription = subscription
        self._bookmarks = bookmarks
        self._replays = replays
        self._clock = clock
        self._dead_letters: List[DeadLetter] = []
        self.position: Optional[Position] = None
        """None until the subscription has begun."""
        self.due: Optional[float] = None
        """When to store the bookmark, by the monotonic clock; None while it need not be stored."""

    def bookmark(self) -> Optional[Bookmark]:
        """Return the stored bookmark. Raises TemporaryError."""
        return self._bookmarks.bookmark(self._subscription.name)

    def dead_letter(self, sink: str, rejection: Rejection) -> DeadLetter:
        """Return the record of an event that a sink rejected."""
        event, reason = rejection.event, rejection.reason.value
        text = dead_letter_text(event, sink)
        return DeadLetter(0, self._subscription.name, event.ref, reason, rejection.detail, text, self._clock.time())

    def hurry(self) -> None:
        """Make the bookmark due at once."""
        self.due = self._clock.monotonic()

    def add(self, dead_letters: Sequence[DeadLetter]) -> None:
        """Keep the dead letters of a removal, which moves nowhere, and store that it is done."""
        self._dead_letters += dead_letters
        self.hurry()

    def advance(self, batch: Batch, dead_letters: Sequence[DeadLetter], ready: bool) -> bool:
        """Move to the end of a batch that every sink has acted on. Return whether more can be read at once."""
        self._dead_letters += dead_letters
        now = self._clock.monotonic()
        if batch.position != self.position and self.due is None:
            busy = bool(batch.events) or not batch.caught_up or not ready
            self.due = now + (_BUSY if busy else _IDLE)
        elif batch.events and self.due is not None:
            self.due = min(self.due, now + _BUSY)
        self.position = batch.position
        if self._replays.follow(batch):
            self.due = now
            self.position = self._replays.bookmarked(batch.position)
            return True
        return not batch.caught_up

    def settle_when_due(self, term: Optional[int]) -> None:
        """Store the bookmark if it is due. Raises TemporaryError."""
        if self.due is not None and self.due <= self._clock.monotonic():
            self.settle(term)

    def settle(self, term: Optional[int]) -> None:
        """Store the bookmark if anything changed. No other code stores one. Raises TemporaryError."""
        if self.due is not None and self.position is not None:
            position = positions.dump(self._replays.bookmarked(self.position))
            bookmark = Bookmark(self._subscription.name, position, self._subscription.effects, self._clock.time())
            settlement = Settlement(bookmark, tuple(self._dead_letters), *self._replays.fulfilled())
            settlement = settlement._replace(clients=self._endings.changes, shortages=self._endings.shortages)
            self._bookmarks.settle(settlement, term or 0)
            self._replays.settled()
            self._endings.settled()
            self._dead_letters = []
        self.due = None

    def forget(self) -> None:
        """Drop all that is not stored."""
        self.position = self.due = None
        self._dead_letters = []
        self._endings.drop()
