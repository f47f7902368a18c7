# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``replay``: request that a subscription delivers leases again. The monitor that acts for it does so."""

from __future__ import annotations

import argparse
import datetime
import time

from kea_lease_monitor import position
from kea_lease_monitor.commands import access, output
from kea_lease_monitor.errors import ConfigurationError, PositionLostError
from kea_lease_monitor.replay import Replay


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the command."""
    access.add_config(parser)
    parser.add_argument("subscription", help="name of the subscription")
    begin = parser.add_mutually_exclusive_group()
    begin.add_argument("--since", help="only leases that Kea heard of since this time, like 2026-11-21T04:30")
    begin.add_argument("--position", help="continue from a position that status --json printed")
    begin.add_argument(
        "--adopt",
        action="store_true",
        help="take over reservations that say what the lease says and nothing else, as release 1.0.0 made them",
    )


def execute(options: argparse.Namespace) -> int:
    """Store the request. Raises MonitorError."""
    settings = access.read_settings(options)
    names = [flow.subscription.name for flow in settings.flows]
    store = access.open_store(settings.state, options.config)
    if options.subscription not in names:
        raise ConfigurationError(f"there is no subscription {options.subscription}, only {', '.join(names)}")
    if options.position:
        try:
            position.load(options.position)
        except PositionLostError as error:
            raise ConfigurationError(f"--position: {error}") from error
    since = _time(options.since) if options.since else 0.0
    argument = Replay(since, options.position or "", adopt=options.adopt).argument()
    store.add_request(options.subscription, argument, time.time())
    output.show(f"subscription {options.subscription} will read {_what(options)} once its monitor has seen this")
    return 0


def _what(options: argparse.Namespace) -> str:
    if options.position:
        return "from that position on"
    if options.adopt:
        return "all leases again, and take over what release 1.0.0 reserved for them,"
    return f"the leases that Kea heard of since {options.since}" if options.since else "all leases again"


def _time(text: str) -> float:
    """Return the epoch seconds of an ISO 8601 time, by default in the host's time zone. Raises ConfigurationError."""
    try:
        return datetime.datetime.fromisoformat(text).timestamp()
    except ValueError as error:
        raise ConfigurationError(f"--since: a time like 2026-11-21T04:30 is needed, not {text!r}") from error
