# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: brings reservations in Kea's hosts database to what a site gives, in one transaction."""

from __future__ import annotations

from typing import Any, Callable, Dict, NamedTuple, Sequence

from .._errors import KeaError
from .._host import state_text
from .._kea import identifiers
from .._postgres import preflight
from .._postgres.errors import PostgresError
from .._postgres.session import Session
from .given import Given
from .host_plan import Plan
from .host_table import Host, HostTable

MakePlan = Callable[[Sequence[Host]], Plan]
"""Decide from the hosts that are there. Raises KeaError."""


class Target(NamedTuple):
    """Which hosts are read, and where."""

    schema: str
    given: Sequence[Given]
    family: int
    mark: str = ""
    """Also the hosts that bear this mark."""


def ensure(session: Session, target: Target, make: MakePlan) -> Dict[str, Any]:
    """Make the changes, or in check mode only plan them. Return ``changed``, ``gave_way`` and ``diff``.

    Raises KeaError, with nothing changed. The plan is made again with the table locked, so that no reservation of the
    monitor comes in between.
    """
    table = HostTable(session, target.schema, target.family)
    plan = make(table.read(target.given, target.mark))
    if plan.changes:
        preflight.refuse_standby(session)
        _refuse_missing_rights(session, target.schema, table)
        if not session.readonly:
            plan = session.patiently(lambda: _changed(session, table, target, make))
    return _result(plan)


def _changed(session: Session, table: HostTable, target: Target, make: MakePlan) -> Plan:
    try:
        session.run("BEGIN")
        table.lock()
        plan = make(table.read(target.given, target.mark))
        for before, after in plan.changes:
            if after is not None:
                table.put(after, before)
            elif before is not None:
                table.delete(before)
        session.run("COMMIT")
        return plan
    except (KeaError, PostgresError):
        if not session.cursor.connection.closed:
            session.run("ROLLBACK")
        raise


def _refuse_missing_rights(session: Session, schema: str, table: HostTable) -> None:
    rights = preflight.Rights(session)
    for name in table.tables:
        for right in ("SELECT", "INSERT", "UPDATE", "DELETE"):
            rights.on_table(right, schema, name)
    rights.refuse_missing()


def _result(plan: Plan) -> Dict[str, Any]:
    before = {_key(one.before or one.after): one.before.shown() if one.before else None for one in plan.changes}
    after = {_key(one.before or one.after): one.after.shown() if one.after else None for one in plan.changes}
    return {
        "changed": bool(plan.changes),
        "gave_way": [f"{' '.join(one.addresses)} of {one.text}" for one in plan.gave_way],
        "diff": state_text.diff(before, after),
    }


def _key(host: Any) -> str:
    return f"{identifiers.TYPES[host.type]} {identifiers.spell(host.identifier)}, subnet {host.subnet}"
