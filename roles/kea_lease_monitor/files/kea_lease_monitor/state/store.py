# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bookmarks, heartbeats, subscriptions, dead letters, requests and clients. Every call is one transaction."""

from __future__ import annotations

import importlib
from typing import Any, Collection, Dict, List, Mapping, Optional, Sequence, TypeVar

import sqlalchemy
from sqlalchemy import func, select
from sqlalchemy.engine import Connection

from kea_lease_monitor.state.location import StateLocation
from kea_lease_monitor.state.records import (
    LIVING,
    UNCONFIRMED,
    Bookmark,
    Client,
    DeadLetter,
    Heartbeat,
    Registration,
    Request,
    Settlement,
    Subnet,
)
from kea_lease_monitor.state.session import StateSession
from kea_lease_monitor.state.tables import (
    BOOKMARKS,
    CLIENTS,
    DEAD_LETTERS,
    HEARTBEATS,
    REQUESTS,
    SHORTAGES,
    SUBSCRIPTIONS,
)

_Row = TypeVar("_Row")

_KEPT = 1000
"""Dead letters kept per subscription. A conflict that is never resolved would otherwise fill the disk."""


class Store:
    """All records of the state. It is wide because one session, which holds the election locks, must store them all.

    Each user has a narrow Protocol of its own: turn.Terms, settling.Bookmarks, replay.Requests, endings.Clients,
    heart.HeartbeatStore, and those of the commands. Opening raises SchemaError for another schema; every method raises
    TemporaryError.
    """

    def __init__(self, location: StateLocation) -> None:
        self._session = StateSession(location)
        self._chunk = location.max_chunk_size

    def close(self) -> None:
        """End the session and release its locks."""
        self._session.close()

    def claim(self, subscription: str) -> Optional[int]:
        """Return the term in which this monitor acts for the subscription; None while another one does."""
        return self._session.claim(subscription)

    def bookmark(self, subscription: str) -> Optional[Bookmark]:
        """Return the bookmark of a subscription, if it has one yet."""
        found = self._select(BOOKMARKS, BOOKMARKS.c.subscription == subscription)
        return Bookmark(*found[0]) if found else None

    def bookmarks(self) -> List[Bookmark]:
        """Return the bookmarks of all subscriptions."""
        return [Bookmark(*row) for row in self._select(BOOKMARKS)]

    def settle(self, settlement: Settlement, term: int) -> None:
        """Store all of it or nothing. Raises TemporaryError unless this monitor holds ``term``."""
        name = settlement.bookmark.subscription
        with self._session.transaction() as connection:
            self._session.require_claim(name, term)
            for values in self._chunks([_without_number(each) for each in settlement.dead_letters]):
                connection.execute(DEAD_LETTERS.insert().values(values))
            if settlement.dead_letters:
                _trim(connection, name)
            self._drop(connection, settlement.redelivered)
            if settlement.done is not None:
                connection.execute(REQUESTS.delete().where(REQUESTS.c.id == settlement.done))
            self._store_clients(connection, name, settlement.clients)
            if settlement.shortages is not None:
                _store_shortages(connection, name, settlement.shortages)
            _upsert(connection, BOOKMARKS, [settlement.bookmark._asdict()])

    def beat(self, heartbeats: Sequence[Heartbeat]) -> None:
        """Store the heartbeats of this monitor."""
        with self._session.transaction() as connection:
            for values in self._chunks([heartbeat._asdict() for heartbeat in heartbeats]):
                _upsert(connection, HEARTBEATS, values)

    def heartbeats(self) -> List[Heartbeat]:
        """Return the last heartbeat of each monitor and subscription."""
        return [Heartbeat(*row) for row in self._select(HEARTBEATS)]

    def register(self, described: Dict[str, str], kept: Sequence[str], now: float) -> None:
        """Store the present subscriptions. Mark others as removed, except those in ``kept``."""
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
        """Return all subscriptions, removed ones too."""
        return [Registration(*row) for row in self._select(SUBSCRIPTIONS)]

    def dead_letters(self, subscription: Optional[str] = None) -> List[DeadLetter]:
        """Return the dead letters of one subscription, or of all, oldest first."""
        where = [] if subscription is None else [DEAD_LETTERS.c.subscription == subscription]
        return [DeadLetter(*row) for row in self._select(DEAD_LETTERS, *where)]

    def dead_letter_counts(self) -> Dict[str, int]:
        """Return the number of dead letters by subscription."""
        table = DEAD_LETTERS
        with self._session.transaction() as connection:
            rows = connection.execute(select(table.c.subscription, func.count()).group_by(table.c.subscription))
            return {str(name): int(count) for name, count in rows}

    def drop_dead_letters(self, numbers: Sequence[int]) -> int:
        """Remove dead letters. Return how many there were."""
        with self._session.transaction() as connection:
            return self._drop(connection, numbers)

    def _drop(self, connection: Connection, numbers: Sequence[int]) -> int:
        chosen = (DEAD_LETTERS.c.id.in_(chunk) for chunk in self._chunks(numbers))
        return sum(int(connection.execute(DEAD_LETTERS.delete().where(where)).rowcount) for where in chosen)

    def add_request(self, subscription: str, argument: str, now: float) -> None:
        """Store the request for a replay."""
        values = {"subscription": subscription, "argument": argument, "requested_at": now}
        with self._session.transaction() as connection:
            connection.execute(REQUESTS.insert().values(values))

    def request(self, subscription: str) -> Optional[Request]:
        """Return the oldest request that is not fulfilled."""
        found = self._select(REQUESTS, REQUESTS.c.subscription == subscription)
        return Request(*found[0]) if found else None

    def has_clients(self, subscription: str) -> bool:
        """Return whether anything is known of any client."""
        query = select(CLIENTS.c.client).where(CLIENTS.c.subscription == subscription).limit(1)
        with self._session.transaction() as connection:
            return connection.execute(query).first() is not None

    def clients(self, subscription: str, names: Collection[str]) -> List[Client]:
        """Return what is known of these clients."""
        return self._clients(subscription, CLIENTS.c.client, names)

    def clients_at(self, subscription: str, addresses: Collection[str]) -> List[Client]:
        """Return the clients that have or had a lease of these addresses, in any subnet."""
        return self._clients(subscription, CLIENTS.c.address, addresses)

    def _clients(self, subscription: str, column: Any, values: Collection[str]) -> List[Client]:
        with self._session.transaction() as connection:
            queries = (
                select(CLIENTS).where(CLIENTS.c.subscription == subscription, column.in_(chunk))
                for chunk in self._chunks(list(values))
            )
            return [Client(*row) for query in queries for row in connection.execute(query)]

    def ended_clients(self, subscription: str) -> List[Client]:
        """Return the clients whose lease ended. For a command of a person, which may take long."""
        where = (CLIENTS.c.subscription == subscription, CLIENTS.c.state != LIVING)
        return [Client(*row) for row in self._select(CLIENTS, *where)]

    def clients_before(self, subscription: str, state: str, moment: float, limit: int) -> List[Client]:
        """Return up to ``limit`` clients in this state whose lease ended or ends up to ``moment``, oldest first."""
        table = CLIENTS.c
        where = (table.subscription == subscription, table.state == state, table.at <= moment)
        query = select(CLIENTS).where(*where).order_by(table.at).limit(limit)
        with self._session.transaction() as connection:
            return [Client(*row) for row in connection.execute(query)]

    def unconfirmed_of(self, subscription: str, subnet: Subnet, limit: int) -> List[Client]:
        """Return up to ``limit`` unconfirmed clients of a subnet whose lease ended."""
        table, (family, number) = CLIENTS.c, subnet
        where = (table.subscription == subscription, table.family == family, table.subnet_id == number)
        query = select(CLIENTS).where(*where, table.state == UNCONFIRMED).limit(limit)
        with self._session.transaction() as connection:
            return [Client(*row) for row in connection.execute(query)]

    def reserved(self) -> Dict[Subnet, int]:
        """Return how many addresses of each subnet are reserved for clients whose lease ended.

        It reads an index of all clients. Of several subscriptions that reserve in the same subnet, the greatest counts.
        """
        table = CLIENTS.c
        groups = (table.subscription, table.family, table.subnet_id)
        query = select(*groups[1:], func.count()).where(table.reserves, table.state != LIVING).group_by(*groups)
        found: Dict[Subnet, int] = {}
        with self._session.transaction() as connection:
            for family, number, count in connection.execute(query):
                found[family, number] = max(count, found.get((family, number), 0))
        return found

    def shortages(self, subscription: str) -> Dict[Subnet, float]:
        """Return the subnets that ran short of addresses; see Settlement."""
        rows = self._select(SHORTAGES, SHORTAGES.c.subscription == subscription)
        return {(row.family, row.subnet_id): row.until for row in rows}

    def _store_clients(self, connection: Connection, name: str, clients: Mapping[str, Optional[Client]]) -> None:
        gone = [client for client, record in clients.items() if record is None]
        for chunk in self._chunks(gone):
            connection.execute(CLIENTS.delete().where(CLIENTS.c.subscription == name, CLIENTS.c.client.in_(chunk)))
        for records in self._chunks([record._asdict() for record in clients.values() if record is not None]):
            _upsert(connection, CLIENTS, records)

    def _select(self, table: sqlalchemy.Table, *where: Any) -> List[Any]:
        with self._session.transaction() as connection:
            order = list(table.primary_key.columns)
            return list(connection.execute(select(table).where(*where).order_by(*order)))

    def _chunks(self, rows: Sequence[_Row]) -> List[Sequence[_Row]]:
        return [rows[start : start + self._chunk] for start in range(0, len(rows), self._chunk)]


def _store_shortages(connection: Connection, name: str, shortages: Mapping[Subnet, float]) -> None:
    connection.execute(SHORTAGES.delete().where(SHORTAGES.c.subscription == name))
    rows = [
        {"subscription": name, "family": family, "subnet_id": number, "until": until}
        for (family, number), until in shortages.items()
    ]
    if rows:
        connection.execute(SHORTAGES.insert(), rows)


def _without_number(dead_letter: DeadLetter) -> Dict[str, Any]:
    """Return the columns of a new row; the database numbers it."""
    return {name: value for name, value in dead_letter._asdict().items() if name != "id"}


def _trim(connection: Connection, subscription: str) -> None:
    table = DEAD_LETTERS
    kept = select(table.c.id).where(table.c.subscription == subscription).order_by(table.c.id.desc())
    oldest = connection.execute(kept.offset(_KEPT).limit(1)).scalar()
    if oldest is not None:
        connection.execute(table.delete().where(table.c.subscription == subscription, table.c.id <= oldest))


def _upsert(connection: Connection, table: sqlalchemy.Table, rows: Sequence[Dict[str, Any]]) -> None:
    """Insert or update by the primary key. ON CONFLICT is the only statement that differs between the dialects.

    The module of the dialect in use is already loaded; importing both would cost megabytes.
    """
    dialect = importlib.import_module(f"sqlalchemy.dialects.{connection.dialect.name}")
    insert = dialect.insert(table)
    keys = [column.name for column in table.primary_key.columns]
    rest = {column.name: insert.excluded[column.name] for column in table.columns if column.name not in keys}
    # Passed apart from the statement, so that SQLAlchemy need not compile it for each heartbeat.
    connection.execute(insert.on_conflict_do_update(index_elements=keys, set_=rest), rows)
