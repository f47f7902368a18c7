# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Search for the events that a sink refuses, and for what another program refuses later of what a sink made."""

from __future__ import annotations

import json
from typing import List, Optional, Protocol, Sequence, Set, Tuple, Union

from kea_lease_monitor.batch import Delivery, Pending, Reason, Rejection
from kea_lease_monitor.clock import Clock
from kea_lease_monitor.errors import RefusedError
from kea_lease_monitor.lease import Lease, LeaseEvent
from kea_lease_monitor.sinks.base import Refusable, Sink
from kea_lease_monitor.state.records import DeadLetter

_INTERVAL = 10.0
"""Seconds between two looks for what was refused later."""

_REASONS = (Reason.REFUSED.value, Reason.LEFT_OUT.value)
"""Reasons of what is refused later."""


def deliver(sink: Sink, events: Sequence[LeaseEvent]) -> Union[Delivery, Pending]:
    """Deliver events. Halve a refused batch until each refused event is alone. Raises TemporaryError."""
    try:
        return sink.deliver(events)
    except RefusedError as error:
        return Delivery(rejected=_halved(sink, events, str(error)))


def _halved(sink: Sink, events: Sequence[LeaseEvent], error: str) -> Tuple[Rejection, ...]:
    if len(events) == 1:
        return (Rejection(events[0], Reason.REFUSED, error),)
    half = len(events) // 2
    answers = (deliver(sink, events[:half]), deliver(sink, events[half:]))
    return tuple(rejection for answer in answers if isinstance(answer, Delivery) for rejection in answer.rejected)


class Letters(Protocol):
    """What ``LateRefusals`` needs of the state store."""

    def dead_letters(self, subscription: Optional[str] = None) -> List[DeadLetter]: ...


_Key = Tuple[str, int, str, str]


class LateRefusals:
    """What another program refuses of what the sinks of a subscription made. Each is found once while it lasts."""

    def __init__(self, name: str, sinks: Sequence[Sink], letters: Letters, clock: Clock) -> None:
        """``name`` is that of the subscription."""
        self._name, self._letters, self._clock = name, letters, clock
        self._sinks = [sink for sink in sinks if isinstance(sink, Refusable)]
        self.drop()

    def drop(self) -> None:
        """Drop all that is not stored: another monitor may have acted."""
        self._known: Optional[Set[_Key]] = None
        self._due = 0.0

    def found(self) -> List[Tuple[str, Rejection]]:
        """Return, from time to time, what is refused and has no dead letter, with the sink. Raises TemporaryError."""
        now = self._clock.monotonic()
        if not self._sinks or now < self._due:
            return []
        self._due = now + _INTERVAL
        listed = [(sink.name, each) for sink in self._sinks for each in sink.late_refusals()]
        current = {_key(sink, each.event.lease): (sink, each) for sink, each in listed}
        known = self._lettered() if current and self._known is None else self._known or set()
        self._known = set(current)
        return [each for key, each in current.items() if key not in known]

    def _lettered(self) -> Set[_Key]:
        """Return what has a dead letter already."""
        letters = [each for each in self._letters.dead_letters(self._name) if each.reason in _REASONS]
        events = [json.loads(each.event) for each in letters]
        return {_key(each.get("sink", ""), Lease(**each["lease"])) for each in events}


def _key(sink: str, lease: Lease) -> _Key:
    return sink, lease.subnet_id, lease.address, lease.duid or lease.hwaddr
