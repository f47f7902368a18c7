# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sinks of lease events. A new one is a file here, a line in SINKS and a test of its contract."""

from __future__ import annotations

from typing import Any, Callable, Dict, FrozenSet, NamedTuple

from kea_lease_monitor.clock import Clock
from kea_lease_monitor.database import Link
from kea_lease_monitor.section import Section
from kea_lease_monitor.sinks import command, discovery
from kea_lease_monitor.sinks.base import Sink
from kea_lease_monitor.sinks.reservations import database as reservation
from kea_lease_monitor.sinks.reservations import file


class Needs(NamedTuple):
    """What a sink may need besides its options."""

    link: Callable[[], Link]
    """A database session of its own."""
    families: FrozenSet[int]
    """That the subscription names, if any."""


class SinkType(NamedTuple):
    parse: Callable[[Section], Any]
    build: Callable[[Any, Needs], Sink]
    families: FrozenSet[int] = frozenset({4, 6})


SINKS: Dict[str, SinkType] = {
    "reservation": SinkType(
        reservation.Options.parse, lambda _options, around: reservation.ReservationSink(around.link(), around.families)
    ),
    "reservation_file": SinkType(
        file.Options.parse,
        lambda options, _around: file.ReservationFileSink(options),
        file.FAMILIES,
    ),
    "discovery": SinkType(discovery.Options.parse, lambda options, _around: discovery.DiscoverySink(options)),
    "exec": SinkType(command.Options.parse, lambda options, _around: command.CommandSink(options, Clock())),
}
"""In the order in which the sinks of a subscription act: no reservation waits for files, nothing for a command."""

ORDER = tuple(SINKS)
