# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: the rights that a change of the lease events needs, and the rights on lease tables that it cannot revoke."""

from __future__ import annotations

from typing import List, Sequence, Set

from . import catalogue
from . import changes
from .._postgres import preflight
from .._postgres.errors import PostgresError
from .._postgres.session import Session
from .changes import Transition
from .trigger import FAMILIES, Family

DEPENDENTS_EXIST = "2BP01"


class Needs:
    """The rights that a transition needs."""

    def __init__(self, session: Session, transition: Transition) -> None:
        self.session = session
        self.rights = preflight.Rights(session)
        self.schema, self.event_schema, self.before, self.after = transition

    def refuse_missing(self, statements: Sequence[str]) -> None:
        """Raise PostgresError if the role lacks a right that these statements of the transition need."""
        self.rights.on_schema("USAGE", self.schema)
        for key in changes.TARGETS:
            if self.before[key] != self.after[key]:
                self._object(key)
        for family in FAMILIES:
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

    def _leases(self, family: Family) -> None:
        leases = self.before[family.leases_key]
        if not leases:
            return
        table = f"table {self.schema}.{family.table}"
        after = self.after[family.leases_key]
        if leases != after:
            self.rights.of_owner(leases["owner"], table)
            self._refuse_granted_onwards(family, set(leases["readers"]) - set(after["readers"]))
        for reader in set(after["readers"]) - set(leases["readers"]):
            # Not granted here: the owner of Kea's schema decides who may use it.
            self.rights.on_schema("USAGE", self.schema, reader)
        for key in family.triggers:
            if self.before[key] == self.after[key]:
                continue
            if self.before[key]:
                self.rights.of_owner(leases["owner"], table)
            else:
                self.rights.on_table("TRIGGER", self.schema, family.table)

    def _refuse_granted_onwards(self, family: Family, losing: Set[str]) -> None:
        """Refuse to revoke a right from a role that granted it on: PostgreSQL revokes it only from all of them."""
        for grantor, grantee in catalogue.granted_onwards(self.session, self.schema, family.table):
            if grantor in losing:
                raise PostgresError(
                    f"{grantor}, which is to lose SELECT on {self.schema}.{family.table}, granted it to {grantee}, so "
                    "nothing was changed",
                    DEPENDENTS_EXIST,
                )


def staying(session: Session, schema: str, readers: Sequence[str]) -> List[str]:
    """Return a warning for each role that may still read leases because another role than the owner granted it that.

    Raises PostgresError.
    """
    return [
        f"{grantee} may still read {schema}.{family.table}: {grantor} granted it that, and not the owner of the table. "
        "Revoke it as that role (SET ROLE)."
        for family in FAMILIES
        for grantor, grantee in catalogue.granted_onwards(session, schema, family.table)
        if grantee in readers
    ]
