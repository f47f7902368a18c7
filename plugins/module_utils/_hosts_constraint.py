# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: the unique constraint on Kea's table hosts: what the catalogue says of it, and how to get it right online.

Kea has unique indexes of its own on these columns since schema 3.2, but partial ones (kea-facts 1.3): an UPSERT that
does not repeat their predicate cannot use them. They are named in the result and otherwise left alone, because Kea's
upgrade scripts drop and create them by name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, List, NamedTuple, Optional

from ansible_collections.baremetal.kea.plugins.module_utils import _postgres, _state_text

if TYPE_CHECKING:
    from psycopg2 import extensions

TABLE = "hosts"
NAME = "hosts_dhcp_identifier_subnet_unique"
COLUMNS = ["dhcp_identifier", "dhcp_identifier_type", "dhcp4_subnet_id"]
DEFINITION = f"UNIQUE ({', '.join(COLUMNS)})"
# The comment on a constraint that this collection made, and may therefore remove.
MARKER = "Managed by Ansible: baremetal.kea.kea_hosts_constraint"
# The index that will replace a wrong constraint bears its name and this; PostgreSQL cuts names at 63 bytes.
SUFFIX = "_new"
LONGEST_NAME = 63 - len(SUFFIX)
SAMPLES = 10

_TABLE = """
SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = %s AND c.relname = %s
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
    i.indisunique AND i.indimmediate AND i.indpred IS NULL AND i.indexprs IS NULL AND i.indnatts = i.indnkeyatts
        AND 0 = ALL (i.indoption::int2[])
        AND NOT coalesce((to_jsonb(i) ->> 'indnullsnotdistinct')::boolean, false),
    ARRAY(
        SELECT a.attname::text
        FROM unnest(i.indkey) WITH ORDINALITY k (attnum, position)
        JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
        ORDER BY k.position)
FROM pg_index i
JOIN pg_class c ON c.oid = i.indexrelid
LEFT JOIN pg_constraint con ON con.conindid = i.indexrelid AND con.conrelid = i.indrelid AND con.contype IN ('p', 'u')
WHERE i.indrelid = %s
ORDER BY c.relname
"""
_DUPLICATES = """
SELECT encode(dhcp_identifier, 'hex'), dhcp_identifier_type, dhcp4_subnet_id, array_agg(host_id ORDER BY host_id),
    count(*) OVER ()
FROM {table} WHERE dhcp4_subnet_id IS NOT NULL
GROUP BY dhcp_identifier, dhcp_identifier_type, dhcp4_subnet_id HAVING count(*) > 1
ORDER BY min(host_id) LIMIT {samples}
"""


class Wanted(NamedTuple):
    """What a task asks for."""

    schema: str
    name: str
    present: bool


class Constraint(NamedTuple):
    """A constraint on hosts; ``kind`` is pg_constraint.contype, ``managed`` whether this collection made it."""

    name: str
    kind: str
    definition: str
    managed: bool


class Index(NamedTuple):
    """An index on hosts and the constraint that it backs, if any.

    ``full``: unique over all rows, checked at once, NULLs distinct, nothing but plain columns in plain order.
    """

    name: str
    constraint: Optional[str]
    definition: str
    valid: bool
    partial: bool
    full: bool
    columns: List[str]


class State(NamedTuple):
    """What the catalogue says of hosts, by name."""

    constraints: Dict[str, Constraint]
    indexes: Dict[str, Index]

    def equivalents(self, name: str) -> List[str]:
        """Other constraints and indexes that guarantee the same as the constraint of this name should."""
        return [
            index.constraint or index.name
            for index in self.indexes.values()
            if index.valid and index.full and sorted(index.columns) == sorted(COLUMNS)
            if index.constraint != name and index not in self.leftovers(name)
        ]

    def leftovers(self, name: str) -> List[Index]:
        """Indexes that an interrupted run built and could not attach."""
        found = [self.indexes[one] for one in (name, name + SUFFIX) if one in self.indexes]
        return [index for index in found if not index.constraint]

    def partial_indexes(self) -> List[str]:
        """Kea's own unique indexes, which hold for a part of the rows only."""
        return [index.name for index in self.indexes.values() if index.partial]


class Plan(NamedTuple):
    """The statements: first those that cannot run in a transaction, then those of one transaction."""

    concurrently: List[str]
    together: List[str]


def read_state(cursor: extensions.cursor, schema: str) -> Optional[State]:
    """Reads only the catalogue. None when there is no table hosts. Raises PostgresError."""
    table = _postgres.fetch(cursor, _TABLE, (schema, TABLE))
    if not table:
        return None
    constraints = [Constraint(*row) for row in _postgres.fetch(cursor, _CONSTRAINTS, (MARKER, table[0][0]))]
    indexes = [Index(*row) for row in _postgres.fetch(cursor, _INDEXES, (table[0][0],))]
    return State({one.name: one for one in constraints}, {one.name: one for one in indexes})


def ensure(cursor: extensions.cursor, wanted: Wanted, locks: _postgres.Locks, check_mode: bool) -> Dict[str, Any]:
    """Bring the constraint to the wanted state; the result of the module. Raises PostgresError."""
    if not 0 < len(wanted.name.encode()) <= LONGEST_NAME:
        raise _postgres.PostgresError(f"The name of the constraint must have 1 to {LONGEST_NAME} bytes")
    state = read_state(cursor, wanted.schema)
    if state is None and wanted.present:
        message = f"There is no table {wanted.schema}.{TABLE} in this database"
        raise _postgres.PostgresError(message, _postgres.UNDEFINED_TABLE)
    state = state or State({}, {})
    plan = _plan_present(cursor, wanted, state) if wanted.present else _plan_absent(cursor, wanted, state)
    if not check_mode:
        for statement in plan.concurrently:
            _postgres.run_concurrently(cursor, statement, locks)
        _postgres.run_together(cursor, plan.together, locks)
    return _result(wanted, state, plan)


def _plan_present(cursor: extensions.cursor, wanted: Wanted, state: State) -> Plan:
    wrong = state.constraints.get(wanted.name)
    if wrong and wrong.definition == DEFINITION:
        return Plan([], [])
    if wrong and wrong.kind != "u":
        raise _taken(wanted.name, wrong.definition)
    if not wrong and state.equivalents(wanted.name):
        return Plan([], [])
    # A wrong constraint goes on guarding what it guards until the moment in which the right one takes over.
    index_name = wanted.name + SUFFIX if wrong else wanted.name
    built = state.indexes.get(index_name)
    if built and built.valid and not (built.full and built.columns == COLUMNS):
        raise _taken(index_name, built.definition)
    _refuse_duplicates(cursor, wanted.schema)

    concurrently, together = [], []
    if built and not built.valid:
        concurrently.append("DROP INDEX CONCURRENTLY {index}")
    if not (built and built.valid):
        concurrently.append("CREATE UNIQUE INDEX CONCURRENTLY {index_name} ON {table} ({columns})")
    if wrong:
        together.append("ALTER TABLE {table} DROP CONSTRAINT {constraint}")
    together.append("ALTER TABLE {table} ADD CONSTRAINT {constraint} UNIQUE USING INDEX {index_name}")
    together.append("COMMENT ON CONSTRAINT {constraint} ON {table} IS {marker}")
    return _composed(cursor, wanted, index_name, Plan(concurrently, together))


def _plan_absent(cursor: extensions.cursor, wanted: Wanted, state: State) -> Plan:
    """Only what bears our mark, and what an interrupted run of ours left behind."""
    constraint = state.constraints.get(wanted.name)
    managed = constraint is not None and constraint.managed
    together = ["ALTER TABLE {table} DROP CONSTRAINT {constraint}"] if managed else []
    unfinished = [one.name for one in state.leftovers(wanted.name) if not one.valid or one.name != wanted.name]
    drops = [
        _postgres.compose(cursor, "DROP INDEX CONCURRENTLY {index}", index=(wanted.schema, name)) for name in unfinished
    ]
    return Plan(drops, _composed(cursor, wanted, wanted.name, Plan([], together)).together)


def _composed(cursor: extensions.cursor, wanted: Wanted, index_name: str, plan: Plan) -> Plan:
    parts: Dict[str, _postgres.Part] = {
        "table": (wanted.schema, TABLE),
        "constraint": wanted.name,
        "index": (wanted.schema, index_name),
        "index_name": index_name,
        "columns": _postgres.Words(", ".join(COLUMNS)),
        "marker": _postgres.Literal(MARKER),
    }
    return Plan(*([_postgres.compose(cursor, text, **parts) for text in texts] for texts in plan))


def _refuse_duplicates(cursor: extensions.cursor, schema: str) -> None:
    query = _postgres.compose(cursor, _DUPLICATES, table=(schema, TABLE), samples=_postgres.Words(str(SAMPLES)))
    rows = _postgres.fetch(cursor, query)
    if not rows:
        return
    samples = [
        {"identifier": identifier, "identifier_type": kind, "subnet_id": subnet, "host_ids": hosts}
        for identifier, kind, subnet, hosts, _count in rows
    ]
    count = rows[0][4]
    raise _postgres.PostgresError(
        f"{schema}.{TABLE} holds {count} identifiers more than once in a subnet, so nothing was changed. "
        f"The first: identifier {rows[0][0]}, type {rows[0][1]}, subnet {rows[0][2]}, host_id {rows[0][3]}. "
        "Delete the reservations that are wrong",
        "23505",
        duplicates=count,
        samples=samples,
    )


def _taken(name: str, definition: str) -> _postgres.PostgresError:
    return _postgres.PostgresError(f"The name {name} is taken by something else: {definition}. Choose another name")


def _result(wanted: Wanted, state: State, plan: Plan) -> Dict[str, Any]:
    found = state.constraints.get(wanted.name)
    queries = plan.concurrently + plan.together
    unfinished = [index.definition for index in state.leftovers(wanted.name)]
    before = after = _view(wanted, found.definition if found else None, unfinished)
    if queries:
        after = _view(wanted, DEFINITION if wanted.present else None, [])
    equivalents = state.equivalents(wanted.name)
    return {
        "changed": bool(queries),
        "queries": queries,
        "diff": _state_text.diff(before, after),
        "definition": after[wanted.name],
        "equivalents": equivalents,
        "partial_indexes": state.partial_indexes(),
        "warnings": _warnings(wanted, found, equivalents),
    }


def _view(wanted: Wanted, definition: Optional[str], unfinished: List[str]) -> Dict[str, Any]:
    return {wanted.name: definition, "unfinished indexes": unfinished}


def _warnings(wanted: Wanted, found: Optional[Constraint], equivalents: List[str]) -> List[str]:
    if wanted.present and equivalents:
        others = ", ".join(equivalents)
        return [f"{others} on {wanted.schema}.{TABLE} already guarantees what {wanted.name} is for."]
    if not wanted.present and found and not found.managed:
        return [f"{wanted.name} was not made by this module and therefore stays."]
    return []
