# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``status``: show the subscriptions and how far they are."""

from __future__ import annotations

import argparse
import time
from typing import Any, Dict, List, Optional, Protocol

from kea_lease_monitor.commands import access, addresses, applied, output, watch
from kea_lease_monitor.heart import STALE
from kea_lease_monitor.settings import MonitorSettings
from kea_lease_monitor.state.records import Bookmark, Heartbeat, Registration
from kea_lease_monitor.state.store import Store

_COLUMNS = (
    *("subscription", "status", "since", "monitor", "version", "events", "beat", "bookmark", "dead_letters"),
    *applied.COLUMNS,
    *("what", "detail"),
)


class StatusStore(Protocol):
    """What the command needs of the state store."""

    def bookmarks(self) -> List[Bookmark]: ...

    def heartbeats(self) -> List[Heartbeat]: ...

    def registrations(self) -> List[Registration]: ...

    def dead_letter_counts(self) -> Dict[str, int]: ...


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the command."""
    access.add_config(parser)
    parser.add_argument("--json", action="store_true", help="for programs")
    watch.add_watch(parser)


def execute(options: argparse.Namespace) -> int:
    """Print a table or JSON, once or until Ctrl-C. Raises MonitorError."""
    settings = access.read_settings(options)
    store = access.open_store(settings.state, options.config)
    if options.watch is None:
        print(_text(settings, store, options.json))
    else:
        watch.repeat(lambda: _text(settings, store, options.json), options.watch)
    return 0


def _text(settings: MonitorSettings, store: Store, as_json: bool) -> str:
    """Return the table of subscriptions and that of addresses, or JSON. Raises TemporaryError."""
    now = time.time()
    lines = status(store, now)
    applied.add(lines, applied.read(settings, now))
    present = addresses.read(settings, store, now)
    addresses.add(lines, present, settings)
    if as_json:
        return output.as_json(lines)
    tables = [output.as_table(lines, _COLUMNS)]
    if present.rooms:
        tables.append(output.as_table(addresses.lines(present), addresses.COLUMNS))
    return "\n\n".join(tables)


def status(store: StatusStore, now: float) -> List[Dict[str, Any]]:
    """Return one mapping per subscription and monitor, by column. Times are ages in seconds. Raises TemporaryError."""
    known = {each.name: each for each in store.registrations()}
    beats = {beat.subscription: beat for beat in store.heartbeats()}
    lines = [_line(beat.subscription, beat, known.get(beat.subscription), now) for beat in store.heartbeats()]
    lines += [_line(name, None, each, now) for name, each in known.items() if name not in beats]
    bookmarks = {bookmark.subscription: bookmark for bookmark in store.bookmarks()}
    dead_letters = store.dead_letter_counts()
    for line in lines:
        bookmark = bookmarks.get(line["subscription"])
        line["bookmark"] = round(now - bookmark.updated_at, 1) if bookmark else None
        line["position"] = bookmark.position if bookmark else None
        line["dead_letters"] = dead_letters.get(line["subscription"], 0)
    return lines


def _line(name: str, beat: Optional[Heartbeat], known: Optional[Registration], now: float) -> Dict[str, Any]:
    line: Dict[str, Any] = dict.fromkeys(_COLUMNS)
    line.update(subscription=name, status="waiting", what=known.description if known else "")
    if beat:
        line.update(monitor=beat.monitor, version=beat.version, events=beat.events, detail=beat.detail)
        silent = now - beat.beat_at > STALE and beat.status != "stopped"
        line.update(status="silent" if silent else beat.status, since=round(now - beat.status_since, 1))
        line.update(beat=round(now - beat.beat_at, 1))
    if known and known.removed_at is not None:
        line.update(status="removed", since=round(now - known.removed_at, 1), detail="")
    return line
