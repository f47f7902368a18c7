# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: what PostgreSQL's catalogue says of Kea's table hosts, its constraints and its indexes.

Kea has unique indexes of its own on these columns since schema 3.2, but partial ones (kea-facts 1.3): an UPSERT that
does not repeat their predicate cannot use them. They are named in the result and otherwise left alone, because Kea's
upgrade scripts drop and create them by name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Dict, List, NamedTuple, Optional, Sequence

from .._postgres import session

if TYPE_CHECKING:
    from psycopg2 import extensions

TABLE = "hosts"
COLUMNS = ["dhcp_identifier", "dhcp_identifier_type", "dhcp4_subnet_id"]
# The comment on a constraint that this collection made, and may therefore remove.
MARKER = "Managed by Ansible: baremetal.kea.kea_hosts_constraint"
# The same for an index that is not attached yet. A comment would come too late: the server ends a build whose client is
# gone, and nobody is left to comment. PostgreSQL's own default, spelt out, is there from the beginning and changes
# nothing.
MARKING_OPTION = "fillfactor=90"
# The index that will replace a wrong constraint bears its name and this; PostgreSQL cuts names at 63 bytes.
SUFFIX = "_new"

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
# Through to_jsonb, because PostgreSQL has indnullsnotdistinct only since version 15.
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
# An index shares its schema's names with tables, views, sequences and the indexes of other tables.
_ELSEWHERE = """
SELECT c.relname, pg_describe_object('pg_class'::regclass, c.oid, 0)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %s AND c.relname = ANY (%s) AND NOT EXISTS (
    SELECT FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid
    WHERE i.indexrelid = c.oid AND t.relname = %s AND t.relnamespace = n.oid)
"""


class Constraint(NamedTuple):
    """A constraint on hosts; ``kind`` is pg_constraint.contype, ``managed`` whether this collection made it."""

    name: str
    kind: str
    definition: str
    managed: bool


class Index(NamedTuple):
    """An index on hosts and the constraint that it backs, if any.

    ``guards``: unique over all rows, checked at once, NULLs distinct, nothing but columns as keys. ``plain``: its keys
    are in plain order and it holds nothing else. ``marked``: this collection made it. ``columns`` are its keys.
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
        """Whether the constraint can be made of it."""
        return self.guards and self.plain and self.columns == COLUMNS and not self.constraint

    @property
    def ours(self) -> bool:
        """Whether, under one of our names, it may be dropped. Version 1.0.0 did not mark its indexes; one that is
        invalid guards nothing and is of no use to anybody else."""
        return self.exact and (self.marked or not self.valid)


class State(NamedTuple):
    """What the catalogue says of hosts, by name; ``oddity`` says what it is if not a plain table."""

    owner: str
    oddity: str
    constraints: Dict[str, Constraint]
    indexes: Dict[str, Index]

    def equivalents(self, name: str) -> List[str]:
        """Other constraints and indexes that guarantee the same as the constraint of this name should."""
        return [
            index.constraint or index.name
            for index in self.indexes.values()
            if index.valid and index.guards and sorted(index.columns) == sorted(COLUMNS)
            if index.name != name and index not in self.removable(name)
        ]

    def leftovers(self, name: str) -> List[Index]:
        """Indexes that an interrupted run built and could not attach, or that somebody else made just so."""
        found = [self.indexes[one] for one in (name, name + SUFFIX) if one in self.indexes]
        return [index for index in found if index.exact]

    def removable(self, name: str) -> List[Index]:
        """Those of them that this collection made."""
        return [index for index in self.leftovers(name) if index.ours]

    def partial_indexes(self) -> List[str]:
        """Kea's own unique indexes, which hold for a part of the rows only."""
        return [index.name for index in self.indexes.values() if index.partial]


def read_state(cursor: extensions.cursor, schema: str) -> Optional[State]:
    """Reads only the catalogue. None when there is no table hosts. Raises PostgresError."""
    table = session.fetch(cursor, _TABLE, (schema, TABLE))
    if not table:
        return None
    oid, owner, oddity = table[0]
    constraints = [Constraint(*row) for row in session.fetch(cursor, _CONSTRAINTS, (MARKER, oid))]
    indexes = [Index(*row) for row in session.fetch(cursor, _INDEXES, (MARKING_OPTION, oid))]
    return State(owner, oddity, {one.name: one for one in constraints}, {one.name: one for one in indexes})


def elsewhere(cursor: extensions.cursor, schema: str, names: Sequence[str]) -> Dict[str, str]:
    """Which of these names a relation bears that is no index of hosts, and what it is. Raises PostgresError."""
    return dict(session.fetch(cursor, _ELSEWHERE, (schema, list(names), TABLE)))
