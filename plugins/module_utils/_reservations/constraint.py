# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: creates, corrects and removes the unique constraint on Kea's table hosts while Kea uses the table."""

from __future__ import annotations

import time
from typing import Any, Callable, Dict, List, NamedTuple, Optional

from . import catalogue
from .._host import state_text
from .._postgres import preflight
from .._postgres.errors import UNDEFINED_TABLE, PostgresError
from .._postgres.parts import Literal, Part, Words
from .._postgres.session import Session
from .catalogue import COLUMNS, MARKER, SUFFIX, TABLE, State

NAME = "hosts_dhcp_identifier_subnet_unique"
DEFINITION = f"UNIQUE ({', '.join(COLUMNS)})"
LONGEST_NAME = 63 - len(SUFFIX)
SAMPLES = 10
UNIQUE_VIOLATION = "23505"

_DUPLICATES = """
SELECT encode(dhcp_identifier, 'hex'), dhcp_identifier_type, dhcp4_subnet_id, array_agg(host_id ORDER BY host_id),
    count(*) OVER ()
FROM {table} WHERE dhcp4_subnet_id IS NOT NULL
GROUP BY dhcp_identifier, dhcp_identifier_type, dhcp4_subnet_id HAVING count(*) > 1
ORDER BY min(host_id) LIMIT {samples}
"""


class Wanted(NamedTuple):
    """The options of a task."""

    schema: str
    name: str
    present: bool


class Plan(NamedTuple):
    """The statements that cannot run in a transaction, and then those of one transaction."""

    concurrently: List[str]
    together: List[str]


def ensure(session: Session, wanted: Wanted, log: Callable[[str], None]) -> Dict[str, Any]:
    """Bring the constraint to the wanted state, and return the module's result. Raises PostgresError.

    ``log`` writes a line to the journal: building the index takes long in a large table.
    """
    if not 0 < len(wanted.name.encode()) <= LONGEST_NAME:
        raise PostgresError(f"The name of the constraint must have 1 to {LONGEST_NAME} bytes")
    if not session.readonly:
        preflight.await_turn(session)
    state = _read(session, wanted)
    plan = _plan_present(session, wanted, state) if wanted.present else _plan_absent(session, wanted, state)
    if plan.concurrently or plan.together:
        preflight.refuse_standby(session)
        _refuse_missing_rights(session, wanted, state, plan)
    if wanted.present and plan.together:
        session.patiently(lambda: _refuse_duplicates(session, wanted.schema, "nothing was changed"))
    if not session.readonly:
        _run_concurrently(session, wanted, plan, log)
        session.together(plan.together)
    return _result(wanted, state, plan)


def _read(session: Session, wanted: Wanted) -> State:
    """Return the state of hosts, empty if there is nothing to remove. Raises PostgresError for an unfit table."""
    state = session.patiently(lambda: catalogue.read_state(session, wanted.schema))
    if state is None and wanted.present:
        raise PostgresError(f"There is no table {wanted.schema}.{TABLE} in this database", UNDEFINED_TABLE)
    if state and state.oddity and wanted.present:
        raise PostgresError(
            f"{wanted.schema}.{TABLE} is {state.oddity}, on which the constraint cannot guarantee what it is for. "
            "Correct the option schema, or make it a plain table as Kea has it"
        )
    return State("", "", {}, {}) if not state or state.oddity else state


def _plan_present(session: Session, wanted: Wanted, state: State) -> Plan:
    wrong = state.constraints.get(wanted.name)
    if (wrong and wrong.definition == DEFINITION) or (not wrong and state.equivalents(wanted.name)):
        # An equal constraint exists, so the indexes of an interrupted run are not needed.
        return Plan([_drop(session, wanted, index.name) for index in state.removable(wanted.name)], [])
    if wrong and wrong.kind != "u":
        raise _taken(wanted.name, wrong.definition)
    # A wrong constraint stays until the right one replaces it. If it was removed in between, the index with the suffix
    # can still become the constraint.
    names = [wanted.name + SUFFIX] if wrong else [wanted.name, wanted.name + SUFFIX]
    ready = [index for index in state.leftovers(wanted.name) if index.valid and index.name in names]
    index_name = ready[0].name if ready else names[0]
    for one in names[: names.index(index_name) + 1]:
        if one in state.indexes and not state.indexes[one].exact:
            raise _taken(one, state.indexes[one].definition)
    for name, what in catalogue.elsewhere(session, wanted.schema, [wanted.name, index_name]).items():
        raise _taken(name, what)

    drops = [_drop(session, wanted, one.name) for one in state.removable(wanted.name) if one not in ready[:1]]
    create = "CREATE UNIQUE INDEX CONCURRENTLY {index_name} ON {table} ({columns}) WITH ({mark})"
    together = ["ALTER TABLE {table} DROP CONSTRAINT {constraint}"] if wrong else []
    together.append("ALTER TABLE {table} ADD CONSTRAINT {constraint} UNIQUE USING INDEX {index_name}")
    together.append("COMMENT ON CONSTRAINT {constraint} ON {table} IS {marker}")
    plan = _composed(session, wanted, index_name, Plan([] if ready else [create], together))
    return plan._replace(concurrently=drops + plan.concurrently)


def _plan_absent(session: Session, wanted: Wanted, state: State) -> Plan:
    """Plan to remove the constraint if this collection created it, and the indexes of its interrupted runs."""
    constraint = state.constraints.get(wanted.name)
    managed = constraint is not None and constraint.managed
    together = ["ALTER TABLE {table} DROP CONSTRAINT {constraint}"] if managed else []
    drops = [_drop(session, wanted, index.name) for index in state.removable(wanted.name)]
    return Plan(drops, _composed(session, wanted, wanted.name, Plan([], together)).together)


def _composed(session: Session, wanted: Wanted, index_name: str, plan: Plan) -> Plan:
    parts: Dict[str, Part] = {
        "table": (wanted.schema, TABLE),
        "constraint": wanted.name,
        "index_name": index_name,
        "columns": Words(", ".join(COLUMNS)),
        "mark": Words(catalogue.MARKING_OPTION),
        "marker": Literal(MARKER),
    }
    return Plan(*([session.compose(text, **parts) for text in texts] for texts in plan))


def _drop(session: Session, wanted: Wanted, index_name: str) -> str:
    return session.compose("DROP INDEX CONCURRENTLY {index}", index=(wanted.schema, index_name))


def _refuse_missing_rights(session: Session, wanted: Wanted, state: State, plan: Plan) -> None:
    rights = preflight.Rights(session)
    rights.on_schema("USAGE", wanted.schema)
    rights.of_owner(state.owner, f"table {wanted.schema}.{TABLE}")
    if any(statement.startswith("CREATE") for statement in plan.concurrently):
        rights.on_schema("CREATE", wanted.schema)
    if wanted.present:
        rights.on_table("SELECT", wanted.schema, TABLE)
    rights.refuse_missing()


def _run_concurrently(session: Session, wanted: Wanted, plan: Plan, log: Callable[[str], None]) -> None:
    """Create and drop indexes. If duplicates arrived meanwhile, drop the invalid index and raise an error with them."""
    done = []
    try:
        for statement in plan.concurrently:
            log(f"PostgreSQL runs {statement}; Kea serves")
            begin = time.monotonic()
            session.concurrently(statement)
            log(f"finished after {time.monotonic() - begin:.1f} s")
            done.append(statement)
    except PostgresError as error:
        if error.sqlstate != UNIQUE_VIOLATION:
            raise
        state = catalogue.read_state(session, wanted.schema)
        for index in state.removable(wanted.name) if state else []:
            if not index.valid:
                session.concurrently(_drop(session, wanted, index.name))
        dropped = f"only indexes of an interrupted run were dropped ({'; '.join(done)})"
        _refuse_duplicates(session, wanted.schema, dropped if done else "nothing was changed")
        raise


def _refuse_duplicates(session: Session, schema: str, outcome: str) -> None:
    rows = session.fetch(_DUPLICATES, table=(schema, TABLE), samples=Words(str(SAMPLES)))
    if not rows:
        return
    samples = [
        {"identifier": identifier, "identifier_type": kind, "subnet_id": subnet, "host_ids": hosts}
        for identifier, kind, subnet, hosts, _count in rows
    ]
    count = rows[0][4]
    raise PostgresError(
        f"{schema}.{TABLE} holds {count} identifiers more than once in a subnet, so {outcome}. "
        f"The first: identifier {rows[0][0]}, type {rows[0][1]}, subnet {rows[0][2]}, host_id {rows[0][3]}. "
        "Delete the reservations that are wrong",
        UNIQUE_VIOLATION,
        duplicates=count,
        samples=samples,
    )


def _taken(name: str, definition: str) -> PostgresError:
    return PostgresError(f"The name {name} is taken by something else: {definition}. Choose another name")


def _result(wanted: Wanted, state: State, plan: Plan) -> Dict[str, Any]:
    found = state.constraints.get(wanted.name)
    queries = plan.concurrently + plan.together
    removable = state.removable(wanted.name)
    # An equal index that a person created becomes the constraint, and is not removed with it.
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
