# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Replays: a person asks a subscription to deliver leases or dead letters again."""

from __future__ import annotations

import json
from typing import Any, FrozenSet, List, NamedTuple, Optional, Protocol, Sequence, Tuple

from kea_lease_monitor import position as positions
from kea_lease_monitor.batch import Batch, Reason
from kea_lease_monitor.clock import Clock
from kea_lease_monitor.lease import BY_PERSON, EventKind, Lease, LeaseEvent, LeaseState
from kea_lease_monitor.position import Position
from kea_lease_monitor.state.records import DeadLetter, Request

_INTERVAL = 5.0
"""Seconds between two looks for a request."""

_OWN = 0
"""Number of a replay that no person requested."""

_ASKED = {BY_PERSON: EventKind.FORGOTTEN, "replace": EventKind.REPLACED}
"""Kinds of the events that a person requests, by their key in the text of a request. One request has one kind."""

_WAITING = frozenset({Reason.ADDRESS_TAKEN.value, Reason.SECOND_LEASE.value})
"""Reasons of dead letters whose leases get a reservation once another one moved or ended."""

_PRESENT = (EventKind.ASSIGNED, EventKind.RENEWED, EventKind.CHANGED)


class Requests(Protocol):
    """What replays need of the state store."""

    def request(self, subscription: str) -> Optional[Request]: ...

    def dead_letters(self, subscription: Optional[str] = None) -> List[DeadLetter]: ...


class Replay(NamedTuple):
    """A replay reads all leases again, or begins at ``position``. The other fields select leases."""

    since: float = 0.0
    """Only leases that Kea heard of since then, epoch seconds."""
    position: str = ""
    """A dumped position; empty means all leases."""
    dead_letters: Tuple[int, ...] = ()
    """Numbers of dead letters to retry. Their present leases are delivered, because an old event may be outdated."""
    addresses: FrozenSet[str] = frozenset()
    """Addresses of those leases; empty means every address."""
    events: Tuple[LeaseEvent, ...] = ()
    """Events of dead letters about the end of a lease, or requested by a person. They are delivered unchanged."""
    adopt: bool = False
    """Whether reservations that look as release 1.0.0 wrote them become managed reservations; see sinks.base."""

    forgets: bool = False
    """Whether the events are all: a person requested them by ``forget`` or ``replace``."""

    @property
    def limited(self) -> bool:
        """Whether the replay skips leases that no sink may have acted on yet."""
        return bool(self.since or self.dead_letters or self.forgets)

    @property
    def what(self) -> str:
        """Describe for people what is replayed."""
        if self.dead_letters:
            return f"{len(self.dead_letters)} dead letters"
        return "some leases" if self.since else "all leases"

    def wants(self, event: LeaseEvent) -> bool:
        """Return whether a present lease is selected. Not for events that happen meanwhile: all of them count.

        While all leases are read, a lease that is gone is such an event: no later read tells of it.
        """
        if event.kind is EventKind.DELETED:
            return True
        if self.dead_letters and event.lease.address not in self.addresses:
            return False
        return event.lease.cltt >= self.since

    def argument(self) -> str:
        """Return the text that the state store keeps."""
        fields = {"since": self.since, "position": self.position, "letters": self.dead_letters, "adopt": self.adopt}
        given = [event for event in self.events if self.forgets]
        for key, kind in _ASKED.items():
            fields[key] = [event.lease._asdict() for event in given if event.kind is kind]
        return json.dumps({"version": 1, **fields})

    @classmethod
    def parse(cls, argument: str) -> Replay:
        """Parse the text of ``argument``. Another version's text means all leases, which is always right."""
        given = json.loads(argument)
        if given.get("version") != 1:
            return cls()
        replay = cls(float(given["since"]), str(given["position"]), tuple(map(int, given["letters"])))
        asked = [(key, kind, each) for key, kind in _ASKED.items() for each in given.get(key, ())]
        events = [_event(key, {"kind": kind, "lease": each}) for key, kind, each in asked]
        return replay._replace(adopt=bool(given.get("adopt")), events=tuple(events), forgets=bool(events))

    def with_events(self, events: Sequence[LeaseEvent]) -> Replay:
        """Return this replay with the ``events`` of its dead letters.

        A client whose FORGOTTEN event failed may have a lease again, so only another ``forget`` acts on it. The same
        holds for ``replace``.
        """
        return self._replace(
            addresses=frozenset(event.lease.address for event in events if event.kind in _PRESENT),
            events=tuple(event for event in events if event.kind not in {*_PRESENT, *_ASKED.values()}),
        )


def dead_letter_text(event: LeaseEvent, sink: str) -> str:
    """Return the event as a dead letter keeps it."""
    return json.dumps({"kind": event.kind.value, "sink": sink, "lease": event.lease._asdict()})


def _event(ref: str, given: Any) -> LeaseEvent:
    lease = Lease(**{**given["lease"], "state": LeaseState(given["lease"]["state"])})
    return LeaseEvent(EventKind(given["kind"]), lease, ref, None)


class Replays:
    """The replays of one subscription, one after the other. An interrupted one starts again.

    The first replay of a term retries the leases whose address another client had, and second leases.
    """

    def __init__(self, name: str, requests: Requests, clock: Clock) -> None:
        self._name = name
        self._requests = requests
        self._clock = clock
        self._due = 0.0
        self._number: Optional[int] = None
        self._over = False
        self._conflicts_retried = False
        self._resume: Optional[Position] = None
        self.current = Replay()

    def begun(self, present: Position) -> bool:
        """Return whether there is something to replay, then described by ``current``. Raises TemporaryError.

        Events after ``present`` are read when the replay is over.
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
        """Return leases that waited for a reservation when the last term ended. In a term, the sink remembers them."""
        if self._conflicts_retried:
            return None
        letters = self._requests.dead_letters(self._name)
        taken = tuple(each.id for each in letters if each.reason in _WAITING)
        self._conflicts_retried = True
        return (_OWN, self._with_events(Replay(dead_letters=taken))) if taken else None

    def _requested(self) -> Optional[Tuple[int, Replay]]:
        request = self._requests.request(self._name)
        return (request.id, self._with_events(Replay.parse(request.argument))) if request else None

    def _with_events(self, replay: Replay) -> Replay:
        if not replay.dead_letters:
            return replay
        chosen = [each for each in self._requests.dead_letters(self._name) if each.id in replay.dead_letters]
        return replay.with_events([_event(each.ref, json.loads(each.event)) for each in chosen])

    @property
    def running(self) -> bool:
        """Whether a replay has begun and is not stored yet."""
        return self._number is not None

    def adopts(self, after: Position) -> bool:
        """Return whether sinks may adopt reservations of the leases that follow ``after``."""
        return self.current.adopt and not self._over and positions.reading_all(after)

    def bookmarked(self, reached: Position) -> Position:
        """Return the position for the bookmark when the replay has come to ``reached``."""
        return self._resume or reached

    def chosen(self, events: Sequence[LeaseEvent], after: Position) -> List[LeaseEvent]:
        """Return those of the events after ``after`` that are selected."""
        everything = self._number is None or self._over or not positions.reading_all(after)
        return [event for event in events if everything or self.current.wants(event)]

    def follow(self, batch: Batch) -> bool:
        """Record a delivered batch. Return whether it completes the replay."""
        if self._number is None or self._over:
            return False
        if self.current.events:
            self._over = self.current.forgets
            self.current = self.current._replace(events=())
        else:
            self._over = not positions.reading_all(batch.position)
        return self._over

    def fulfilled(self) -> Tuple[Optional[int], Tuple[int, ...]]:
        """Return the request that may be removed, and the dead letters that were retried."""
        return (self._number, self.current.dead_letters) if self._over else (None, ())

    def settled(self) -> None:
        """Record that the bookmark is stored."""
        if self._over:
            self._forget()

    def _forget(self) -> None:
        self._number, self._over, self._due, self.current, self._resume = None, False, 0.0, Replay(), None

    def forget_all(self) -> None:
        """Return to the state of a start."""
        self._forget()
        self._conflicts_retried = False
