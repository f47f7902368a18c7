# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What became of each event, told once for all sinks that make reservations."""

from __future__ import annotations

from typing import Callable, Collection, Dict, List, Sequence, Tuple

from kea_lease_monitor import telemetry
from kea_lease_monitor.batch import Delivery, Reason, Rejection
from kea_lease_monitor.kea import identifiers, reservations
from kea_lease_monitor.lease import LeaseEvent

Outcome = Tuple[LeaseEvent, str, str]
"""The event; created, updated, unchanged, conflict or edited; who holds the address, or what a person reserved."""

Reserve = Callable[[Sequence[LeaseEvent]], List[Outcome]]

_WAITING = 1000
"""Conflicts remembered; more are dead letters all the same, only nobody tries them again by himself."""

_DETAILS = {
    "conflict": (Reason.ADDRESS_TAKEN, "the address is reserved for {}"),
    "edited": (Reason.EDITED, "a person reserved {} for this client; delete that reservation to have it made anew"),
}


class Reserving:
    """Reserve batch after batch, and once more what met a conflict when somebody moved: perhaps away from just that
    address. While all leases are read in any order, the one who moves away may well come after the one who moves in.
    """

    def __init__(self, sink: str, reserve: Reserve) -> None:
        self._sink = sink
        self._reserve = reserve
        self._waiting: Dict[Tuple[str, int], LeaseEvent] = {}

    def deliver(self, events: Sequence[LeaseEvent], families: Collection[int]) -> Delivery:
        """Leases of other families are passed over."""
        self._forget(events)
        chosen = reservations.chosen(events, families)
        outcomes = resolved(chosen, self._reserve) if chosen else []
        delivery = report(self._sink, len(events), outcomes)
        if delivery.updated and self._waiting:
            self._again(list(self._waiting.values()))
        conflicts = {_place(event): event for event, result, _holder in outcomes if result == "conflict"}
        self._waiting = dict(list({**self._waiting, **conflicts}.items())[-_WAITING:])
        return delivery

    def _forget(self, events: Sequence[LeaseEvent]) -> None:
        """Whatever became of the lease or of its client since, an older event says nothing any more."""
        if self._waiting:
            places = {_place(event) for event in events}
            clients = {identifiers.client(event.lease) for event in events}
            self._waiting = {
                place: event
                for place, event in self._waiting.items()
                if place not in places and identifiers.client(event.lease) not in clients
            }

    def _again(self, events: Sequence[LeaseEvent]) -> None:
        for event, result, _holder in (outcomes := resolved(events, self._reserve)):
            if result != "conflict":
                del self._waiting[_place(event)]
                telemetry.conflict_over(event.lease)
        report(self._sink, 0, [outcome for outcome in outcomes if outcome[1] != "conflict"])


def _place(event: LeaseEvent) -> Tuple[str, int]:
    return event.lease.address, event.lease.subnet_id


def resolved(events: Sequence[LeaseEvent], reserve: Reserve) -> List[Outcome]:
    """Within a batch too."""
    outcomes = reserve(events)
    taken = [event for event, result, _holder in outcomes if result == "conflict"]
    if taken and any(result == "updated" for _event, result, _holder in outcomes):
        done = [outcome for outcome in outcomes if outcome[1] != "conflict"]
        return done + resolved(taken, reserve)
    return outcomes


def report(sink: str, given: int, outcomes: Sequence[Outcome]) -> Delivery:
    """One log line for each change, and the sum."""
    for event, result, _detail in outcomes:
        if result == "created":
            telemetry.reservation_created(event.lease)
        elif result == "updated":
            telemetry.reservation_updated(event.lease)
    results = [result for _event, result, _detail in outcomes]
    delivery = Delivery(
        created=results.count("created"),
        updated=results.count("updated"),
        unchanged=results.count("unchanged"),
        skipped=max(0, given - len(outcomes)),
        rejected=tuple(
            Rejection(event, _DETAILS[result][0], _DETAILS[result][1].format(detail))
            for event, result, detail in outcomes
            if result in _DETAILS
        ),
    )
    telemetry.sink_result(sink, delivery)
    return delivery
