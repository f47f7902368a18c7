# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: what is asked of the server before it is changed: whether it takes changes, whether the role may make them,
and whether another run is at it.

PostgreSQL itself would name the first right that is missing when a statement needs it, which in check mode is never.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, List, Sequence

from . import session
from .errors import PostgresError

if TYPE_CHECKING:
    from psycopg2 import extensions

INSUFFICIENT_PRIVILEGE = "42501"
READ_ONLY = "25006"
UNDEFINED_OBJECT = "42704"
# 'kea_turn' in ASCII: the advisory lock of the run that may change this database.
TURN = 0x6B65615F7475726E
# Seconds to wait for another run to end; it may be building an index.
TURN_PATIENCE = 60.0
TURN_PAUSE = 0.1

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


def await_turn(cursor: extensions.cursor) -> None:
    """Until no other run changes this database; held until the session ends. Raises PostgresError.

    By asking again and again: whoever waits in one statement has a snapshot, for which CREATE INDEX CONCURRENTLY of the
    other run would wait in its turn.
    """
    deadline = time.monotonic() + TURN_PATIENCE
    while not session.fetch(cursor, "SELECT pg_try_advisory_lock(%s)", (TURN,))[0][0]:
        if time.monotonic() > deadline:
            holders = [
                f"process {pid}, role {role}, since {since}"
                for pid, role, since in session.fetch(cursor, _HOLDER, (TURN,))
            ]
            raise PostgresError(
                f"Another run changes this database ({'; '.join(holders)}), so nothing was changed. Run the task again "
                "when that one has ended"
            )
        time.sleep(TURN_PAUSE)


def refuse_standby(cursor: extensions.cursor) -> None:
    """Raises PostgresError when the server only follows another one."""
    if session.fetch(cursor, "SELECT pg_is_in_recovery()")[0][0]:
        raise PostgresError("The server is a standby, so nothing was changed", READ_ONLY)


def refuse_unknown_roles(cursor: extensions.cursor, roles: Sequence[str]) -> None:
    """Raises PostgresError when one of them does not exist."""
    query = "SELECT name FROM unnest(%s::text[]) AS r (name) WHERE name NOT IN (SELECT rolname FROM pg_roles)"
    unknown = [name for (name,) in session.fetch(cursor, query, (list(roles),))]
    if unknown:
        raise PostgresError(f"There is no role {', '.join(unknown)}, so nothing was changed", UNDEFINED_OBJECT)


class Rights:
    """Asks for one right after the other, and collects those that the session's role lacks."""

    def __init__(self, cursor: extensions.cursor) -> None:
        self._cursor = cursor
        self._role: str = session.fetch(cursor, "SELECT current_user")[0][0]
        self._lacking: List[str] = []

    def on_database(self, right: str) -> None:
        [(database, held)] = session.fetch(
            self._cursor, "SELECT current_database(), has_database_privilege(current_database(), %s)", (right,)
        )
        if not held:
            grant = self._sql(f"GRANT {right} ON DATABASE {{database}} TO {{role}}", database=database, role=self._role)
            self._lack(f"{right} on the database {database}", grant)

    def on_schema(self, right: str, schema: str, role: str = "") -> None:
        """``role``: of another one that the change will hand something to."""
        role = role or self._role
        if session.fetch(self._cursor, _SCHEMA_RIGHT, (role, right, schema)) == [(False,)]:
            whose = f" for the role {role}" if role != self._role else ""
            grant = self._sql(f"GRANT {right} ON SCHEMA {{schema}} TO {{role}}", schema=schema, role=role)
            self._lack(f"{right} on the schema {schema}{whose}", grant)

    def on_table(self, right: str, schema: str, table: str) -> None:
        if session.fetch(self._cursor, _TABLE_RIGHT, (right, schema, table)) == [(False,)]:
            grant = self._sql(f"GRANT {right} ON {{table}} TO {{role}}", table=(schema, table), role=self._role)
            self._lack(f"{right} on the table {schema}.{table}", grant)

    def of_owner(self, owner: str, thing: str) -> None:
        """Those that only the owner has, or a member of it; ``thing`` as the message calls it."""
        self._member(owner, ["USAGE"], f"ownership of the {thing}, which is {owner}'s")

    def to_become(self, owner: str) -> None:
        """What it takes to hand something to that role, and to go on with it. Before version 16 every member may do SET
        ROLE."""
        how = "SET" if self._has_grant_options() else "MEMBER"
        self._member(owner, [how, "USAGE"], f"membership in the role {owner}, which is to own what is made")

    def refuse_missing(self) -> None:
        """Raises PostgresError with all that is lacking, and what gives it."""
        if self._lacking:
            raise PostgresError(
                f"The role {self._role} lacks rights, so nothing was changed: {'; '.join(self._lacking)}",
                INSUFFICIENT_PRIVILEGE,
            )

    def _member(self, owner: str, hows: Sequence[str], what: str) -> None:
        query = "SELECT bool_and(pg_has_role(%s, how)) FROM unnest(%s::text[]) AS h (how)"
        if session.fetch(self._cursor, query, (owner, list(hows)))[0][0]:
            return
        if self._has_grant_options():
            mend = "GRANT {owner} TO {role} WITH INHERIT TRUE, SET TRUE"
        elif session.fetch(self._cursor, "SELECT rolinherit FROM pg_roles WHERE rolname = current_user")[0][0]:
            mend = "GRANT {owner} TO {role}"
        else:
            mend = "GRANT {owner} TO {role}; ALTER ROLE {role} INHERIT"
        self._lack(what, self._sql(mend, owner=owner, role=self._role))

    def _has_grant_options(self) -> bool:
        """Whether inheriting and SET ROLE are of a membership, and not of a role."""
        return bool(self._cursor.connection.server_version >= 160000)

    def _lack(self, what: str, mend: str) -> None:
        text = f"{what} ({mend})"
        if text not in self._lacking:
            self._lacking.append(text)

    def _sql(self, template: str, **parts: session.Part) -> str:
        text: str = session.compose(self._cursor, template, **parts)
        return text
