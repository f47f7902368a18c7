# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What became of each event, told once for all sinks that make reservations."""

from __future__ import annotations

from typing import Callable, List, Sequence, Tuple

from kea_lease_monitor import telemetry
from kea_lease_monitor.batch import Delivery, Reason, Rejection
from kea_lease_monitor.lease import LeaseEvent

Outcome = Tuple[LeaseEvent, str, str]
"""The event; created, updated, unchanged or conflict; and who holds the address in case of a conflict."""


def resolved(events: Sequence[LeaseEvent], reserve: Callable[[Sequence[LeaseEvent]], List[Outcome]]) -> List[Outcome]:
    """Reserve, and once more what met a conflict if anybody moved: perhaps away from just that address."""
    outcomes = reserve(events)
    taken = [event for event, result, _holder in outcomes if result == "conflict"]
    if taken and any(result == "updated" for _event, result, _holder in outcomes):
        done = [outcome for outcome in outcomes if outcome[1] != "conflict"]
        return done + resolved(taken, reserve)
    return outcomes


def report(sink: str, given: int, outcomes: Sequence[Outcome]) -> Delivery:
    """One log line for each change, and the sum."""
    for event, result, _holder in outcomes:
        if result == "created":
            telemetry.reservation_created(event.lease)
        elif result == "updated":
            telemetry.reservation_updated(event.lease)
    results = [result for _event, result, _holder in outcomes]
    delivery = Delivery(
        created=results.count("created"),
        updated=results.count("updated"),
        unchanged=results.count("unchanged"),
        skipped=given - len(outcomes),
        rejected=tuple(
            Rejection(event, Reason.ADDRESS_TAKEN, f"the address is reserved for {holder}")
            for event, result, holder in outcomes
            if result == "conflict"
        ),
    )
    telemetry.sink_result(sink, delivery)
    return delivery
