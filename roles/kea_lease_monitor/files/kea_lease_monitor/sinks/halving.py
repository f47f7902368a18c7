# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sinks that hand each batch to a child process, while the loop goes on."""

from __future__ import annotations

import abc
from typing import List, Optional, Sequence, Union

from kea_lease_monitor import telemetry
from kea_lease_monitor.batch import Delivery, Pending, Reason, Rejection
from kea_lease_monitor.child import Child
from kea_lease_monitor.clock import Clock
from kea_lease_monitor.errors import TemporaryError
from kea_lease_monitor.lease import LeaseEvent
from kea_lease_monitor.sinks.base import Sink

REFUSED = 65
"""Exit code of a child that will never accept these events: EX_DATAERR of sysexits.h. After any other code but 0 the
events are delivered again later."""


class HalvingSink(Sink):
    """Runs one child at a time. A refused batch is halved until each refused event stands alone."""

    def __init__(self, receiver: str, timeout: int, clock: Clock) -> None:
        """``receiver`` names in messages who gets the events; ``timeout`` is in seconds for one batch."""
        self._receiver = receiver
        self._timeout = timeout
        self._clock = clock
        self._given: List[LeaseEvent] = []
        self._parts: List[List[LeaseEvent]] = []
        self._rejected: List[Rejection] = []
        self._child: Optional[Child] = None
        self._due = 0.0

    @abc.abstractmethod
    def _start(self, part: Sequence[LeaseEvent]) -> Child:
        """Start a child for these events. Raises TemporaryError."""

    @abc.abstractmethod
    def _failure(self, status: int, output: str) -> TemporaryError:
        """Return the error of a child that ended with a code other than 0 and REFUSED, or by the signal -status."""

    def deliver(self, events: Sequence[LeaseEvent]) -> Union[Delivery, Pending]:
        if list(events) != self._given or not self._parts:
            self.close()
            self._given, self._parts, self._rejected = list(events), [list(events)] if events else [], []
        try:
            while self._parts:
                pending = self._run(self._parts[0])
                if pending:
                    return pending
        except TemporaryError:
            self.close()
            raise
        delivery = Delivery(executed=len(events) - len(self._rejected), rejected=tuple(self._rejected))
        telemetry.sink_result(self.name, delivery)
        return delivery

    def _run(self, part: List[LeaseEvent]) -> Optional[Pending]:
        if self._child is None:
            self._child = self._start(part)
            self._due = self._clock.monotonic() + self._timeout
        status = self._child.status()
        if status is None:
            if self._clock.monotonic() < self._due:
                return Pending(self._child.fileno(), self._due)
            raise TemporaryError(f"{self._receiver} did not end within {self._timeout} seconds")
        self._settle(part, status, self._child.said())
        self._end()
        return None

    def _settle(self, part: List[LeaseEvent], status: int, output: str) -> None:
        if status not in (0, REFUSED):
            raise self._failure(status, output)
        half = len(part) // 2
        self._parts[:1] = [part[:half], part[half:]] if status and half else []
        if status and not half:
            self._rejected.append(Rejection(part[0], Reason.REFUSED, output))

    def _end(self) -> None:
        if self._child:
            self._child.close()
        self._child = None

    def close(self) -> None:
        """End the child. A batch that was not finished comes again."""
        self._end()
        self._parts = []
