# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Schema of the state: found, known, needed. This module changes nothing, so the daemon runs without Alembic."""

from __future__ import annotations

import os
import re
from typing import List, NamedTuple, Optional

import sqlalchemy
from sqlalchemy.engine import Connection

from kea_lease_monitor.errors import SchemaError
from kea_lease_monitor.state.engine import open_engine, translated
from kea_lease_monitor.state.location import StateLocation

MIGRATIONS = os.path.join(os.path.dirname(__file__), "migrations")

_VERSION = re.compile(r"v([0-9]{4})\.py")


class SchemaStep(NamedTuple):
    """One migration."""

    version: str
    """Version whose tables it creates or removes."""
    text: str


class SchemaPlan(NamedTuple):
    """Migrations from the version found to the target."""

    found: Optional[str]
    target: str
    steps: List[SchemaStep]


def versions() -> List[str]:
    """Return all versions that this program knows, oldest first."""
    found = map(_VERSION.fullmatch, os.listdir(os.path.join(MIGRATIONS, "versions")))
    return sorted(match[1] for match in found if match)


def current(connection: Connection) -> Optional[str]:
    """Return the version of an open database; None if it is empty."""
    if not sqlalchemy.inspect(connection).has_table("alembic_version"):
        return None
    found = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    return None if found is None else str(found)


def found(location: StateLocation) -> Optional[str]:
    """Open the database and return its version. Creates no file. Raises TemporaryError."""
    if not location.shared and not os.path.exists(location.path):
        return None
    engine = open_engine(location)
    try:
        with translated(location), engine.begin() as connection:
            return current(connection)
    finally:
        engine.dispose()


def require(version: Optional[str]) -> None:
    """Raises SchemaError unless ``version`` is the one that this program needs."""
    needed = versions()[-1]
    if version == needed:
        return
    if version is None:
        raise SchemaError("the state database is empty; run: kea-lease-monitor db init")
    require_known(version)
    raise SchemaError(f"the state has schema {version}, {needed} is needed; run: kea-lease-monitor db upgrade --yes")


def require_known(version: Optional[str]) -> None:
    """Raises SchemaError if a newer program created the schema."""
    needed = versions()[-1]
    if version is not None and version not in versions():
        raise SchemaError(
            f"the state has schema {version}, which this version does not know (it needs {needed}); install the newer "
            f"program again, or with it run: kea-lease-monitor db downgrade --yes --to {needed}"
        )
