# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What became of each event, told once for all sinks that make reservations."""

from __future__ import annotations

from typing import Callable, Collection, Dict, List, Mapping, Sequence, Set, Tuple

from kea_lease_monitor import telemetry
from kea_lease_monitor.batch import Delivery, Reason, Rejection
from kea_lease_monitor.kea import identifiers, reservations
from kea_lease_monitor.lease import LeaseEvent

Outcome = Tuple[LeaseEvent, str, str]
"""The event; created, updated, unchanged, conflict or edited; who holds the address, or what a person reserved."""

Reserve = Callable[[Sequence[LeaseEvent]], List[Outcome]]

Exchange = Callable[[Sequence[LeaseEvent]], bool]
"""Gives each its lease's address, in one step for all. Only if all of these reservations are as we made them, and have
just these addresses among them; the answer says whether that was done."""

_WAITING = 1000
"""Conflicts remembered; more are dead letters all the same, only nobody tries them again by himself."""

_DETAILS = {
    "conflict": (Reason.ADDRESS_TAKEN, "the address is reserved for {}"),
    "edited": (Reason.EDITED, "a person reserved {} for this client; delete that reservation to have it made anew"),
}


class Reserving:
    """Reserve batch after batch, and once more what met a conflict when somebody moved: perhaps away from just that
    address. While all leases are read in any order, the one who moves away may well come after the one who moves in.
    Those who have each other's addresses exchange them, for none of them could ever move away first.
    """

    def __init__(self, sink: str, reserve: Reserve, exchange: Exchange) -> None:
        self._sink = sink
        self._reserve = reserve
        self._exchange = exchange
        self._waiting: Dict[Tuple[str, int], Outcome] = {}

    def deliver(self, events: Sequence[LeaseEvent], families: Collection[int]) -> Delivery:
        """Leases of other families are passed over."""
        self._forget(events)
        chosen = reservations.chosen(events, families)
        own = {_place(outcome[0]): outcome for outcome in (resolved(chosen, self._reserve) if chosen else [])}
        every = {**self._waiting, **own}
        results = {result for _event, result, _holder in own.values()}
        if self._waiting and "updated" in results:
            self._again(every)
        # Who could not exchange before cannot now either, unless somebody moved or joined them.
        while results & {"updated", "conflict"} and self._exchanged(every):
            self._again(every)
        delivery = report(self._sink, len(events), [every[place] for place in own])
        self._over([every[place] for place in self._waiting if every[place][1] != "conflict"])
        self._waiting = {_place(outcome[0]): outcome for outcome in _conflicts(every)[-_WAITING:]}
        return delivery

    def _again(self, every: Dict[Tuple[str, int], Outcome]) -> None:
        """What met a conflict, be it now or before."""
        if events := [event for event, _result, _holder in _conflicts(every)]:
            every.update({_place(outcome[0]): outcome for outcome in resolved(events, self._reserve)})

    def _exchanged(self, every: Dict[Tuple[str, int], Outcome]) -> bool:
        """Whether there were some who could exchange their addresses."""
        done = [event for circle in circles(_conflicts(every)) if self._exchange(circle) for event in circle]
        every.update({_place(event): (event, "updated", "") for event in done})
        return bool(done)

    def _forget(self, events: Sequence[LeaseEvent]) -> None:
        """Whatever became of the lease or of its client since, an older event says nothing any more."""
        if self._waiting:
            places = {_place(event) for event in events}
            clients = {identifiers.client(event.lease) for event in events}
            self._waiting = {
                place: outcome
                for place, outcome in self._waiting.items()
                if place not in places and identifiers.client(outcome[0].lease) not in clients
            }

    def _over(self, outcomes: Sequence[Outcome]) -> None:
        """Of some that waited."""
        for event, _result, _holder in outcomes:
            telemetry.conflict_over(event.lease)
        report(self._sink, 0, outcomes)


def _place(event: LeaseEvent) -> Tuple[str, int]:
    return event.lease.address, event.lease.subnet_id


def _conflicts(every: Mapping[Tuple[str, int], Outcome]) -> List[Outcome]:
    return [outcome for outcome in every.values() if outcome[1] == "conflict"]


def circles(conflicts: Sequence[Outcome]) -> List[List[LeaseEvent]]:
    """Leases of IPv4 of which each has the address that is reserved for the client of the next, and so round."""
    waiting = {
        (event.lease.hwaddr.replace(":", ""), event.lease.subnet_id): (event, holder.replace(":", ""))
        for event, _result, holder in conflicts
        if event.lease.family == 4
    }
    found: List[List[LeaseEvent]] = []
    seen: Set[Tuple[str, int]] = set()
    for first in waiting:
        client, path = first, []
        while client in waiting and client not in seen:
            seen.add(client)
            path.append(client)
            client = waiting[client][1], client[1]
        if client in path:
            found.append([waiting[each][0] for each in path[path.index(client) :]])
    return found


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
