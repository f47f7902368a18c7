# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Search for the events that a sink refuses."""

from __future__ import annotations

from typing import Sequence, Tuple, Union

from kea_lease_monitor.batch import Delivery, Pending, Reason, Rejection
from kea_lease_monitor.errors import RefusedError
from kea_lease_monitor.lease import LeaseEvent
from kea_lease_monitor.sinks.base import Sink


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
