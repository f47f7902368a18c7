# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SQLAlchemy's engines for both kinds of database, and the fence where its errors end."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Any, Iterator

import sqlalchemy
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from kea_lease_monitor import database
from kea_lease_monitor.errors import TemporaryError
from kea_lease_monitor.state.location import Place


def open_engine(place: Place) -> Engine:
    """One connection at most: in PostgreSQL it holds the locks of an election, in SQLite nothing is gained by two."""
    return _postgres(place.database, place.schema) if place.database else _sqlite(place.path)


def _sqlite(path: str) -> Engine:
    """Write-ahead logging, synced at checkpoints only: losing the last bookmark repeats effects that are idempotent."""
    engine = sqlalchemy.create_engine(sqlalchemy.engine.URL.create("sqlite", database=path), future=True)

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # else the driver commits and begins as it likes, amid a migration too
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "busy_timeout=1000"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        """Whoever reads first and writes then would be refused at once, without waiting for its turn."""
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _postgres(settings: database.Settings, schema: str) -> Engine:
    def connected() -> Any:
        """With the path set before SQLAlchemy asks which schema is the default."""
        connection = database.connect(settings)
        with connection.cursor() as cursor:
            cursor.execute(f'SET search_path = "{schema}"')
        connection.commit()
        return connection

    return sqlalchemy.create_engine(
        "postgresql+psycopg2://",
        creator=connected,
        future=True,
        pool_size=1,
        max_overflow=0,
        use_native_hstore=False,
    )


@contextmanager
def translated(place: Place) -> Iterator[None]:
    """The library's errors become TemporaryError."""
    try:
        yield
    except SQLAlchemyError as error:
        text = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        raise TemporaryError(f"the state {place}: {text}") from error
