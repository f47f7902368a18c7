# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: what Kea's schema needs from a kind of database: its queries and its programs."""

from __future__ import annotations

from typing import NamedTuple, Protocol, Tuple

from .._config.versions import Capabilities

CONNECT_TIMEOUT = 10
"""Seconds that a program may take to connect."""


class Connection(NamedTuple):
    """Where Kea's database is, and as whom to log in."""

    host: str
    port: int
    user: str
    password: str
    database: str
    tls: Tuple[Tuple[str, str], ...] = ()
    """What the database's own programs need besides: libpq variables, or options of mysql (without values)."""


class Answer(NamedTuple):
    """How a program ended and what it wrote."""

    code: int
    output: str
    errors: str


class Dialect(NamedTuple):
    """The queries on one kind of database; each returns one row, its columns separated by a bar."""

    probe: str
    """Whether there is Kea's table schema_version, and the names of all relations in the database."""
    moments: str
    """Two moments, one in winter and one in summer, in epoch seconds."""
    other_sessions: str
    """The addresses of the other sessions of the same role."""
    client: str
    """The program that runs them."""
    refused: str
    """Phrase of an error that means wrong credentials."""
    set_zone: str
    """Example of how to set the time zone, for a message."""


class Backend(Protocol):
    """One database of one kind. Passwords never appear in a command line of its programs."""

    connection: Connection
    dialect: Dialect

    def wanted(self, kea: Capabilities) -> str:
        """Return the schema version that this Kea requires. Raises KeaError if that is unknown."""

    def query(self, text: str) -> Answer:
        """Run one query with the database's own client program."""

    def dump(self, path: str) -> Answer:
        """Write the whole database to a file, readable for no other user."""

    def admin(self, command: str) -> Answer:
        """Run a command of kea-admin, such as ``db-version``."""
