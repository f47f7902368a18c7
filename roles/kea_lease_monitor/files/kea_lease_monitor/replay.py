# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person asks of a subscription: to act once more upon all leases, some of them, or from a place on."""

from __future__ import annotations

import json
from typing import Any, FrozenSet, List, NamedTuple, Optional, Sequence, Tuple

from kea_lease_monitor import position as positions
from kea_lease_monitor.batch import Batch, Reason
from kea_lease_monitor.clock import Clock
from kea_lease_monitor.lease import EventKind, Lease, LeaseEvent, LeaseState
from kea_lease_monitor.position import Position
from kea_lease_monitor.state.store import Store

_INTERVAL = 5.0
"""Seconds between two looks for what a person asks."""

_NOBODY = 0
"""In place of the number of a request."""

_PRESENT = (EventKind.ASSIGNED, EventKind.RENEWED, EventKind.CHANGED)


class Replay(NamedTuple):
    """All leases are read anew, unless ``position`` names a place; the rest says which of them count."""

    since: float = 0.0
    """Only leases that Kea heard of since then, epoch seconds."""
    position: str = ""
    letters: Tuple[int, ...] = ()
    """Dead letters that are tried again: their leases as they are now, for an old event may be outdated."""
    addresses: FrozenSet[str] = frozenset()
    """Of those leases; empty means every address."""
    events: Tuple[LeaseEvent, ...] = ()
    """Letters that tell the end of a lease: they can only be handed over as they were."""
    adopt: bool = False
    """Whether reservations that look as release 1.0.0 made them count as ours from then on; see sinks.base."""

    @property
    def limited(self) -> bool:
        """Whether leases are passed over that nobody may have acted upon yet."""
        return bool(self.since or self.letters)

    @property
    def what(self) -> str:
        """For people."""
        return f"{len(self.letters)} dead letters" if self.letters else "some leases" if self.since else "all leases"

    def wants(self, event: LeaseEvent) -> bool:
        """Asked of leases that are read anew, never of what happens meanwhile."""
        if self.letters and event.lease.address not in self.addresses:
            return False
        return event.lease.cltt >= self.since

    def argument(self) -> str:
        asked = {"since": self.since, "position": self.position, "letters": self.letters, "adopt": self.adopt}
        return json.dumps({"version": 1, **asked})

    @classmethod
    def parse(cls, argument: str) -> Replay:
        """What another version of the program asked is taken for a replay of everything, which is always right."""
        given = json.loads(argument)
        if given.get("version") != 1:
            return cls()
        replay = cls(float(given["since"]), str(given["position"]), tuple(map(int, given["letters"])))
        return replay._replace(adopt=bool(given.get("adopt")))

    def with_events(self, events: Sequence[LeaseEvent]) -> Replay:
        """``events`` are those of the letters."""
        return self._replace(
            addresses=frozenset(event.lease.address for event in events if event.kind in _PRESENT),
            events=tuple(event for event in events if event.kind not in _PRESENT),
        )


def letter_text(event: LeaseEvent, sink: str) -> str:
    """The event as a dead letter keeps it."""
    return json.dumps({"kind": event.kind.value, "sink": sink, "lease": event.lease._asdict()})


def _event(ref: str, given: Any) -> LeaseEvent:
    lease = Lease(**{**given["lease"], "state": LeaseState(given["lease"]["state"])})
    return LeaseEvent(EventKind(given["kind"]), lease, ref, None)


class Replays:
    """The requests of one subscription, fulfilled one after the other; one that is cut short begins anew.

    First of all, the leases are tried again that could not be reserved because another client had their address.
    """

    def __init__(self, name: str, store: Store, clock: Clock) -> None:
        self._name = name
        self._store = store
        self._clock = clock
        self._due = 0.0
        self._number: Optional[int] = None
        self._over = False
        self._remembers = False
        self._resume: Optional[Position] = None
        self.current = Replay()

    def begun(self, present: Position) -> bool:
        """Whether there is something to replay; ``current`` then says what. Raises TemporaryError.

        What is not read yet at ``present`` is read when the replay is over.
        """
        now = self._clock.monotonic()
        if self._number is not None or now < self._due:
            return False
        found = self._conflicts()
        if found is None:
            self._due = now + _INTERVAL
            found = self._requested()
        if found is None:
            return False
        self._number, self.current = found
        self._resume = present if self.current.limited else None
        return True

    def _conflicts(self) -> Optional[Tuple[int, Replay]]:
        """Leases that waited for an address when we, or another monitor, ended: a sink remembers them until then."""
        if self._remembers:
            return None
        taken = [each for each in self._store.letters(self._name) if each.reason == Reason.ADDRESS_TAKEN.value]
        self._remembers = True
        return (_NOBODY, self._with_events(Replay(letters=tuple(each.id for each in taken)))) if taken else None

    def _requested(self) -> Optional[Tuple[int, Replay]]:
        request = self._store.request(self._name)
        return (request.id, self._with_events(Replay.parse(request.argument))) if request else None

    def _with_events(self, replay: Replay) -> Replay:
        if not replay.letters:
            return replay
        letters = [each for each in self._store.letters(self._name) if each.id in replay.letters]
        return replay.with_events([_event(letter.ref, json.loads(letter.event)) for letter in letters])

    def adopts(self, after: Position) -> bool:
        """Whether the leases behind ``after`` may be what reservations are taken over by."""
        return self.current.adopt and not self._over and positions.reading_all(after)

    def place(self, reached: Position) -> Position:
        """Where the subscription is, for its bookmark, when it has come to ``reached`` in the replay."""
        return self._resume or reached

    def chosen(self, events: Sequence[LeaseEvent], after: Position) -> List[LeaseEvent]:
        """Those of the events behind ``after`` that count."""
        everything = self._number is None or self._over or not positions.reading_all(after)
        return [event for event in events if everything or self.current.wants(event)]

    def follow(self, batch: Batch) -> bool:
        """Told of each batch that was delivered. Returns whether the request is fulfilled with it."""
        if self._number is None or self._over:
            return False
        if self.current.events:
            self.current = self.current._replace(events=())
        else:
            self._over = not positions.reading_all(batch.position)
        return self._over

    def fulfilled(self) -> Tuple[Optional[int], Tuple[int, ...]]:
        """The request that may be removed, and the letters that were handed over again."""
        return (self._number, self.current.letters) if self._over else (None, ())

    def settled(self) -> None:
        if self._over:
            self.forget()

    def forget(self) -> None:
        """Look anew."""
        self._number, self._over, self._due, self.current, self._resume = None, False, 0.0, Replay(), None

    def step_down(self) -> None:
        """As at a start."""
        self.forget()
        self._remembers = False
