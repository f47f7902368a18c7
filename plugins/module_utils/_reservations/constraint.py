# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: the unique constraint on Kea's table hosts, and how to get it right online."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, List, NamedTuple, Optional

from . import catalogue
from .._postgres import session
from .._postgres import errors
from .._postgres import preflight
from .._host import state_text
from .catalogue import COLUMNS, MARKER, SUFFIX, TABLE

if TYPE_CHECKING:
    from psycopg2 import extensions

    from .catalogue import State

NAME = "hosts_dhcp_identifier_subnet_unique"
DEFINITION = f"UNIQUE ({', '.join(COLUMNS)})"
LONGEST_NAME = 63 - len(SUFFIX)
SAMPLES = 10
UNIQUE_VIOLATION = "23505"

read_state = catalogue.read_state

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


class Plan(NamedTuple):
    """The statements: first those that cannot run in a transaction, then those of one transaction."""

    concurrently: List[str]
    together: List[str]


def ensure(cursor: extensions.cursor, wanted: Wanted, locks: session.Locks, check_mode: bool) -> Dict[str, Any]:
    """Bring the constraint to the wanted state; the result of the module. Raises PostgresError."""
    if not 0 < len(wanted.name.encode()) <= LONGEST_NAME:
        raise errors.PostgresError(f"The name of the constraint must have 1 to {LONGEST_NAME} bytes")
    if not check_mode:
        preflight.await_turn(cursor)
    state: Optional[State] = session.patiently(cursor, locks, lambda: read_state(cursor, wanted.schema))
    if state is None and wanted.present:
        message = f"There is no table {wanted.schema}.{TABLE} in this database"
        raise errors.PostgresError(message, errors.UNDEFINED_TABLE)
    if state and state.oddity and wanted.present:
        raise errors.PostgresError(
            f"{wanted.schema}.{TABLE} is {state.oddity}, on which the constraint cannot guarantee what it is for. "
            "Correct the option schema, or make it a plain table as Kea has it"
        )
    if not state or state.oddity:
        state = catalogue.State("", "", {}, {})
    plan = _plan_present(cursor, wanted, state) if wanted.present else _plan_absent(cursor, wanted, state)
    if plan.concurrently or plan.together:
        preflight.refuse_standby(cursor)
        _refuse_missing_rights(cursor, wanted, state, plan)
    if wanted.present and plan.together:
        session.patiently(cursor, locks, lambda: _refuse_duplicates(cursor, wanted.schema, "nothing was changed"))
    if not check_mode:
        _run_concurrently(cursor, wanted, plan, locks)
        session.run_together(cursor, plan.together, locks)
    return _result(wanted, state, plan)


def _plan_present(cursor: extensions.cursor, wanted: Wanted, state: State) -> Plan:
    wrong = state.constraints.get(wanted.name)
    if (wrong and wrong.definition == DEFINITION) or (not wrong and state.equivalents(wanted.name)):
        # What an interrupted run left behind guards nothing that is not guarded already.
        return Plan([_drop(cursor, wanted, index.name) for index in state.removable(wanted.name)], [])
    if wrong and wrong.kind != "u":
        raise _taken(wanted.name, wrong.definition)
    # A wrong constraint goes on guarding what it guards until the moment in which the right one takes over; when it is
    # gone meanwhile, the index that was built to follow it still can.
    names = [wanted.name + SUFFIX] if wrong else [wanted.name, wanted.name + SUFFIX]
    ready = [index for index in state.leftovers(wanted.name) if index.valid and index.name in names]
    index_name = ready[0].name if ready else names[0]
    for one in names[: names.index(index_name) + 1]:
        if one in state.indexes and not state.indexes[one].exact:
            raise _taken(one, state.indexes[one].definition)
    for name, what in catalogue.elsewhere(cursor, wanted.schema, [wanted.name, index_name]).items():
        raise _taken(name, what)

    drops = [_drop(cursor, wanted, one.name) for one in state.removable(wanted.name) if one not in ready[:1]]
    create = "CREATE UNIQUE INDEX CONCURRENTLY {index_name} ON {table} ({columns}) WITH ({mark})"
    together = ["ALTER TABLE {table} DROP CONSTRAINT {constraint}"] if wrong else []
    together.append("ALTER TABLE {table} ADD CONSTRAINT {constraint} UNIQUE USING INDEX {index_name}")
    together.append("COMMENT ON CONSTRAINT {constraint} ON {table} IS {marker}")
    plan = _composed(cursor, wanted, index_name, Plan([] if ready else [create], together))
    return plan._replace(concurrently=drops + plan.concurrently)


def _plan_absent(cursor: extensions.cursor, wanted: Wanted, state: State) -> Plan:
    """Only what bears our mark, and what an interrupted run of ours left behind."""
    constraint = state.constraints.get(wanted.name)
    managed = constraint is not None and constraint.managed
    together = ["ALTER TABLE {table} DROP CONSTRAINT {constraint}"] if managed else []
    drops = [_drop(cursor, wanted, index.name) for index in state.removable(wanted.name)]
    return Plan(drops, _composed(cursor, wanted, wanted.name, Plan([], together)).together)


def _composed(cursor: extensions.cursor, wanted: Wanted, index_name: str, plan: Plan) -> Plan:
    parts: Dict[str, session.Part] = {
        "table": (wanted.schema, TABLE),
        "constraint": wanted.name,
        "index_name": index_name,
        "columns": session.Words(", ".join(COLUMNS)),
        "mark": session.Words(catalogue.MARKING_OPTION),
        "marker": session.Literal(MARKER),
    }
    return Plan(*([session.compose(cursor, text, **parts) for text in texts] for texts in plan))


def _drop(cursor: extensions.cursor, wanted: Wanted, index_name: str) -> str:
    statement: str = session.compose(cursor, "DROP INDEX CONCURRENTLY {index}", index=(wanted.schema, index_name))
    return statement


def _refuse_missing_rights(cursor: extensions.cursor, wanted: Wanted, state: State, plan: Plan) -> None:
    rights = preflight.Rights(cursor)
    rights.on_schema("USAGE", wanted.schema)
    rights.of_owner(state.owner, f"table {wanted.schema}.{TABLE}")
    if any(statement.startswith("CREATE") for statement in plan.concurrently):
        rights.on_schema("CREATE", wanted.schema)
    if wanted.present:
        rights.on_table("SELECT", wanted.schema, TABLE)
    rights.refuse_missing()


def _run_concurrently(cursor: extensions.cursor, wanted: Wanted, plan: Plan, locks: session.Locks) -> None:
    """Duplicates that came while the index was built leave it invalid: it goes, and they are named."""
    done = []
    try:
        for statement in plan.concurrently:
            session.run_concurrently(cursor, statement, locks)
            done.append(statement)
    except errors.PostgresError as error:
        if error.sqlstate != UNIQUE_VIOLATION:
            raise
        state = read_state(cursor, wanted.schema)
        for index in state.removable(wanted.name) if state else []:
            if not index.valid:
                session.run_concurrently(cursor, _drop(cursor, wanted, index.name), locks)
        dropped = f"nothing was changed but what an earlier run had left behind ({'; '.join(done)})"
        _refuse_duplicates(cursor, wanted.schema, dropped if done else "nothing was changed")
        raise


def _refuse_duplicates(cursor: extensions.cursor, schema: str, outcome: str) -> None:
    query = session.compose(cursor, _DUPLICATES, table=(schema, TABLE), samples=session.Words(str(SAMPLES)))
    rows = session.fetch(cursor, query)
    if not rows:
        return
    samples = [
        {"identifier": identifier, "identifier_type": kind, "subnet_id": subnet, "host_ids": hosts}
        for identifier, kind, subnet, hosts, _count in rows
    ]
    count = rows[0][4]
    raise errors.PostgresError(
        f"{schema}.{TABLE} holds {count} identifiers more than once in a subnet, so {outcome}. "
        f"The first: identifier {rows[0][0]}, type {rows[0][1]}, subnet {rows[0][2]}, host_id {rows[0][3]}. "
        "Delete the reservations that are wrong",
        UNIQUE_VIOLATION,
        duplicates=count,
        samples=samples,
    )


def _taken(name: str, definition: str) -> errors.PostgresError:
    return errors.PostgresError(f"The name {name} is taken by something else: {definition}. Choose another name")


def _result(wanted: Wanted, state: State, plan: Plan) -> Dict[str, Any]:
    found = state.constraints.get(wanted.name)
    queries = plan.concurrently + plan.together
    removable = state.removable(wanted.name)
    # Present makes use of an index that somebody else made just so; absent leaves it.
    unattached = state.leftovers(wanted.name) if wanted.present else removable
    before = after = _view(wanted, found.definition if found else None, unattached)
    if plan.together:
        after = _view(wanted, DEFINITION if wanted.present else None, [])
    elif queries:
        after = _view(wanted, before[wanted.name], [one for one in unattached if one not in removable])
    equivalents = state.equivalents(wanted.name)
    return {
        "changed": bool(queries),
        "queries": queries,
        "diff": state_text.diff(before, after),
        "definition": after[wanted.name],
        "equivalents": equivalents,
        "partial_indexes": state.partial_indexes(),
        "warnings": _warnings(wanted, state, equivalents),
    }


def _view(wanted: Wanted, definition: Optional[str], unattached: List[catalogue.Index]) -> Dict[str, Any]:
    return {wanted.name: definition, "unfinished indexes": [index.definition for index in unattached]}


def _warnings(wanted: Wanted, state: State, equivalents: List[str]) -> List[str]:
    if wanted.present and equivalents:
        others = ", ".join(equivalents)
        return [f"{others} on {wanted.schema}.{TABLE} already guarantees what {wanted.name} is for."]
    if wanted.present:
        return []
    found = state.constraints.get(wanted.name)
    stays = [index.name for index in state.leftovers(wanted.name) if not index.ours]
    if found and not found.managed:
        stays.append(found.name)
    return [f"{name} was not made by this module and therefore stays." for name in stays]
