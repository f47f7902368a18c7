# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bookmarks, heartbeats, subscriptions, dead letters and requests. Every call is one transaction."""

from __future__ import annotations

import importlib
from typing import Any, Dict, List, Optional, Sequence, TypeVar

import sqlalchemy
from sqlalchemy import func, select
from sqlalchemy.engine import Connection

from kea_lease_monitor.state.location import Place
from kea_lease_monitor.state.records import Bookmark, Heartbeat, Letter, Registration, Request, Settlement
from kea_lease_monitor.state.session import StateSession
from kea_lease_monitor.state.tables import BOOKMARKS, DEAD_LETTERS, HEARTBEATS, REQUESTS, SUBSCRIPTIONS

_Row = TypeVar("_Row")

_LETTERS_KEPT = 1000
"""Per subscription; a conflict that nobody mends would otherwise fill the disk."""


class Store:
    """Raises SchemaError on opening a foreign schema, TemporaryError when the database refuses for now."""

    def __init__(self, place: Place) -> None:
        self._session = StateSession(place)
        self._chunk = place.max_chunk_size
        self.claim = self._session.claim
        self.close = self._session.close

    def bookmark(self, subscription: str) -> Optional[Bookmark]:
        """Its texts mean nothing here; None when there is none yet."""
        found = self._select(BOOKMARKS, BOOKMARKS.c.subscription == subscription)
        return Bookmark(*found[0]) if found else None

    def bookmarks(self) -> List[Bookmark]:
        return [Bookmark(*row) for row in self._select(BOOKMARKS)]

    def settle(self, settlement: Settlement, term: int) -> None:
        """All of it or nothing, and only by the monitor that holds ``term``."""
        name = settlement.bookmark.subscription
        with self._session.transaction() as connection:
            self._session.require_claim(name, term)
            for values in self._chunks([_without_number(letter) for letter in settlement.letters]):
                connection.execute(DEAD_LETTERS.insert().values(values))
            if settlement.letters:
                _trim(connection, name)
            self._drop(connection, settlement.redelivered)
            if settlement.done is not None:
                connection.execute(REQUESTS.delete().where(REQUESTS.c.id == settlement.done))
            _upsert(connection, BOOKMARKS, [settlement.bookmark._asdict()])

    def beat(self, heartbeats: Sequence[Heartbeat]) -> None:
        with self._session.transaction() as connection:
            for values in self._chunks([heartbeat._asdict() for heartbeat in heartbeats]):
                _upsert(connection, HEARTBEATS, values)

    def heartbeats(self) -> List[Heartbeat]:
        return [Heartbeat(*row) for row in self._select(HEARTBEATS)]

    def register(self, described: Dict[str, str], kept: Sequence[str], now: float) -> None:
        """The subscriptions that there are now; those neither among them nor ``kept`` count as removed from now on."""
        table = SUBSCRIPTIONS
        with self._session.transaction() as connection:
            known = {row.name: row for row in connection.execute(select(table))}
            for name, description in described.items():
                old = known.get(name)
                added_at = old.added_at if old and old.removed_at is None else now
                record = Registration(name, description, added_at, None)
                _upsert(connection, table, [record._asdict()])
            gone = table.update().where(table.c.removed_at.is_(None), table.c.name.notin_([*described, *kept]))
            connection.execute(gone.values(removed_at=now))

    def registrations(self) -> List[Registration]:
        return [Registration(*row) for row in self._select(SUBSCRIPTIONS)]

    def letters(self, subscription: Optional[str] = None) -> List[Letter]:
        where = [] if subscription is None else [DEAD_LETTERS.c.subscription == subscription]
        return [Letter(*row) for row in self._select(DEAD_LETTERS, *where)]

    def dead_letters(self) -> Dict[str, int]:
        """How many each subscription has."""
        table = DEAD_LETTERS
        with self._session.transaction() as connection:
            rows = connection.execute(select(table.c.subscription, func.count()).group_by(table.c.subscription))
            return {str(name): int(count) for name, count in rows}

    def drop_letters(self, numbers: Sequence[int]) -> int:
        """Returns how many there were."""
        with self._session.transaction() as connection:
            return self._drop(connection, numbers)

    def _drop(self, connection: Connection, numbers: Sequence[int]) -> int:
        chosen = (DEAD_LETTERS.c.id.in_(chunk) for chunk in self._chunks(numbers))
        return sum(int(connection.execute(DEAD_LETTERS.delete().where(where)).rowcount) for where in chosen)

    def ask(self, subscription: str, argument: str, now: float) -> None:
        values = {"subscription": subscription, "argument": argument, "requested_at": now}
        with self._session.transaction() as connection:
            connection.execute(REQUESTS.insert().values(values))

    def request(self, subscription: str) -> Optional[Request]:
        """The oldest one that is not fulfilled."""
        found = self._select(REQUESTS, REQUESTS.c.subscription == subscription)
        return Request(*found[0]) if found else None

    def _select(self, table: sqlalchemy.Table, *where: Any) -> List[Any]:
        with self._session.transaction() as connection:
            order = list(table.primary_key.columns)
            return list(connection.execute(select(table).where(*where).order_by(*order)))

    def _chunks(self, rows: Sequence[_Row]) -> List[Sequence[_Row]]:
        return [rows[start : start + self._chunk] for start in range(0, len(rows), self._chunk)]


def _without_number(letter: Letter) -> Dict[str, Any]:
    """The database gives it."""
    return {name: value for name, value in letter._asdict().items() if name != "id"}


def _trim(connection: Connection, subscription: str) -> None:
    table = DEAD_LETTERS
    mine = select(table.c.id).where(table.c.subscription == subscription).order_by(table.c.id.desc())
    oldest = connection.execute(mine.offset(_LETTERS_KEPT).limit(1)).scalar()
    if oldest is not None:
        connection.execute(table.delete().where(table.c.subscription == subscription, table.c.id <= oldest))


def _upsert(connection: Connection, table: sqlalchemy.Table, rows: Sequence[Dict[str, Any]]) -> None:
    """The one place where the two dialects differ; both know ON CONFLICT, and SQLAlchemy spells it for each.

    The module of the dialect in use is there already; importing both would cost megabytes.
    """
    dialect = importlib.import_module(f"sqlalchemy.dialects.{connection.dialect.name}")
    insert = dialect.insert(table)
    keys = [column.name for column in table.primary_key.columns]
    rest = {column.name: insert.excluded[column.name] for column in table.columns if column.name not in keys}
    # The rows apart from the statement, which SQLAlchemy then need not compile for each heartbeat.
    connection.execute(insert.on_conflict_do_update(index_elements=keys, set_=rest), rows)
