# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Upgrade and downgrade of the state's schema with Alembic. Only the db commands and a first start import it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Callable, Iterator, List, Optional

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.engine import Connection

from kea_lease_monitor import files
from kea_lease_monitor.errors import SchemaError
from kea_lease_monitor.state import schema
from kea_lease_monitor.state.engine import open_engine, translated
from kea_lease_monitor.state.location import StateLocation
from kea_lease_monitor.state.schema import SchemaPlan, SchemaStep

EMPTY = "base"

Done = Callable[[], None]
"""Is told that one more step is done."""

_LOCK = 5_283_919_144_310_002
"""Number of the advisory lock that a schema change holds."""

_BUSY = 60.0
"""Seconds for which it waits for another change of a file: on a slow disk one takes more than a second."""


def plan_upgrade(location: StateLocation, version: Optional[str] = None) -> SchemaPlan:
    """Plan the steps to ``version``, or to the newest. Raises SchemaError, TemporaryError."""
    return _upwards(schema.found(location), version)


def plan_downgrade(location: StateLocation, version: Optional[str] = None) -> SchemaPlan:
    """Plan the steps back to ``version``, or one step. Raises as ``plan_upgrade``."""
    return _downwards(schema.found(location), version)


def _nothing() -> None:
    """Do nothing: no person waits."""


def upgrade(location: StateLocation, version: Optional[str] = None, done: Done = _nothing) -> SchemaPlan:
    """Do all steps or none, one program at a time. Return what was done; ``done`` is called after each step.

    Raises SchemaError, TemporaryError.
    """
    if not location.shared:
        files.create_own(location.path)
    with _alone(location) as connection:
        plan = _upwards(schema.current(connection), version)
        if plan.steps:
            command.upgrade(_config(connection, done), plan.target)
        return plan


def downgrade(location: StateLocation, version: Optional[str] = None, done: Done = _nothing) -> SchemaPlan:
    """Do the steps back, as ``upgrade``."""
    with _alone(location) as connection:
        plan = _downwards(schema.current(connection), version)
        if plan.steps:
            command.downgrade(_config(connection, done), plan.target)
        return plan


def _upwards(found: Optional[str], version: Optional[str]) -> SchemaPlan:
    schema.require_known(found)
    known = schema.versions()
    target = version or known[-1]
    if target not in known or (found is not None and target < found):
        raise SchemaError(f"schema {target} is not one after {found or EMPTY}; known are: {', '.join(known)}")
    return SchemaPlan(found, target, [step for step in _steps() if (found or "") < step.version <= target])


def _downwards(found: Optional[str], version: Optional[str]) -> SchemaPlan:
    schema.require_known(found)
    if found is None:
        raise SchemaError("the state database is empty already")
    known = [EMPTY, *schema.versions()]
    target = version or known[known.index(found) - 1]
    if target not in known[: known.index(found) + 1]:
        raise SchemaError(f"schema {target} is not one before {found}; known are: {', '.join(known)}")
    least = "" if target == EMPTY else target
    return SchemaPlan(found, target, [step for step in reversed(_steps()) if least < step.version <= found])


def _steps() -> List[SchemaStep]:
    scripts = ScriptDirectory.from_config(_config(None, _nothing)).walk_revisions()
    return sorted(SchemaStep(str(script.revision), str(script.doc)) for script in scripts)


def _config(connection: Optional[Connection], done: Done) -> Config:
    config = Config()
    config.set_main_option("script_location", schema.MIGRATIONS.replace("%", "%%"))
    config.attributes.update(connection=connection, done=done)
    return config


@contextmanager
def _alone(location: StateLocation) -> Iterator[Connection]:
    """Yield a transaction that excludes others: BEGIN IMMEDIATE in SQLite, an advisory lock in PostgreSQL."""
    engine = open_engine(location, busy=_BUSY)
    try:
        with translated(location), engine.begin() as connection:
            if location.shared:
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
                _create_schema(connection, location.schema)
            yield connection
    finally:
        engine.dispose()


def _create_schema(connection: Connection, name: str) -> None:
    """Create the schema if absent. IF NOT EXISTS would require the right to create it even when it exists."""
    there = text("SELECT 1 FROM pg_namespace WHERE nspname = :name")
    if not connection.execute(there, {"name": name}).first():
        connection.exec_driver_sql(f'CREATE SCHEMA "{name}"')
