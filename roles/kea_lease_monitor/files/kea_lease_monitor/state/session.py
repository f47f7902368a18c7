# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The session with the state: every call is one transaction, and in PostgreSQL the session holds the elections' locks.

A session advisory lock lives exactly as long as the server's end of the session. A bookmark that this session stores is
therefore stored by the elected monitor: the lock and the session are lost at the same moment.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import Iterator, Optional, Set

from sqlalchemy import text
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

from kea_lease_monitor import telemetry
from kea_lease_monitor.database import lock_key
from kea_lease_monitor.errors import TemporaryError
from kea_lease_monitor.state import schema
from kea_lease_monitor.state.engine import open_engine, translated
from kea_lease_monitor.state.location import StateLocation


class StateSession:
    """Connection to the state and the election locks that it holds. Raises SchemaError on opening another schema."""

    def __init__(self, location: StateLocation) -> None:
        if not location.shared and not os.path.isdir(os.path.dirname(location.path)):
            raise TemporaryError(f"the state's directory {os.path.dirname(location.path)} does not exist")
        self.location = location
        self._engine = open_engine(location)
        self._connection: Optional[Connection] = None
        self._term = 0
        self._held: Set[str] = set()
        with self.transaction() as connection:
            schema.require(schema.current(connection))

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Yield a connection in a transaction. Raises TemporaryError."""
        with translated(self.location):
            if self._connection is None:
                self._connection = self._engine.connect()
                self._term += 1
                if self._term > 1:
                    telemetry.reconnected()
            try:
                with self._connection.begin():
                    yield self._connection
            except DBAPIError:
                # A new session is in a known state, and a monitor that cannot store should not stay elected.
                self.close()
                raise

    def claim(self, subscription: str) -> Optional[int]:
        """Return the term in which this monitor acts for the subscription; None while another one does.

        A new term means that another monitor may have acted in between. Each call asks the server, so a lost session is
        noticed. A file has one monitor and one term. Raises TemporaryError.
        """
        if not self.location.shared:
            return 1
        with self.transaction() as connection:
            if subscription in self._held:
                connection.execute(text("SELECT 1"))
            else:
                statement = text("SELECT pg_try_advisory_lock(:key)")
                key = lock_key(f"{self.location.schema}/{subscription}")
                if connection.execute(statement, {"key": key}).scalar():
                    self._held.add(subscription)
            return self._term if subscription in self._held else None

    def require_claim(self, subscription: str, term: int) -> None:
        """Raises TemporaryError when the term is over. Within a transaction, it lasts until that ends."""
        if self.location.shared and (subscription not in self._held or term != self._term):
            raise TemporaryError(f"the state {self.location}: another monitor may have taken over")

    def close(self) -> None:
        """Release the locks and the connection. The next transaction begins a new session and a new term."""
        self._held.clear()
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.invalidate()
            connection.close()
        self._engine.dispose()
