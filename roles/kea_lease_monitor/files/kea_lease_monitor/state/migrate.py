# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Schema changes of the state, forwards and back, with Alembic. Only the db commands and a first start come here."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Iterator, List, NamedTuple, Optional

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.engine import Connection

from kea_lease_monitor import files
from kea_lease_monitor.errors import SchemaError
from kea_lease_monitor.state import schema
from kea_lease_monitor.state.engine import open_engine, translated
from kea_lease_monitor.state.location import Place

EMPTY = "base"

_LOCK = 5_283_919_144_310_002
"""Of PostgreSQL's advisory locks the one under which a schema of ours changes."""


class Step(NamedTuple):
    version: str
    """The one whose tables are made, or taken away."""
    text: str


class Plan(NamedTuple):
    found: Optional[str]
    target: str
    steps: List[Step]


def plan_upgrade(place: Place, version: Optional[str] = None) -> Plan:
    """To ``version``, else to the newest. Raises SchemaError, TemporaryError; changes nothing."""
    return _upwards(schema.found(place), version)


def plan_downgrade(place: Place, version: Optional[str] = None) -> Plan:
    """To ``version``, else by one step. Raises as ``plan_upgrade``; changes nothing."""
    return _downwards(schema.found(place), version)


def upgrade(place: Place, version: Optional[str] = None) -> Plan:
    """All steps or none, and one program at a time. Returns what was done."""
    if not place.shared:
        files.make_own(place.path)
    with _alone(place) as connection:
        plan = _upwards(schema.current(connection), version)
        if plan.steps:
            command.upgrade(_config(connection), plan.target)
        return plan


def downgrade(place: Place, version: Optional[str] = None) -> Plan:
    """As ``upgrade``."""
    with _alone(place) as connection:
        plan = _downwards(schema.current(connection), version)
        if plan.steps:
            command.downgrade(_config(connection), plan.target)
        return plan


def _upwards(found: Optional[str], version: Optional[str]) -> Plan:
    schema.require_known(found)
    known = schema.versions()
    target = version or known[-1]
    if target not in known or (found is not None and target < found):
        raise SchemaError(f"schema {target} is not one after {found or EMPTY}; known are: {', '.join(known)}")
    return Plan(found, target, [step for step in _steps() if (found or "") < step.version <= target])


def _downwards(found: Optional[str], version: Optional[str]) -> Plan:
    schema.require_known(found)
    if found is None:
        raise SchemaError("the state database is empty already")
    known = [EMPTY, *schema.versions()]
    target = version or known[known.index(found) - 1]
    if target not in known[: known.index(found) + 1]:
        raise SchemaError(f"schema {target} is not one before {found}; known are: {', '.join(known)}")
    least = "" if target == EMPTY else target
    return Plan(found, target, [step for step in reversed(_steps()) if least < step.version <= found])


def _steps() -> List[Step]:
    scripts = ScriptDirectory.from_config(_config(None)).walk_revisions()
    return sorted(Step(str(script.revision), str(script.doc)) for script in scripts)


def _config(connection: Optional[Connection]) -> Config:
    config = Config()
    config.set_main_option("script_location", schema.MIGRATIONS.replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


@contextmanager
def _alone(place: Place) -> Iterator[Connection]:
    """One transaction, in SQLite the only one that may write (BEGIN IMMEDIATE), in PostgreSQL under a lock of ours."""
    engine = open_engine(place)
    try:
        with translated(place), engine.begin() as connection:
            if place.shared:
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
                _make_schema(connection, place.schema)
            yield connection
    finally:
        engine.dispose()


def _make_schema(connection: Connection, name: str) -> None:
    """Not with IF NOT EXISTS, which asks for the right to make one even when it is there."""
    there = text("SELECT 1 FROM pg_namespace WHERE nspname = :name")
    if not connection.execute(there, {"name": name}).first():
        connection.exec_driver_sql(f'CREATE SCHEMA "{name}"')
