# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: checks before the first change: the server accepts changes, the role has the rights, no other run is active.

PostgreSQL itself names only the first missing right, when a statement needs it; in check mode no statement does.
"""

from __future__ import annotations

import time
from typing import List, Sequence

from .errors import PostgresError
from .parts import Part
from .session import Session

INSUFFICIENT_PRIVILEGE = "42501"
READ_ONLY = "25006"
UNDEFINED_OBJECT = "42704"
TURN = 0x6B65615F7475726E
"""Number of the advisory lock of the run that may change a database: 'kea_turn' in ASCII."""
TURN_PATIENCE = 60.0
"""Seconds to wait for another run to end; it may be building an index."""
TURN_PAUSE = 0.1
"""Seconds between two attempts."""

_SCHEMA_RIGHT = "SELECT has_schema_privilege(%s, oid, %s) FROM pg_namespace WHERE nspname = %s"
_TABLE_RIGHT = """
SELECT has_table_privilege(c.oid, %s) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %s AND c.relname = %s
"""
_HOLDER = """
SELECT a.pid, a.usename, a.backend_start FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'advisory' AND l.granted AND l.database = a.datid AND l.objsubid = 1
    AND (l.classid::bigint << 32) | l.objid::bigint = %s
"""


def await_turn(session: Session) -> None:
    """Wait until no other run changes this database, and keep others waiting until the session ends.

    Raises PostgresError after TURN_PATIENCE seconds. The lock is polled: a session that waits in one statement has a
    snapshot, and CREATE INDEX CONCURRENTLY of the other run would wait for that.
    """
    deadline = time.monotonic() + TURN_PATIENCE
    while not session.fetch("SELECT pg_try_advisory_lock(%s)", (TURN,))[0][0]:
        if time.monotonic() > deadline:
            holders = [
                f"process {pid}, role {role}, since {since}" for pid, role, since in session.fetch(_HOLDER, (TURN,))
            ]
            raise PostgresError(
                f"Another run changes this database ({'; '.join(holders)}), so nothing was changed. Run the task again "
                "after that run has ended"
            )
        time.sleep(TURN_PAUSE)


def refuse_standby(session: Session) -> None:
    """Raise PostgresError if the server is a standby."""
    if session.fetch("SELECT pg_is_in_recovery()")[0][0]:
        raise PostgresError("The server is a standby, so nothing was changed", READ_ONLY)


def refuse_unknown_roles(session: Session, roles: Sequence[str]) -> None:
    """Raise PostgresError if one of these roles does not exist."""
    query = "SELECT name FROM unnest(%s::text[]) AS r (name) WHERE name NOT IN (SELECT rolname FROM pg_roles)"
    unknown = [name for (name,) in session.fetch(query, (list(roles),))]
    if unknown:
        raise PostgresError(f"There is no role {', '.join(unknown)}, so nothing was changed", UNDEFINED_OBJECT)


class Rights:
    """Checks one right after the other and collects those that the session's role lacks."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._role: str = session.fetch("SELECT current_user")[0][0]
        self._lacking: List[str] = []

    def on_database(self, right: str) -> None:
        """Require a right on the database of the session."""
        [(database, held)] = self._session.fetch(
            "SELECT current_database(), has_database_privilege(current_database(), %s)", (right,)
        )
        if not held:
            grant = self._sql(f"GRANT {right} ON DATABASE {{database}} TO {{role}}", database=database, role=self._role)
            self._lack(f"{right} on the database {database}", grant)

    def on_schema(self, right: str, schema: str, role: str = "") -> None:
        """Require a right on a schema; of ``role``, if the change hands something to that role."""
        role = role or self._role
        if self._session.fetch(_SCHEMA_RIGHT, (role, right, schema)) == [(False,)]:
            whose = f" for the role {role}" if role != self._role else ""
            grant = self._sql(f"GRANT {right} ON SCHEMA {{schema}} TO {{role}}", schema=schema, role=role)
            self._lack(f"{right} on the schema {schema}{whose}", grant)

    def on_table(self, right: str, schema: str, table: str) -> None:
        """Require a right on a table."""
        if self._session.fetch(_TABLE_RIGHT, (right, schema, table)) == [(False,)]:
            grant = self._sql(f"GRANT {right} ON {{table}} TO {{role}}", table=(schema, table), role=self._role)
            self._lack(f"{right} on the table {schema}.{table}", grant)

    def of_owner(self, owner: str, thing: str) -> None:
        """Require the rights that only the owner and its members have; ``thing`` is its name in the message."""
        self._member(owner, ["USAGE"], f"ownership of the {thing}, which is {owner}'s")

    def to_become(self, owner: str) -> None:
        """Require what it takes to hand an object to that role and to use the object afterwards.

        Before PostgreSQL 16, every member may SET ROLE.
        """
        how = "SET" if self._has_grant_options() else "MEMBER"
        self._member(owner, [how, "USAGE"], f"membership in the role {owner}, which is to own what is made")

    def refuse_missing(self) -> None:
        """Raise PostgresError that names every missing right and the statement that grants it."""
        if self._lacking:
            raise PostgresError(
                f"The role {self._role} lacks rights, so nothing was changed: {'; '.join(self._lacking)}",
                INSUFFICIENT_PRIVILEGE,
            )

    def _member(self, owner: str, hows: Sequence[str], what: str) -> None:
        query = "SELECT bool_and(pg_has_role(%s, how)) FROM unnest(%s::text[]) AS h (how)"
        if self._session.fetch(query, (owner, list(hows)))[0][0]:
            return
        if self._has_grant_options():
            grant = "GRANT {owner} TO {role} WITH INHERIT TRUE, SET TRUE"
        elif self._session.fetch("SELECT rolinherit FROM pg_roles WHERE rolname = current_user")[0][0]:
            grant = "GRANT {owner} TO {role}"
        else:
            grant = "GRANT {owner} TO {role}; ALTER ROLE {role} INHERIT"
        self._lack(what, self._sql(grant, owner=owner, role=self._role))

    def _has_grant_options(self) -> bool:
        """Return whether INHERIT and SET belong to a membership (PostgreSQL 16) rather than to a role."""
        return self._session.server_version >= 160000

    def _lack(self, what: str, grant: str) -> None:
        text = f"{what} ({grant})"
        if text not in self._lacking:
            self._lacking.append(text)

    def _sql(self, template: str, **values: Part) -> str:
        return self._session.compose(template, **values)
