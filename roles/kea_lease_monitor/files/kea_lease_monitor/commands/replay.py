# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person asks of running subscriptions. It goes into the state, and whoever acts for them then does it."""

from __future__ import annotations

import argparse
import datetime
import json
from typing import Any, Dict, List, Sequence

from kea_lease_monitor import position
from kea_lease_monitor.commands import status
from kea_lease_monitor.errors import ConfigurationError, PositionLostError
from kea_lease_monitor.replay import Replay
from kea_lease_monitor.state.records import Letter
from kea_lease_monitor.state.store import Store

_COLUMNS = ("id", "age", "subscription", "sink", "reason", "kind", "address", "hwaddr", "subnet", "detail")


def replay(store: Store, names: Sequence[str], options: argparse.Namespace, now: float) -> int:
    """Raises ConfigurationError, TemporaryError."""
    if options.subscription not in names:
        raise ConfigurationError(f"there is no subscription {options.subscription}, only {', '.join(names)}")
    if options.position:
        try:
            position.load(options.position)
        except PositionLostError as error:
            raise ConfigurationError(f"--position: {error}") from error
    since = _time(options.since) if options.since else 0.0
    store.ask(options.subscription, Replay(since, options.position or "", adopt=options.adopt).argument(), now)
    print(f"subscription {options.subscription} will read {_what(options)} once its monitor has seen this")
    return 0


def _what(options: argparse.Namespace) -> str:
    if options.position:
        return "from that position on"
    if options.adopt:
        return "all leases again, and take over what release 1.0.0 reserved for them,"
    return f"the leases that Kea heard of since {options.since}" if options.since else "all leases again"


def _time(text: str) -> float:
    """Epoch seconds of an ISO 8601 time, the host's own zone unless it names one. Raises ConfigurationError."""
    try:
        return datetime.datetime.fromisoformat(text).timestamp()
    except ValueError as error:
        raise ConfigurationError(f"--since: a time like 2026-11-21T04:30 is needed, not {text!r}") from error


def letters(store: Store, options: argparse.Namespace, now: float) -> int:
    """Raises ConfigurationError, TemporaryError."""
    found = store.letters(options.subscription)
    if options.step == "list":
        lines = [_line(letter, now) for letter in found]
        print(status.as_json(lines) if options.json else status.as_table(lines, _COLUMNS))
        return 0
    chosen = _chosen(found, options)
    if options.step == "drop":
        print(f"{store.drop_letters([letter.id for letter in chosen])} dead letter(s) dropped")
        return 0
    for name in sorted({letter.subscription for letter in chosen}):
        numbers = tuple(letter.id for letter in chosen if letter.subscription == name)
        store.ask(name, Replay(letters=numbers).argument(), now)
    print(f"{len(chosen)} dead letter(s) will be tried again with their leases as they are by then")
    return 0


def _chosen(found: List[Letter], options: argparse.Namespace) -> List[Letter]:
    if options.all == bool(options.id):
        raise ConfigurationError("the numbers of dead letters are needed, or --all")
    known = {letter.id for letter in found}
    if missing := [number for number in options.id if number not in known]:
        raise ConfigurationError(f"there is no dead letter {', '.join(map(str, missing))}")
    return [letter for letter in found if options.all or letter.id in options.id]


def _line(letter: Letter, now: float) -> Dict[str, Any]:
    event = json.loads(letter.event)
    lease = event["lease"]
    return {
        **dict.fromkeys(_COLUMNS),
        "id": letter.id,
        "age": status.age(now - letter.recorded_at),
        "recorded_at": letter.recorded_at,
        "subscription": letter.subscription,
        "sink": event.get("sink", ""),
        "reason": letter.reason,
        "kind": event["kind"],
        "address": lease["address"],
        "hwaddr": lease["hwaddr"],
        "subnet": lease["subnet_id"],
        "detail": letter.detail,
    }
