# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sink that runs a command for each batch, with the events as JSON on standard input. Its type is ``exec``."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import List, Optional, Sequence, Tuple, Union

from kea_lease_monitor import telemetry
from kea_lease_monitor.batch import Delivery, Pending, Reason, Rejection
from kea_lease_monitor.child import Child
from kea_lease_monitor.clock import Clock
from kea_lease_monitor.errors import TemporaryError
from kea_lease_monitor.lease import LeaseEvent
from kea_lease_monitor.section import Section
from kea_lease_monitor.sinks.base import Sink

VERSION = 1
"""Version of the document. It changes when a field is removed or changes its meaning."""

REFUSED = 65
"""Exit code of a command that will never accept these events: EX_DATAERR of sysexits.h. After any other code but 0 the
events are delivered again later."""


@dataclass(frozen=True)
class Options:
    """The options of this sink."""

    command: Tuple[str, ...]
    """Absolute path of a program, and its arguments."""
    timeout: int
    """Seconds for one batch."""

    @classmethod
    def parse(cls, section: Section) -> Options:
        """Read the sink's section. Raises ConfigurationError."""
        options = cls(section.texts("command"), section.number("timeout", 30, 1, 3600))
        section.done()
        if not options.command or not os.path.isabs(options.command[0]):
            raise section.error("command", "a list is needed that begins with the absolute path of a program")
        if any("\0" in word for word in options.command):
            raise section.error("command", "no argument can hold a NUL")
        return options


def document(events: Sequence[LeaseEvent]) -> bytes:
    """Return what a command reads: {"version": 1, "events": [{"kind", "ref", "recorded_at", "lease": {...}}]}."""
    items = [{**event._asdict(), "kind": event.kind.value, "lease": event.lease._asdict()} for event in events]
    return json.dumps({"version": VERSION, "events": items}).encode()


class CommandSink(Sink):
    """Runs one command at a time. A refused batch is halved until each refused event stands alone."""

    name = "exec"

    def __init__(self, options: Options, clock: Clock) -> None:
        self._options = options
        self._clock = clock
        self._given: List[LeaseEvent] = []
        self._parts: List[List[LeaseEvent]] = []
        self._rejected: List[Rejection] = []
        self._child: Optional[Child] = None
        self._due = 0.0

    def check(self) -> None:
        program = self._options.command[0]
        if not os.path.isfile(program) or not os.access(program, os.X_OK):
            raise TemporaryError(f"{program} is no program that this user may run")

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
            self._child = Child(self._options.command, document(part))
            self._due = self._clock.monotonic() + self._options.timeout
        status = self._child.status()
        if status is None:
            if self._clock.monotonic() < self._due:
                return Pending(self._child.fileno(), self._due)
            raise TemporaryError(f"{self._options.command[0]} did not end within {self._options.timeout} seconds")
        self._settle(part, status, self._child.said())
        self._end()
        return None

    def _settle(self, part: List[LeaseEvent], status: int, output: str) -> None:
        if status not in (0, REFUSED):
            ended = f"was ended by signal {-status}" if status < 0 else f"ended with code {status}"
            raise TemporaryError(f"{self._options.command[0]} {ended}: {output}")
        half = len(part) // 2
        self._parts[:1] = [part[:half], part[half:]] if status and half else []
        if status and not half:
            self._rejected.append(Rejection(part[0], Reason.REFUSED, output))

    def _end(self) -> None:
        if self._child:
            self._child.close()
        self._child = None

    def close(self) -> None:
        """End the command. A batch that was not finished comes again."""
        self._end()
        self._parts = []
