# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sink that runs a command for each batch, with the events as JSON on standard input. Its type is ``exec``."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Sequence, Tuple

from kea_lease_monitor.child import Child
from kea_lease_monitor.clock import Clock
from kea_lease_monitor.errors import TemporaryError
from kea_lease_monitor.lease import LeaseEvent
from kea_lease_monitor.section import Section
from kea_lease_monitor.sinks.halving import HalvingSink
from kea_lease_monitor.sinks.message import document


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


class CommandSink(HalvingSink):
    """Runs the command of the site."""

    name = "exec"

    def __init__(self, options: Options, clock: Clock) -> None:
        super().__init__(options.command[0], options.timeout, clock)
        self._command = options.command

    def check(self) -> None:
        program = self._command[0]
        if not os.path.isfile(program) or not os.access(program, os.X_OK):
            raise TemporaryError(f"{program} is no program that this user may run")

    def _start(self, part: Sequence[LeaseEvent]) -> Child:
        return Child(self._command, document(part))

    def _failure(self, status: int, output: str) -> TemporaryError:
        ended = f"was ended by signal {-status}" if status < 0 else f"ended with code {status}"
        return TemporaryError(f"{self._command[0]} {ended}: {output}")
