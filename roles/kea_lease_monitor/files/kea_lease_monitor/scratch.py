# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables of this process in an unnamed SQLite file: what is known of a million leases must not take any memory."""

from __future__ import annotations

import sqlite3
from typing import Any, Iterable, List, Optional, Tuple

from kea_lease_monitor.errors import TemporaryError

_CACHE = 4096
"""KiB of pages in memory. The kernel's page cache holds the rest."""

_SETTINGS = f"""
PRAGMA cache_size = -{_CACHE};
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA temp_store = FILE;
"""


class Scratch:
    """Tables that are gone with this process, or with ``close``. All methods raise TemporaryError."""

    def __init__(self, name: str, tables: str) -> None:
        """``name`` is for messages; ``tables`` are the statements that create them. The first use creates the file."""
        self._name, self._tables = name, tables
        self._database: Optional[sqlite3.Connection] = None
        self.emptied = 0
        """How often the tables were emptied, by ``close`` or after an error."""

    def rows(self, statement: str, *parameters: object) -> List[Any]:
        """Execute a statement, and return its rows."""
        try:
            return self._opened().execute(statement, parameters).fetchall()
        except sqlite3.Error as error:
            raise self._failure(error) from error

    def each(self, statement: str, *parameters: object) -> Iterable[Any]:
        """Yield the rows of a statement one after another."""
        try:
            yield from self._opened().execute(statement, parameters)
        except sqlite3.Error as error:
            raise self._failure(error) from error

    def many(self, statement: str, rows: Iterable[Tuple[object, ...]]) -> None:
        """Execute a statement for each of the rows."""
        try:
            database = self._opened()
            database.execute("BEGIN")
            database.executemany(statement, rows)
            database.execute("COMMIT")
        except sqlite3.Error as error:
            raise self._failure(error) from error

    def close(self) -> None:
        """Close and thereby remove the file."""
        if self._database is not None:
            self._database.close()
            self.emptied += 1
        self._database = None

    def _opened(self) -> sqlite3.Connection:
        if self._database is None:
            self._database = sqlite3.connect("", isolation_level=None)
            self._database.executescript(_SETTINGS + self._tables)
        return self._database

    def _failure(self, error: sqlite3.Error) -> TemporaryError:
        """Discard the file: without a journal its content is not reliable after an error."""
        self.close()
        return TemporaryError(f"{self._name}, a file below /var/tmp, fails: {error}")
