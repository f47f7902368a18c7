# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Location of the state: a file of the monitor's own, or a PostgreSQL schema that several monitors share."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Optional

from kea_lease_monitor.database_settings import DatabaseSettings
from kea_lease_monitor.section import Section

DEFAULT_PATH = "/var/lib/kea-lease-monitor/state.sqlite"

_SCHEMA = re.compile(r"[a-z_][a-z0-9_]{0,62}")


@dataclass(frozen=True)
class StateLocation:
    """Where the state is. ``database`` is None for a file."""

    path: str = DEFAULT_PATH
    database: Optional[DatabaseSettings] = None
    schema: str = "kea_lease_monitor"
    """Never public: with tables of others in it, Kea's own tools refuse to initialize a database (kea-facts 1.6)."""
    max_chunk_size: int = 500
    """Maximum number of rows that one statement writes."""

    @classmethod
    def parse(cls, section: Section, default: DatabaseSettings) -> StateLocation:
        """``default`` is the database of the leases, which the state may share. Raises ConfigurationError."""
        if section.choice("type", ("sqlite", "postgresql"), "sqlite") == "postgresql":
            given = section.optional_section("database")
            location = cls(
                path="",
                database=default if given is None else DatabaseSettings.parse(given),
                schema=section.text("schema", cls.schema),
                max_chunk_size=section.number("max_chunk_size", cls.max_chunk_size, 1, 1000),
            )
        else:
            location = cls(section.text("path", DEFAULT_PATH), None, "", cls.max_chunk_size)
        section.done()
        if not location.shared and not os.path.isabs(location.path):
            raise section.error("path", "an absolute path is needed")
        if location.shared and (not _SCHEMA.fullmatch(location.schema) or location.schema == "public"):
            problem = "lower-case letters, digits and _ are needed, and not public, which belongs to Kea"
            raise section.error("schema", f"{problem}, not {location.schema!r}")
        return location

    @property
    def shared(self) -> bool:
        """Whether several monitors use the same state."""
        return self.database is not None

    def __str__(self) -> str:
        return f"{self.database.name}.{self.schema} at {self.database.host}" if self.database else self.path
