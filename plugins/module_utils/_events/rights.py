# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: the rights that it takes to lead from one state of the lease events (see _notify_catalogue) to another, and
those on lease tables that are not ours to take."""

from __future__ import annotations

from typing import TYPE_CHECKING, List, Sequence, Set

from . import catalogue
from . import changes
from . import sql
from .._postgres.errors import PostgresError
from .._postgres import preflight

if TYPE_CHECKING:
    from psycopg2 import extensions

    from .catalogue import State

DEPENDENTS_EXIST = "2BP01"


class Needs:
    """What the change needs, from the same two states as its statements (_notify_changes)."""

    def __init__(self, cursor: extensions.cursor, schema: str, event_schema: str, before: State, after: State) -> None:
        self.cursor = cursor
        self.rights = preflight.Rights(cursor)
        self.schema = schema
        self.event_schema = event_schema
        self.before = before
        self.after = after

    def refuse_missing(self, statements: Sequence[str]) -> None:
        """Raises PostgresError."""
        self.rights.on_schema("USAGE", self.schema)
        for key in changes.TARGETS:
            if self.before[key] != self.after[key]:
                self._object(key)
        for family in sql.FAMILIES:
            self._leases(family)
        if any(statement.startswith("CREATE TEMPORARY TABLE") for statement in statements):
            self.rights.on_database("TEMPORARY")
        self.rights.refuse_missing()

    def _object(self, key: str) -> None:
        before, after = self.before[key], self.after[key]
        function = key in changes.FUNCTIONS
        if before:
            self.rights.of_owner(before["owner"], key.replace("_", " "))
        elif key == "event_schema":
            self.rights.on_database("CREATE")
        elif not function and self.before["event_schema"] == self.after["event_schema"]:
            self.rights.on_schema("CREATE", self.event_schema)
        if not after:
            return
        if function and not (before and changes.same_definition(before, after)):
            self.rights.on_schema("CREATE", self.schema)
        if not before or before["owner"] != after["owner"]:
            self.rights.to_become(after["owner"])
            if function:
                self.rights.on_schema("CREATE", self.schema, after["owner"])

    def _leases(self, family: sql.Family) -> None:
        leases = self.before[family.leases_key]
        if not leases:
            return
        table = f"table {self.schema}.{family.table}"
        after = self.after[family.leases_key]
        if leases != after:
            self.rights.of_owner(leases["owner"], table)
            self._refuse_granted_onwards(family, set(leases["readers"]) - set(after["readers"]))
        for reader in set(after["readers"]) - set(leases["readers"]):
            # Whoever may look into Kea's schema is its owner's to say.
            self.rights.on_schema("USAGE", self.schema, reader)
        for key in family.triggers:
            if self.before[key] == self.after[key]:
                continue
            if self.before[key]:
                self.rights.of_owner(leases["owner"], table)
            else:
                self.rights.on_table("TRIGGER", self.schema, family.table)

    def _refuse_granted_onwards(self, family: sql.Family, losing: Set[str]) -> None:
        """PostgreSQL takes a right from nobody who granted it to others, unless it takes it from those, too."""
        for grantor, grantee in catalogue.granted_onwards(self.cursor, self.schema, family.table):
            if grantor in losing:
                raise PostgresError(
                    f"{grantor}, which is to lose SELECT on {self.schema}.{family.table}, granted it to {grantee}, so "
                    "nothing was changed",
                    DEPENDENTS_EXIST,
                )


def staying(cursor: extensions.cursor, schema: str, readers: Sequence[str]) -> List[str]:
    """A sentence for each of the roles that may read leases because not the owner of the table granted it that. Raises
    PostgresError."""
    return [
        f"{grantee} may still read {schema}.{family.table}: {grantor} granted it that, and not the owner of the table. "
        "It is to be revoked as that role (SET ROLE)."
        for family in sql.FAMILIES
        for grantor, grantee in catalogue.granted_onwards(cursor, schema, family.table)
        if grantee in readers
    ]
