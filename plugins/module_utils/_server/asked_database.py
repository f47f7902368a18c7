# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: one database that the configuration of a server of Kea names, asked with the access that Kea has.

Only PostgreSQL is asked. Kea finds its tables by the search path of its role, so the same is done here.
"""

from __future__ import annotations

from typing import Any, Callable, List, Mapping, Optional, Sequence, Tuple, TypeVar

from .._config.syntax import INCLUDE_KEY, Include
from .._errors import KeaError
from .._postgres import session
from .._postgres.kea_login import connect_as_kea, login_of
from .._postgres.parts import Part
from .kea_account import Access

Answer = TypeVar("Answer")

STATEMENT_TIMEOUT = 30_000
"""Milliseconds. 100,000 reservations are counted in less than one second."""

UNNAMED: Mapping[str, Any] = {"type": "", "name": "", "host": "", "port": 0}
"""Identity of a database whose entry is not known."""

_KEYS = ("type", "name", "host", "port", "user", "password", "trust-anchor", "cert-file", "key-file", "ssl-mode")
"""What a connection needs of an entry."""


class AskedDatabase:
    """One of them."""

    def __init__(self, entry: Any, found: Access, unnamed: str) -> None:
        """``entry`` is that of the configuration, or what stands in its place; ``unnamed`` names one without a name."""
        self._login: Mapping[str, Any] = {}
        self._access = found
        self.name = unnamed
        """Words for a message."""
        self.identity = UNNAMED
        """The ``type``, ``name``, ``host`` and ``port`` of its entry; 0 for a port that it does not name."""
        self.reason = ""
        """Why it does not answer, without passwords; empty if it does."""
        if not _is_whole(entry):
            self.reason = "named in an included file that Kea's account or this module does not read"
            return
        host, port = entry.get("host") or "localhost", entry.get("port") or 0
        self.identity = {"type": entry.get("type"), "name": entry.get("name"), "host": host, "port": port}
        self.name = f"{entry.get('type')} {entry.get('name')} at {host}"
        if entry.get("type") != "postgresql":
            self.reason = "only PostgreSQL is asked"
        elif session.PSYCOPG2_IMPORT_ERROR:
            self.reason = "the Python library psycopg2 is missing"
        else:
            self._login = login_of(entry)

    def answer(self, ask: Callable[[], Answer]) -> Optional[Answer]:
        """Return what ``ask`` returns, which calls ``fetch``; None without an answer. Then it is not asked again."""
        if not self.reason:
            try:
                return ask()
            except KeaError as error:
                self.reason = self._words(error.message)
            except ValueError as error:  # an address that is none
                self.reason = str(error)
        return None

    def fetch(self, query: str, arguments: Sequence[Any] = (), **parts: Part) -> List[Tuple[Any, ...]]:
        """Return all rows of a query, or of a template with ``parts``. Raises PostgresError."""
        with connect_as_kea(self._login, *self._access, readonly=True) as kea:
            kea.run(f"SET statement_timeout = {STATEMENT_TIMEOUT:d}")
            kea.run("RESET search_path")
            return kea.fetch(query, arguments, **parts)

    def _words(self, message: str) -> str:
        """Return why the database does not answer. No driver prints the password; this makes sure of it."""
        words, password = " ".join(message.split()).rstrip("."), self._login["login_password"]
        return "Kea's account cannot connect to it" if password and password in words else words


def _is_whole(entry: Any) -> bool:
    """Return whether no part of an entry that a connection needs comes from a file that was not read."""
    if not isinstance(entry, dict) or INCLUDE_KEY in entry:
        return False
    return not any(isinstance(entry.get(key), Include) for key in _KEYS)
