# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which schema the state has and which one is needed. Nothing is changed here, so Alembic is not needed to run."""

from __future__ import annotations

import os
import re
from typing import List, Optional

import sqlalchemy
from sqlalchemy.engine import Connection

from kea_lease_monitor.errors import SchemaError
from kea_lease_monitor.state.engine import open_engine, translated
from kea_lease_monitor.state.location import Place

MIGRATIONS = os.path.join(os.path.dirname(__file__), "migrations")

_VERSION = re.compile(r"v([0-9]{4})\.py")


def versions() -> List[str]:
    """All that this program knows, oldest first."""
    found = map(_VERSION.fullmatch, os.listdir(os.path.join(MIGRATIONS, "versions")))
    return sorted(match[1] for match in found if match)


def current(connection: Connection) -> Optional[str]:
    """None for an empty database."""
    if not sqlalchemy.inspect(connection).has_table("alembic_version"):
        return None
    found = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    return None if found is None else str(found)


def found(place: Place) -> Optional[str]:
    """The same of a database that nobody has open. Makes no file. Raises TemporaryError."""
    if not place.shared and not os.path.exists(place.path):
        return None
    engine = open_engine(place)
    try:
        with translated(place), engine.begin() as connection:
            return current(connection)
    finally:
        engine.dispose()


def require(version: Optional[str]) -> None:
    """Raises SchemaError unless the schema is exactly ours."""
    needed = versions()[-1]
    if version == needed:
        return
    if version is None:
        raise SchemaError("the state database is empty; run: kea-lease-monitor db init")
    require_known(version)
    raise SchemaError(f"the state has schema {version}, {needed} is needed; run: kea-lease-monitor db upgrade --yes")


def require_known(version: Optional[str]) -> None:
    """Raises SchemaError for the schema of a newer program."""
    needed = versions()[-1]
    if version is not None and version not in versions():
        raise SchemaError(
            f"the state has schema {version}, which this version does not know (it needs {needed}); install the newer "
            f"program again, or with it run: kea-lease-monitor db downgrade --yes --to {needed}"
        )
