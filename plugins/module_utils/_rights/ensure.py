# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: gives the lease monitor its rights in Kea's database, and takes those that are too many."""

from __future__ import annotations

from typing import Any, Dict, List

from . import catalogue
from . import target
from .._host import state_text
from .._postgres import acl, preflight
from .._postgres.errors import UNDEFINED_TABLE, PostgresError
from .._postgres.parts import Literal, Part
from .._postgres.session import Session
from .catalogue import State
from .target import Wanted

_CREATE = (
    "CREATE OR REPLACE FUNCTION {forget}(bigint[]) RETURNS SETOF bigint LANGUAGE sql VOLATILE SECURITY DEFINER "
    "SET search_path = pg_catalog, pg_temp AS {body}"
)


def ensure(session: Session, wanted: Wanted) -> Dict[str, Any]:
    """Bring all rights to the wanted state in one transaction, and return the module's result. Raises PostgresError."""
    if not session.readonly:
        preflight.await_turn(session)
    before = session.patiently(lambda: catalogue.read_state(session, wanted.schema))
    if wanted.present and not before["hosts"]:
        raise PostgresError(f"There is no table {wanted.schema}.hosts in this database", UNDEFINED_TABLE)
    may_connect = catalogue.may_change(session, before["database"]["owner"])
    tables: Dict[str, Part] = {
        name: (wanted.schema, table)
        for name, table in (("hosts", "hosts"), ("options4", "dhcp4_options"), ("options6", "dhcp6_options"))
    }
    body = session.compose(target.BODY, **tables)
    after = target.state(wanted, before, body, may_connect)
    queries = _statements(session, wanted, before, after)
    if queries:
        _refuse(session, wanted, before, after)
    if queries and not session.readonly:
        session.together(queries)
    return {
        "changed": bool(queries),
        "queries": queries,
        "diff": state_text.diff(before, after),
        "state": after,
        "kept": after != target.state(wanted._replace(exclusive=True), before, body, may_connect),
        "warnings": [] if may_connect or not wanted.present else _unchanged(session, wanted, before),
    }


def _statements(session: Session, wanted: Wanted, before: State, after: State) -> List[str]:
    """The function first: it is created with the right of PUBLIC to execute it, which is revoked at once."""
    found = _function(session, wanted, before, after)
    for name in catalogue.RELATIONS:
        if before[name]:
            kind = "SEQUENCE" if name.endswith("_seq") else "TABLE"
            rights = before[name]["rights"], after[name]["rights"]
            found += acl.statements(session, f"{kind} {{relation}}", *rights, relation=(wanted.schema, name))
    [(database,)] = session.fetch("SELECT current_database()::text")
    rights = before["database"]["rights"], after["database"]["rights"]
    return found + acl.statements(session, "DATABASE {database}", *rights, database=database)


def _function(session: Session, wanted: Wanted, before: State, after: State) -> List[str]:
    old, new = before["forget"], after["forget"]
    parts: Dict[str, Part] = {"forget": (wanted.schema, catalogue.FUNCTION)}
    if not new:
        return [session.compose("DROP FUNCTION {forget}(bigint[])", **parts)] if old else []
    found, held = [], old["rights"] if old else {new["owner"]: ["ALL"], acl.PUBLIC: ["EXECUTE"]}
    if not old or any(old[key] != new[key] for key in ("definition", "body")):
        found.append(session.compose(_CREATE, body=Literal(new["body"]), **parts))
    if not old or old["owner"] != new["owner"]:
        found.append(session.compose("ALTER FUNCTION {forget}(bigint[]) OWNER TO {owner}", owner=new["owner"], **parts))
    if not old or old["comment"] != new["comment"]:
        comment = Literal(new["comment"])
        found.append(session.compose("COMMENT ON FUNCTION {forget}(bigint[]) IS {comment}", comment=comment, **parts))
    return found + acl.statements(session, "FUNCTION {forget}(bigint[])", held, new["rights"], **parts)


def _refuse(session: Session, wanted: Wanted, before: State, after: State) -> None:
    """Raise PostgresError before the first change if the change cannot be made, or would shut out a role that works."""
    preflight.refuse_standby(session)
    if wanted.present:
        preflight.refuse_unknown_roles(session, [wanted.monitor, *wanted.connect])
    rights = preflight.Rights(session)
    if before["hosts"]:
        rights.of_owner(before["hosts"]["owner"], f"table {wanted.schema}.hosts")
    if after["forget"] and not before["forget"]:
        rights.on_schema("CREATE", wanted.schema)
        rights.to_become(after["forget"]["owner"])
    rights.refuse_missing()
    if before["database"] != after["database"] and wanted.present and not wanted.public_connect:
        known = [wanted.monitor, *wanted.connect, before["database"]["owner"]]
        if others := catalogue.connect_by_public(session, known):
            raise PostgresError(_shut_out(session, others))


def _shut_out(session: Session, others: Dict[str, bool]) -> str:
    [(database,)] = session.fetch("SELECT current_database()::text")
    reasons = {True: "it has sessions", False: "it has rights, objects or settings there"}
    roles = "; ".join(f"{role} ({reasons[has_session]})" for role, has_session in others.items())
    grants = "; ".join(
        session.compose("GRANT CONNECT ON DATABASE {database} TO {role}", database=database, role=role)
        for role in others
    )
    return (
        f"Roles that use the database {database} may connect to it only because every role of the server may, and "
        f"would be shut out: {roles}. Nothing was changed. For each that is to stay, run: {grants}. "
        "Or keep CONNECT for all with public_connect (kea_db_public_connect)"
    )


def _unchanged(session: Session, wanted: Wanted, before: State) -> List[str]:
    """Return a warning if every role may connect and this one cannot change that."""
    if wanted.public_connect or "CONNECT" not in before["database"]["rights"].get(acl.PUBLIC, []):
        return []
    [(database,)] = session.fetch("SELECT current_database()::text")
    roles = ", ".join(sorted({wanted.monitor, *wanted.connect}))
    return [
        f"Every role of the server may connect to the database {database}, which belongs to "
        f"{before['database']['owner']}. As that role, grant CONNECT to {roles} and revoke it from PUBLIC."
    ]
