# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The schema's version: what it is, what it must be, and how to get there. Every real run is one transaction."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import Iterator, List, Optional

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from kea_lease_monitor.errors import SchemaError, TemporaryError

_MIGRATIONS = os.path.join(os.path.dirname(__file__), "migrations")


@contextmanager
def translated(engine: Engine) -> Iterator[None]:
    """The library's errors become TemporaryError."""
    try:
        yield
    except SQLAlchemyError as error:
        text = str(getattr(error, "orig", None) or error).splitlines()[0]
        raise TemporaryError(f"the state {engine.url.database}: {text}") from error


def _config(connection: Optional[Connection]) -> Config:
    config = Config()
    config.set_main_option("script_location", _MIGRATIONS.replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def versions() -> List[str]:
    """All that this program knows, oldest first."""
    scripts = ScriptDirectory.from_config(_config(None)).walk_revisions()
    return [str(script.revision) for script in reversed(list(scripts))]


def current(engine: Engine) -> Optional[str]:
    """None for an empty database. Raises TemporaryError."""
    with translated(engine), engine.connect() as connection:
        revision = MigrationContext.configure(connection).get_current_revision()
        return None if revision is None else str(revision)


def require(engine: Engine) -> None:
    """Raises SchemaError unless the schema is exactly ours."""
    found, needed = current(engine), versions()[-1]
    if found == needed:
        return
    if found is None:
        raise SchemaError("the state database is empty; run: kea-lease-monitor db init")
    if found in versions():
        raise SchemaError(f"the state has schema {found}, {needed} is needed; run: kea-lease-monitor db upgrade")
    raise SchemaError(
        f"the state has schema {found}, which this version does not know (it needs {needed}); install the newer "
        f"program again, or with it run: kea-lease-monitor db downgrade {needed}"
    )


def upgrade(engine: Engine) -> None:
    """Raises SchemaError for a newer one, TemporaryError."""
    _known(engine)
    with translated(engine), engine.begin() as connection:
        command.upgrade(_config(connection), "head")


def downgrade(engine: Engine, version: Optional[str]) -> None:
    """To ``version``, or by one step. Raises SchemaError, TemporaryError."""
    _known(engine)
    known = versions()
    found = current(engine)
    if found is None:
        raise SchemaError("the state database is empty already")
    before = known.index(found)
    target = version or (known[before - 1] if before else "base")
    if target != "base" and target not in known[: before + 1]:
        raise SchemaError(f"schema {target} is not one before {found}; known are: base, {', '.join(known)}")
    with translated(engine), engine.begin() as connection:
        command.downgrade(_config(connection), target)


def _known(engine: Engine) -> None:
    found = current(engine)
    if found is not None and found not in versions():
        require(engine)
