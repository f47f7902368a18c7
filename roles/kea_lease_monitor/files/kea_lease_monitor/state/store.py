# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bookmarks, heartbeats and dead letters. Every call is one transaction; the library's errors end here."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from typing import Any, Iterator, List, NamedTuple, Optional, Sequence

import sqlalchemy
from sqlalchemy import event, func, select
from sqlalchemy.engine import Connection, Engine

from kea_lease_monitor.batch import Rejection
from kea_lease_monitor.errors import TemporaryError
from kea_lease_monitor.state import schema
from kea_lease_monitor.state.tables import BOOKMARKS, DEAD_LETTERS, HEARTBEATS

_LETTERS_KEPT = 1000
"""Per subscription; a conflict that nobody mends would otherwise fill the disk."""


class Heartbeat(NamedTuple):
    """How a subscription of a running monitor fares. Times are epoch seconds."""

    monitor: str
    subscription: str
    version: str
    pid: int
    started_at: float
    beat_at: float
    status: str
    """starting, running, retrying or stopped."""
    status_since: float
    detail: str
    events: int
    """Delivered since the start."""


class Bookmark(NamedTuple):
    subscription: str
    position: str
    effects: str
    """What the subscription did with the leases up to there; see pipeline.Subscription."""
    updated_at: float


def open_engine(path: str) -> Engine:
    """Write-ahead logging, synced at checkpoints only: losing the last bookmark repeats effects that are idempotent."""
    engine = sqlalchemy.create_engine(sqlalchemy.engine.URL.create("sqlite", database=path), future=True)

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "busy_timeout=2000"):
            connection.execute(f"PRAGMA {pragma}")

    return engine


class Store:
    """Raises SchemaError on opening a foreign schema, TemporaryError when the database refuses for now."""

    def __init__(self, path: str) -> None:
        if not os.path.isdir(os.path.dirname(path)):
            raise TemporaryError(f"the state's directory {os.path.dirname(path)} does not exist")
        self._engine = open_engine(path)
        schema.require(self._engine)

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        with schema.translated(self._engine), self._engine.begin() as connection:
            yield connection

    def bookmark(self, subscription: str) -> Optional[Bookmark]:
        """Its texts mean nothing here; None when there is none yet."""
        with self._transaction() as connection:
            where = BOOKMARKS.c.subscription == subscription
            row = connection.execute(select(BOOKMARKS).where(where)).first()
            return Bookmark(*row) if row else None

    def settle(self, bookmark: Bookmark, rejections: Sequence[Rejection]) -> None:
        """The bookmark and the dead letters before it, together or not at all."""
        with self._transaction() as connection:
            for rejection in rejections:
                connection.execute(DEAD_LETTERS.insert().values(_letter(bookmark, rejection)))
            if rejections:
                _trim(connection, bookmark.subscription)
            _upsert(connection, BOOKMARKS, bookmark._asdict())

    def beat(self, heartbeats: Sequence[Heartbeat]) -> None:
        with self._transaction() as connection:
            for heartbeat in heartbeats:
                _upsert(connection, HEARTBEATS, heartbeat._asdict())

    def heartbeats(self) -> List[Heartbeat]:
        with self._transaction() as connection:
            rows = connection.execute(select(HEARTBEATS).order_by(HEARTBEATS.c.monitor, HEARTBEATS.c.subscription))
            return [Heartbeat(*row) for row in rows]

    def bookmarks(self) -> List[Bookmark]:
        with self._transaction() as connection:
            rows = connection.execute(select(BOOKMARKS).order_by(BOOKMARKS.c.subscription))
            return [Bookmark(*row) for row in rows]

    def dead_letters(self, subscription: str) -> int:
        with self._transaction() as connection:
            where = DEAD_LETTERS.c.subscription == subscription
            return int(connection.execute(select(func.count()).select_from(DEAD_LETTERS).where(where)).scalar() or 0)

    def close(self) -> None:
        self._engine.dispose()


def _letter(bookmark: Bookmark, rejection: Rejection) -> Any:
    return {
        "subscription": bookmark.subscription,
        "ref": rejection.event.ref,
        "reason": rejection.reason.value,
        "detail": rejection.detail,
        "event": json.dumps({"kind": rejection.event.kind.value, "lease": rejection.event.lease._asdict()}),
        "recorded_at": bookmark.updated_at,
    }


def _trim(connection: Connection, subscription: str) -> None:
    table = DEAD_LETTERS
    mine = select(table.c.id).where(table.c.subscription == subscription).order_by(table.c.id.desc())
    oldest = connection.execute(mine.offset(_LETTERS_KEPT).limit(1)).scalar()
    if oldest is not None:
        connection.execute(table.delete().where(table.c.subscription == subscription, table.c.id <= oldest))


def _upsert(connection: Connection, table: sqlalchemy.Table, values: Any) -> None:
    """Update, else insert: one writer per key, so no dialect's own word for it is needed."""
    keys = list(table.primary_key.columns)
    where = [column == values[column.name] for column in keys]
    if not connection.execute(table.update().where(*where).values(values)).rowcount:
        connection.execute(table.insert().values(values))
