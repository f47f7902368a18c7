# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``check``: exit 0 when the monitor works, or when no event is left to deliver."""

from __future__ import annotations

import argparse
import socket
import time
from typing import Dict, List, Optional, Protocol, Sequence

from kea_lease_monitor import position
from kea_lease_monitor.commands import access, addresses, applied, holders, output
from kea_lease_monitor.database import Link, Session
from kea_lease_monitor.errors import PositionLostError
from kea_lease_monitor.heart import STALE
from kea_lease_monitor.kea.sql import events
from kea_lease_monitor.position import EventPosition
from kea_lease_monitor.settings import MonitorSettings
from kea_lease_monitor.state.records import Bookmark, Heartbeat

STUCK = 30.0
"""Seconds that a subscription may retry before it counts as stuck."""

ABSENT = 60.0
"""Seconds that a lease file may be missing: a server that is being installed or restarted creates it."""


class BookmarkStore(Protocol):
    """What ``undelivered`` needs of the state store."""

    def bookmarks(self) -> List[Bookmark]: ...


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the command."""
    access.add_config(parser)
    parser.add_argument(
        "--delivered", action="store_true", help="instead, exit 0 when every event in the database is delivered"
    )


def execute(options: argparse.Namespace) -> int:
    """Print the first problem and return 1, or return 0. Raises MonitorError."""
    settings = access.read_settings(options)
    store = access.open_store(settings.state, options.config)
    reported = applied.read(settings, time.time())
    names = [flow.subscription.name for flow in settings.flows]
    monitor = socket.gethostname() if settings.state.shared else ""
    if options.delivered:
        found, warning = undelivered(settings, store), ""
    else:
        beats = store.heartbeats()
        found, warning = problem(beats, names, monitor, time.time()), waiting(beats, names)
        found = found or (reported.problem and f"unhealthy: {reported.problem}")
        present = addresses.read(settings, store, time.time())
        few, none = addresses.warning(present), addresses.missing(present, settings, beats, time.time())
        warning += "".join(f"; WARN {each}" for each in (reported.warning, few, none) if each)
        if others := holders.foreign(settings):
            found, warning = found and f"{found}; {others}", f"{warning}; WARN {others}"
    output.show(found or f"healthy: {', '.join(names)}{warning}")
    return 1 if found else 0


def problem(heartbeats: Sequence[Heartbeat], names: Sequence[str], monitor: str, now: float) -> Optional[str]:
    """Return the first problem in one line. An empty ``monitor`` means all monitors."""
    for name in names:
        beats = [beat for beat in heartbeats if beat.subscription == name]
        own = [beat for beat in beats if not monitor or beat.monitor == monitor]
        if not own:
            return f"unhealthy: subscription {name} never ran" + (f" on {monitor}" if monitor else "")
        newest = max(own, key=lambda beat: beat.beat_at)
        if trouble := _trouble(newest, now):
            return f"unhealthy: subscription {name} {trouble}"
        if newest.status == "standby" and not any(_acts(beat, now) for beat in beats):
            return f"unhealthy: subscription {name} has monitors standing by, and none that acts"
    return None


def _acts(beat: Heartbeat, now: float) -> bool:
    return beat.status not in ("standby", "stopped") and now - beat.beat_at <= STALE


def _trouble(beat: Heartbeat, now: float) -> str:
    if beat.status == "stopped":
        return "was stopped"
    if now - beat.beat_at > STALE:
        return f"gave its last sign of life {now - beat.beat_at:.0f} seconds ago"
    if beat.status == "starting":
        return f"has not caught up yet: {beat.detail or 'still reading'}"
    if beat.status == "retrying" and now - beat.status_since > STUCK:
        return f"is stuck for {now - beat.status_since:.0f} seconds: {beat.detail}"
    if beat.status == "waiting" and now - beat.status_since > ABSENT:
        return f"reads no leases for {now - beat.status_since:.0f} seconds: {beat.detail}"
    return ""


def waiting(heartbeats: Sequence[Heartbeat], names: Sequence[str]) -> str:
    """Return what the subscriptions wait for, in one line with the word WARN; empty if they wait for nothing."""
    found = sorted({beat.detail for beat in heartbeats if beat.subscription in names and beat.status == "waiting"})
    return f"; WARN {'; '.join(found)}" if found else ""


def undelivered(settings: MonitorSettings, store: BookmarkStore) -> Optional[str]:
    """Return what the first late subscription has not acted on. Raises TemporaryError.

    None when all is delivered, when the source has no events in the database, or when their table is gone.
    """
    if settings.source.type != "events":
        return None
    texts: Dict[str, str] = {bookmark.subscription: bookmark.position for bookmark in store.bookmarks()}
    schema = settings.source.options.schema
    link = Link(settings.database)
    try:
        with link.session() as session:
            if not session.rows(events.HAS_EVENTS.replace("{schema}", schema))[0][0]:
                return None
            for flow in settings.flows:
                name = flow.subscription.name
                waiting = _waiting(session, schema, texts.get(name, ""))
                if waiting:
                    return f"subscription {name} has not acted upon {waiting}"
    finally:
        link.close()
    return None


def _waiting(session: Session, schema: str, text: str) -> str:
    try:
        seen = position.load(text)
    except PositionLostError:
        return "any event"
    if not isinstance(seen, EventPosition) or position.reading_all(seen):
        return "all leases"
    rows = session.rows(events.WAITING.replace("{schema}", schema), {"seen": str(seen.seen)})
    return f"{rows[0][0]} events" if rows[0][0] else ""
