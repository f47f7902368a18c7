# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``dead-letters``: list, retry or drop events that a sink will never accept."""

from __future__ import annotations

import argparse
import json
import time
from typing import Any, Dict, List, Optional, Protocol, Sequence

from kea_lease_monitor.commands import access, output
from kea_lease_monitor.errors import ConfigurationError
from kea_lease_monitor.replay import Replay
from kea_lease_monitor.state.records import DeadLetter

_COLUMNS = ("id", "age", "subscription", "sink", "reason", "kind", "address", "hwaddr", "subnet", "detail")


class DeadLetterStore(Protocol):
    """What the command needs of the state store."""

    def dead_letters(self, subscription: Optional[str] = None) -> List[DeadLetter]: ...

    def drop_dead_letters(self, numbers: Sequence[int]) -> int: ...

    def add_request(self, subscription: str, argument: str, now: float) -> None: ...


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the steps and flags of the command."""
    steps = parser.add_subparsers(required=True, dest="step", metavar="{list,retry,drop}")
    for name in ("list", "retry", "drop"):
        step = steps.add_parser(name)
        access.add_config(step)
        step.add_argument("--subscription", help="only those of this subscription")
        if name == "list":
            step.add_argument("--json", action="store_true", help="for programs")
        else:
            step.add_argument("id", nargs="*", type=int, help="the numbers that list shows")
            step.add_argument("--all", action="store_true", help="all dead letters")


def execute(options: argparse.Namespace) -> int:
    """Do the step. Raises MonitorError."""
    store: DeadLetterStore = access.open_store(access.read_settings(options).state, options.config)
    now = time.time()
    found = store.dead_letters(options.subscription)
    if options.step == "list":
        lines = [_line(dead_letter, now) for dead_letter in found]
        print(output.as_json(lines) if options.json else output.as_table(lines, _COLUMNS))
        return 0
    chosen = _chosen(found, options)
    if options.step == "drop":
        print(f"{store.drop_dead_letters([each.id for each in chosen])} dead letter(s) dropped")
        return 0
    for name in sorted({each.subscription for each in chosen}):
        numbers = tuple(each.id for each in chosen if each.subscription == name)
        store.add_request(name, Replay(dead_letters=numbers).argument(), now)
    print(f"{len(chosen)} dead letter(s) will be tried again with their leases as they are by then")
    return 0


def _chosen(found: List[DeadLetter], options: argparse.Namespace) -> List[DeadLetter]:
    if options.all == bool(options.id):
        raise ConfigurationError("the numbers of dead letters are needed, or --all")
    known = {each.id for each in found}
    if missing := [number for number in options.id if number not in known]:
        raise ConfigurationError(f"there is no dead letter {', '.join(map(str, missing))}")
    return [each for each in found if options.all or each.id in options.id]


def _line(dead_letter: DeadLetter, now: float) -> Dict[str, Any]:
    event = json.loads(dead_letter.event)
    lease = event["lease"]
    return {
        **dict.fromkeys(_COLUMNS),
        "id": dead_letter.id,
        "age": output.age(now - dead_letter.recorded_at),
        "recorded_at": dead_letter.recorded_at,
        "subscription": dead_letter.subscription,
        "sink": event.get("sink", ""),
        "reason": dead_letter.reason,
        "kind": event["kind"],
        "address": lease["address"],
        "hwaddr": lease["hwaddr"],
        "subnet": lease["subnet_id"],
        "detail": dead_letter.detail,
    }
