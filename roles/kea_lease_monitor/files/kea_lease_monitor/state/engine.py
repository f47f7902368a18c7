# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SQLAlchemy's engines for both kinds of database. Its errors are translated here."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Any, Iterator

import sqlalchemy
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from kea_lease_monitor import database
from kea_lease_monitor.database_settings import DatabaseSettings
from kea_lease_monitor.errors import DamagedError, TemporaryError
from kea_lease_monitor.state.location import StateLocation

_DAMAGE = ("file is not a database", "database disk image is malformed", "malformed database schema")
"""Beginnings of SQLite's messages for SQLITE_NOTADB and SQLITE_CORRUPT. Python 3.9 does not give their numbers."""


def open_engine(location: StateLocation, busy: float = 1.0) -> Engine:
    """Create an engine with at most one connection. In PostgreSQL that connection holds the locks of an election.

    ``busy`` is for how many seconds a file is waited for that another program writes.
    """
    return _postgres(location.database, location.schema) if location.database else _sqlite(location.path, busy)


def _sqlite(path: str, busy: float) -> Engine:
    """Use write-ahead logging, synced only at checkpoints: a lost bookmark repeats effects that are idempotent."""
    engine = sqlalchemy.create_engine(sqlalchemy.engine.URL.create("sqlite", database=path), future=True)

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # otherwise the driver commits and begins within a migration
        for pragma in (f"busy_timeout={busy * 1000:.0f}", "journal_mode=WAL", "synchronous=NORMAL"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        """Lock at the start: a transaction that reads before it writes would fail at once instead of waiting."""
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _postgres(settings: DatabaseSettings, schema: str) -> Engine:
    def connected() -> Any:
        """Set the path before SQLAlchemy asks for the default schema."""
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
def translated(location: StateLocation) -> Iterator[None]:
    """Raise DamagedError for a damaged file, TemporaryError for any other error of the library."""
    try:
        yield
    except SQLAlchemyError as error:
        text = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        if not location.shared and text.startswith(_DAMAGE):
            remedy = "start the monitor again, which renames a damaged file and reads all leases"
            raise DamagedError(f"the state {location}: {text}; {remedy}") from error
        raise TemporaryError(f"the state {location}: {text}") from error
