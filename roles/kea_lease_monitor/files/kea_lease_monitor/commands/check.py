# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether anything would be lost if the events went away now."""

from __future__ import annotations

from typing import Dict, Optional

from kea_lease_monitor import position
from kea_lease_monitor.database import Link, Session
from kea_lease_monitor.errors import PositionLostError
from kea_lease_monitor.kea.sql import events
from kea_lease_monitor.position import EventPosition
from kea_lease_monitor.settings import Settings
from kea_lease_monitor.state.store import Store


def undelivered(settings: Settings, store: Store) -> Optional[str]:
    """Names the first subscription that has not acted upon all events in the database; None when there is none, with a
    source that has no such events, and when they went away already. Raises TemporaryError."""
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
