# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A source and a sink that are lists."""

from __future__ import annotations

from typing import Sequence

from kea_lease_monitor.batch import Batch, Delivery, Pending, Rejection
from kea_lease_monitor.errors import RefusedError
from kea_lease_monitor.lease import LeaseEvent
from kea_lease_monitor.position import FilePosition, Position
from kea_lease_monitor.sinks.base import Sink
from kea_lease_monitor.sources.base import Source


def occur(problem: Exception | None) -> None:
    if problem:
        raise problem


class ListSource(Source):
    """Positions are indexes into a list; ``problem`` is raised by the next read."""

    def __init__(self) -> None:
        self.events: list[LeaseEvent] = []
        self.problem: Exception | None = None
        self.limits: list[int] = []
        self.checksum = 0

    def fileno(self) -> int | None:
        return None

    def due(self) -> float:
        return 1e9

    def start(self, everything: bool) -> Position:
        return FilePosition(1, 1, 0 if everything else len(self.events), 0)

    def read(self, after: Position, limit: int) -> Batch:
        problem, self.problem = self.problem, None
        occur(problem)
        self.limits.append(limit)
        assert isinstance(after, FilePosition)
        found = tuple(self.events[after.offset : after.offset + limit])
        end = after.offset + len(found)
        return Batch(found, after._replace(offset=end, checksum=self.checksum), end >= len(self.events))

    def close(self) -> None: ...


class ListSink(Sink):
    name = "list"

    def __init__(self) -> None:
        self.got: list[LeaseEvent] = []
        self.problem: Exception | None = None
        self.poison: LeaseEvent | None = None
        self.pending: Pending | None = None
        self.rejected: tuple[Rejection, ...] = ()

    def check(self) -> None: ...

    def deliver(self, events: Sequence[LeaseEvent]) -> Delivery | Pending:
        occur(self.problem)
        if self.pending:
            return self.pending
        if self.poison in events:
            raise RefusedError("poison")
        self.got += events
        rejected = tuple(each for each in self.rejected if each.event in events)
        return Delivery(created=len(events) - len(rejected), rejected=rejected)

    def close(self) -> None: ...
