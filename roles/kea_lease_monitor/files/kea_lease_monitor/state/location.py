# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the state is: a file of our own, or a schema in a PostgreSQL that several monitors share."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Optional

from kea_lease_monitor.database import Settings as DatabaseSettings
from kea_lease_monitor.section import Section

DEFAULT_PATH = "/var/lib/kea-lease-monitor/state.sqlite"

_SCHEMA = re.compile(r"[a-z_][a-z0-9_]{0,62}")


@dataclass(frozen=True)
class Place:
    """``database`` is None for a file."""

    path: str = DEFAULT_PATH
    database: Optional[DatabaseSettings] = None
    schema: str = "kea_lease_monitor"
    """Not public: there Kea's own tools would take our tables for a database that is not empty (kea-facts 1.6)."""
    max_chunk_size: int = 500
    """Rows that one statement writes at most."""

    @classmethod
    def parse(cls, section: Section, default: DatabaseSettings) -> Place:
        """``default`` is the database of the leases, which the state may share."""
        if section.choice("type", ("sqlite", "postgresql"), "sqlite") == "postgresql":
            given = section.optional_section("database")
            place = cls(
                path="",
                database=default if given is None else DatabaseSettings.parse(given),
                schema=section.text("schema", cls.schema),
                max_chunk_size=section.number("max_chunk_size", cls.max_chunk_size, 1, 1000),
            )
        else:
            place = cls(section.text("path", DEFAULT_PATH), None, "", cls.max_chunk_size)
        section.done()
        if not place.shared and not os.path.isabs(place.path):
            raise section.error("path", "an absolute path is needed")
        if place.shared and (not _SCHEMA.fullmatch(place.schema) or place.schema == "public"):
            problem = "lower-case letters, digits and _ are needed, and not public, which belongs to Kea"
            raise section.error("schema", f"{problem}, not {place.schema!r}")
        return place

    @property
    def shared(self) -> bool:
        return self.database is not None

    def __str__(self) -> str:
        return f"{self.database.name}.{self.schema} at {self.database.host}" if self.database else self.path
