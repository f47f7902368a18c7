# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: figures on lease events: how many wait, how old they are, how many were lost."""

from __future__ import annotations

from typing import Optional, Tuple

from .._postgres.session import Session
from .trigger import EVENTS, LOST

_AGES = """
SELECT extract(epoch FROM now() - min(recorded_at))::float8, extract(epoch FROM now() - max(recorded_at))::float8
FROM {events}
"""


def count_waiting(session: Session, event_schema: str) -> int:
    """Return how many events are not pruned yet. Raises PostgresError, also if there is no event table."""
    return int(session.fetch("SELECT count(*) FROM {events}", events=(event_schema, EVENTS))[0][0])


def ages(session: Session, event_schema: str) -> Tuple[Optional[float], Optional[float]]:
    """Return the ages in seconds of the oldest and the newest event that is not pruned; None without an event.

    Raises PostgresError, also if there is no event table.
    """
    oldest, newest = session.fetch(_AGES, events=(event_schema, EVENTS))[0]
    return oldest, newest


def count_lost(session: Session, event_schema: str) -> int:
    """Return how many events could not be written since the counter was created.

    PostgreSQL logs a sequence ahead of its use, so a crash of the server may add up to 32. Raises PostgresError, also
    if there is no counter.
    """
    query = "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM {lost}"
    return int(session.fetch(query, lost=(event_schema, LOST))[0][0])


def queue_usage(session: Session) -> float:
    """Return how full the notification queue of the server is, from 0 to 1. Raises PostgresError."""
    return float(session.fetch("SELECT pg_catalog.pg_notification_queue_usage()")[0][0])
