# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sinks of lease events. A new one is a file here, a line in SINKS and a test of its contract."""

from __future__ import annotations

from typing import Any, Callable, Dict, NamedTuple

from kea_lease_monitor.context import Context
from kea_lease_monitor.section import Section
from kea_lease_monitor.sinks import command, discovery
from kea_lease_monitor.sinks.base import Sink
from kea_lease_monitor.sinks.reservations import database as reservation
from kea_lease_monitor.sinks.reservations import file
from kea_lease_monitor.sinks.webhook import sink as webhook


class SinkType(NamedTuple):
    """How to parse the options of a sink and to build it."""

    rank: int
    """Sinks of a subscription act in this order: reservations wait for no files, and nothing waits for a command
    or a web server."""
    parse: Callable[[Section], Any]
    build: Callable[[Any, Context], Sink]
    one_family: bool = False
    """Whether a subscription with this sink must not name both families."""


SINKS: Dict[str, SinkType] = {
    "reservation": SinkType(
        1,
        reservation.Options.parse,
        lambda options, context: reservation.ReservationSink(
            context.link(), context.families, options, context.clock.monotonic
        ),
    ),
    "reservation_file": SinkType(
        2,
        file.Options.parse,
        lambda options, context: file.ReservationFileSink(options, min(context.families, default=4)),
        one_family=True,
    ),
    "discovery": SinkType(3, discovery.Options.parse, lambda options, _context: discovery.DiscoverySink(options)),
    "exec": SinkType(4, command.Options.parse, lambda options, context: command.CommandSink(options, context.clock)),
    "webhook": SinkType(5, webhook.Options.parse, lambda options, context: webhook.WebhookSink(options, context.clock)),
}
