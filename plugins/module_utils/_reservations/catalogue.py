# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: Kea's table hosts, its constraints and its indexes, as PostgreSQL's catalogue has them.

Since schema 3.2 Kea has unique indexes of its own on these columns, but partial ones (kea-facts 1.3): an UPSERT that
does not repeat their predicate cannot use them. The result names them. They are never changed, because Kea's upgrade
scripts drop and create them by name.
"""

from __future__ import annotations

from typing import Dict, List, NamedTuple, Optional, Sequence

from .._postgres.session import Session

TABLE = "hosts"
COLUMNS = ["dhcp_identifier", "dhcp_identifier_type", "dhcp4_subnet_id"]
MARKER = "Managed by Ansible: baremetal.kea.kea_hosts_constraint"
"""Comment on a constraint that this collection created and may therefore remove."""
MARKING_OPTION = "fillfactor=90"
"""Mark of an index that this collection created and that is not attached yet: PostgreSQL's default, written out. A
comment would come too late, because the index remains when the client disappears during the build."""
SUFFIX = "_new"
"""End of the name of the index that will replace a wrong constraint; the rest is the constraint's name."""

_TABLE = """
SELECT c.oid, pg_get_userbyid(c.relowner), CASE c.relkind
    WHEN 'p' THEN 'a partitioned table' WHEN 'f' THEN 'a foreign table' WHEN 'v' THEN 'a view'
    WHEN 'm' THEN 'a materialized view' WHEN 'r' THEN CASE
        WHEN EXISTS (SELECT FROM pg_inherits h WHERE h.inhparent = c.oid) THEN 'a table that others inherit from'
        ELSE '' END
    ELSE 'no table' END
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = %s AND c.relname = %s
"""
_CONSTRAINTS = """
SELECT conname, contype::text, pg_get_constraintdef(oid),
    obj_description(oid, 'pg_constraint') IS NOT DISTINCT FROM %s
FROM pg_constraint WHERE conrelid = %s
"""
# Through to_jsonb, because indnullsnotdistinct exists only since PostgreSQL 15.
_INDEXES = """
SELECT c.relname, con.conname, pg_get_indexdef(i.indexrelid), i.indisvalid AND i.indisready,
    i.indisunique AND i.indpred IS NOT NULL,
    i.indisunique AND i.indimmediate AND i.indpred IS NULL AND i.indexprs IS NULL
        AND NOT coalesce((to_jsonb(i) ->> 'indnullsnotdistinct')::boolean, false),
    i.indnatts = i.indnkeyatts AND 0 = ALL (i.indoption::int2[]),
    coalesce(c.reloptions = ARRAY[%s], false),
    ARRAY(
        SELECT a.attname::text
        FROM unnest(i.indkey) WITH ORDINALITY k (attnum, position)
        JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
        WHERE k.position <= i.indnkeyatts
        ORDER BY k.position)
FROM pg_index i
JOIN pg_class c ON c.oid = i.indexrelid
LEFT JOIN pg_constraint con ON con.conindid = i.indexrelid AND con.conrelid = i.indrelid AND con.contype IN ('p', 'u')
WHERE i.indrelid = %s
ORDER BY c.relname
"""
# Tables, views, sequences and the indexes of other tables share the names of a schema with the indexes of hosts.
_ELSEWHERE = """
SELECT c.relname, pg_describe_object('pg_class'::regclass, c.oid, 0)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %s AND c.relname = ANY (%s) AND NOT EXISTS (
    SELECT FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid
    WHERE i.indexrelid = c.oid AND t.relname = %s AND t.relnamespace = n.oid)
"""


class Constraint(NamedTuple):
    """A constraint on hosts; ``kind`` is pg_constraint.contype, ``managed`` whether this collection created it."""

    name: str
    kind: str
    definition: str
    managed: bool


class Index(NamedTuple):
    """An index on hosts and the constraint that it backs, if any.

    ``guards``: unique over all rows, checked at once, NULLs distinct, only columns as keys. ``plain``: its keys are in
    plain order and it holds no other columns. ``marked``: this collection created it. ``columns`` are its keys.
    """

    name: str
    constraint: Optional[str]
    definition: str
    valid: bool
    partial: bool
    guards: bool
    plain: bool
    marked: bool
    columns: List[str]

    @property
    def exact(self) -> bool:
        """Return whether it can become the constraint."""
        return self.guards and self.plain and self.columns == COLUMNS and not self.constraint

    @property
    def ours(self) -> bool:
        """Return whether it may be dropped if it has one of this collection's names.

        Version 1.0.0 did not mark its indexes, so an invalid one counts as well: it guards nothing.
        """
        return self.exact and (self.marked or not self.valid)


class State(NamedTuple):
    """The table hosts, with constraints and indexes by name; ``oddity`` says what it is if it is no plain table."""

    owner: str
    oddity: str
    constraints: Dict[str, Constraint]
    indexes: Dict[str, Index]

    def equivalents(self, name: str) -> List[str]:
        """Return other constraints and indexes that guarantee the same as the constraint of this name."""
        return [
            index.constraint or index.name
            for index in self.indexes.values()
            if index.valid and index.guards and sorted(index.columns) == sorted(COLUMNS)
            if index.name != name and index not in self.removable(name)
        ]

    def leftovers(self, name: str) -> List[Index]:
        """Return equal indexes that are not attached: of an interrupted run, or created by a person."""
        found = [self.indexes[one] for one in (name, name + SUFFIX) if one in self.indexes]
        return [index for index in found if index.exact]

    def removable(self, name: str) -> List[Index]:
        """Return the leftovers that this collection created."""
        return [index for index in self.leftovers(name) if index.ours]

    def partial_indexes(self) -> List[str]:
        """Return Kea's own unique indexes, which cover only a part of the rows."""
        return [index.name for index in self.indexes.values() if index.partial]


def read_state(session: Session, schema: str) -> Optional[State]:
    """Read the state from the catalogue; None if there is no table hosts. Raises PostgresError."""
    table = session.fetch(_TABLE, (schema, TABLE))
    if not table:
        return None
    oid, owner, oddity = table[0]
    constraints = [Constraint(*row) for row in session.fetch(_CONSTRAINTS, (MARKER, oid))]
    indexes = [Index(*row) for row in session.fetch(_INDEXES, (MARKING_OPTION, oid))]
    return State(owner, oddity, {one.name: one for one in constraints}, {one.name: one for one in indexes})


def elsewhere(session: Session, schema: str, names: Sequence[str]) -> Dict[str, str]:
    """Return which of these names a relation has that is no index of hosts, and what it is. Raises PostgresError."""
    return dict(session.fetch(_ELSEWHERE, (schema, list(names), TABLE)))
