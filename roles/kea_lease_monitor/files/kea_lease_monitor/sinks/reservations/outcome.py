# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What became of each event, for both sinks that make reservations: retries of conflicts, log lines and counts."""

from __future__ import annotations

from typing import Callable, Collection, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from kea_lease_monitor import telemetry
from kea_lease_monitor.batch import Delivery, Kept, Reason, Rejection
from kea_lease_monitor.kea import asking, identifiers, reservations
from kea_lease_monitor.kea.reservations import Verdict
from kea_lease_monitor.kea.site import Site
from kea_lease_monitor.lease import EventKind, Lease, LeaseEvent
from kea_lease_monitor.sinks.reservations.circles import circles


class Outcome(NamedTuple):
    """What became of one event."""

    event: LeaseEvent
    verdict: Verdict
    detail: str
    """The client that holds the address of a CONFLICT; what a person reserved if EDITED; the reserved address of a
    SECOND lease; why a lease is INVALID, REFUSED, LEFT_OUT or left to the SITE; else empty."""
    made: Optional[int] = None
    """When the reservation was made; see batch.Kept."""


Key = Tuple[str, int]
"""Reservation key: address and subnet id."""

Reserve = Callable[[Sequence[LeaseEvent]], List[Outcome]]
"""Reserve the addresses of these events. Return an outcome for each event, in any order."""

Exchange = Callable[[Sequence[LeaseEvent]], bool]
"""Swap the addresses of these reservations atomically, if they are managed and hold just these addresses.

Return whether that was done."""

_REMEMBERED = 1000
"""Conflicts that are retried when a reservation moves, and second leases that are retried when the first one ends. A
person must retry the dead letters of further ones."""

LEFT_OUT = "no reservation in a file reaches subnet {}: it is in no file of Kea's configuration that a play may edit"

_REJECTIONS = {
    Verdict.CONFLICT: (Reason.ADDRESS_TAKEN, "the address is reserved for {}"),
    Verdict.EDITED: (
        Reason.EDITED,
        "a person reserved {} for this client; delete that reservation to have it created again",
    ),
    Verdict.SECOND: (
        Reason.SECOND_LEASE,
        "{} is reserved for this hardware address with another client identifier, whose lease has not ended",
    ),
    Verdict.SITE: (Reason.SITE, "{}"),
    Verdict.LEFT_OUT: (Reason.LEFT_OUT, "{}"),
    Verdict.INVALID: (Reason.INVALID, "{}"),
    Verdict.REFUSED: (Reason.REFUSED, "Kea refuses the reservation: {}"),
}


class Reserving:
    """Reserve a batch; retry earlier conflicts whenever a reservation moved, since that may have freed their address.

    While all leases are read, the client that leaves an address may come later than the one that gets it. Clients that
    hold each other's addresses are swapped, for none of them could leave its address first.
    """

    def __init__(self, sink: str, reserve: Reserve, exchange: Exchange, names: bool) -> None:
        """``sink`` is its name, for log lines and metrics. ``names`` says that reservations have names, too."""
        self._sink = sink
        self.types = asking.ADDRESSES_ONLY
        """Types of the leases that are reserved."""
        self.site = Site()
        """The reservations of the site, which win."""
        self.give_way: Callable[[Sequence[Lease]], None] = _keep
        """Remove the managed reservations of these leases' clients: the site has one for the port of each."""
        self._write = reserve
        self._exchange = exchange
        self._names = names
        self._conflicts: Dict[Key, Outcome] = {}
        self._seconds: Dict[Key, LeaseEvent] = {}
        """Second leases, by the reservation key that the first lease of their hardware address has."""

    def deliver(self, events: Sequence[LeaseEvent], families: Collection[int]) -> Delivery:
        """Reserve the addresses of the events of these families; skip the others. Raises what Reserve raises."""
        self._forget(events)
        own = {_key(outcome.event): outcome for outcome in self._tried(asking.chosen(events, families, self.types))}
        succeeded = self._succeeded(events, own)
        own.update((key, outcome) for key, outcome in succeeded.items() if key in own)
        every = {**self._conflicts, **own}
        verdicts = {outcome.verdict for outcome in (*own.values(), *succeeded.values())}
        if (self._conflicts or succeeded) and Verdict.UPDATED in verdicts:
            self._retry(every)
        # Earlier conflicts can be swapped only if this batch moved a reservation or added a conflict.
        while verdicts & {Verdict.UPDATED, Verdict.CONFLICT} and self._exchanged(every):
            self._retry(every)
        delivery = report(self._sink, len(events), [every[key] for key in own])
        solved = self._report_solved(
            [every[key] for key in self._conflicts if every[key].verdict is not Verdict.CONFLICT]
        )
        late = [outcome for key, outcome in succeeded.items() if key not in own]
        solved += self._report_solved(late)
        self._conflicts = {_key(outcome.event): outcome for outcome in _conflicts(every)[-_REMEMBERED:]}
        reserved = tuple(outcome.event for outcome in late if outcome.verdict not in _REJECTIONS)
        return delivery._replace(kept=delivery.kept + solved, succeeded=reserved)

    def _reserve(self, events: Sequence[LeaseEvent]) -> List[Outcome]:
        """Reserve for the events about which the reservations of the site say nothing."""
        judged = [(event, self.site.judge(event.lease)) for event in events]
        settled = [Outcome(event, *found) for event, found in judged if found]
        if hidden := [event.lease for event, found in judged if found and self.site.is_of_port(event.lease)]:
            self.give_way(hidden)
        rest = [event for event, found in judged if not found]
        return settled + (self._write(rest) if rest else [])

    def _tried(self, chosen: Sequence[LeaseEvent]) -> List[Outcome]:
        """Reserve what Kea can use."""
        problems = [reservations.problem(event.lease, self._names) for event in chosen]
        invalid = [Outcome(event, Verdict.INVALID, why) for event, why in zip(chosen, problems) if why]
        valid = [event for event, why in zip(chosen, problems) if not why]
        return invalid + (resolved(valid, self._reserve) if valid else [])

    def _succeeded(self, events: Sequence[LeaseEvent], own: Mapping[Key, Outcome]) -> Dict[Key, Outcome]:
        """Reserve for second leases whose first lease ended: by an event of its end, or since another client has it.

        Kea gives a client its reserved address as soon as that is free, so a second lease otherwise means that the
        first one lives.
        """
        for outcome in own.values():
            if outcome.verdict is Verdict.SECOND:
                self._seconds[outcome.detail, outcome.event.lease.subnet_id] = outcome.event
        over = {_key(event) for event in events if event.kind in reservations.ENDS}
        over.update(
            key for key, outcome in (*self._conflicts.items(), *own.items()) if outcome.verdict is Verdict.CONFLICT
        )
        due = [self._seconds.pop(key) for key in list(self._seconds) if key in over]
        self._seconds = dict(list(self._seconds.items())[-_REMEMBERED:])
        # Without a client identifier the lease counts as one of the same client.
        plain = [event._replace(lease=event.lease._replace(client_id="")) for event in due]
        given = {_key(event): event for event in due}
        outcomes = {_key(outcome.event): outcome for outcome in self._tried(plain)}
        return {key: outcome._replace(event=given[key]) for key, outcome in outcomes.items()}

    def _retry(self, every: Dict[Key, Outcome]) -> None:
        """Reserve again what met a conflict in this batch or in an earlier one."""
        if events := [outcome.event for outcome in _conflicts(every)]:
            every.update({_key(outcome.event): outcome for outcome in resolved(events, self._reserve)})

    def _exchanged(self, every: Dict[Key, Outcome]) -> bool:
        """Swap the addresses of clients that hold each other's. Return whether there were any."""
        found = circles([(outcome.event, outcome.detail) for outcome in _conflicts(every)])
        done = [event for circle in found if self._exchange(circle) for event in circle]
        every.update({_key(event): Outcome(event, Verdict.UPDATED, "", every[_key(event)].made) for event in done})
        return bool(done)

    def _forget(self, events: Sequence[LeaseEvent]) -> None:
        """Drop the conflicts whose lease or client has a newer event, and the second leases that have one.

        A renewal says nothing new, and some sources tell of none.
        """
        if self._conflicts or self._seconds:
            newer = [event for event in events if event.kind is not EventKind.RENEWED]
            keys = {_key(event) for event in newer}
            clients = {identifiers.client(event.lease) for event in newer}
            self._seconds = {key: second for key, second in self._seconds.items() if _key(second) not in keys}
            self._conflicts = {
                key: outcome
                for key, outcome in self._conflicts.items()
                if key not in keys and identifiers.client(outcome.event.lease) not in clients
            }

    def _report_solved(self, outcomes: Sequence[Outcome]) -> Tuple[Kept, ...]:
        """Report earlier conflicts that a retry solved. Return what is kept for them."""
        for outcome in outcomes:
            telemetry.conflict_over(outcome.event.lease)
        return report(self._sink, 0, outcomes).kept


def _keep(leases: Sequence[Lease]) -> None:
    """Remove nothing."""


def refused(event: LeaseEvent, words: str) -> Rejection:
    """Return the rejection of a reservation that Kea refuses, in its words."""
    reason, text = _REJECTIONS[Verdict.REFUSED]
    return Rejection(event, reason, text.format(words))


def _key(event: LeaseEvent) -> Key:
    return asking.reservation_key(event.lease)


def _conflicts(every: Mapping[Key, Outcome]) -> List[Outcome]:
    return [outcome for outcome in every.values() if outcome.verdict is Verdict.CONFLICT]


def resolved(events: Sequence[LeaseEvent], reserve: Reserve) -> List[Outcome]:
    """Reserve the events; retry conflicts as long as a reservation moved, which may have freed their address."""
    outcomes = reserve(events)
    taken = [outcome.event for outcome in outcomes if outcome.verdict is Verdict.CONFLICT]
    if taken and any(outcome.verdict is Verdict.UPDATED for outcome in outcomes):
        done = [outcome for outcome in outcomes if outcome.verdict is not Verdict.CONFLICT]
        return done + resolved(taken, reserve)
    return outcomes


def report(sink: str, given: int, outcomes: Sequence[Outcome]) -> Delivery:
    """Write a log line for each change. Return the counts; ``given`` events without an outcome count as skipped."""
    for outcome in outcomes:
        if outcome.verdict is Verdict.CREATED:
            telemetry.reservation_created(outcome.event.lease)
        elif outcome.verdict is Verdict.UPDATED:
            telemetry.reservation_updated(outcome.event.lease)
    verdicts = [outcome.verdict for outcome in outcomes]
    delivery = Delivery(
        created=verdicts.count(Verdict.CREATED),
        updated=verdicts.count(Verdict.UPDATED),
        unchanged=verdicts.count(Verdict.UNCHANGED),
        skipped=max(0, given - len(outcomes)),
        rejected=tuple(
            Rejection(event, _REJECTIONS[verdict][0], _REJECTIONS[verdict][1].format(detail))
            for event, verdict, detail, _made in outcomes
            if verdict in _REJECTIONS
        ),
        kept=tuple(Kept(event, made, True) for event, verdict, _detail, made in outcomes if verdict not in _REJECTIONS),
    )
    telemetry.sink_result(sink, delivery)
    return delivery
