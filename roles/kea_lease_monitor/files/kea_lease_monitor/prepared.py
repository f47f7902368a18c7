# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Statements that a session plans once."""

from __future__ import annotations

import re
from typing import Any, List, Mapping, Tuple

from kea_lease_monitor.database import Session

FEW = 50
"""Up to this many rows the generic plan is used: replanning would cost more than it saves."""

_PLACEHOLDER = re.compile(r"%\((\w+)\)s")


class Prepared:
    """A prepared statement. It has psycopg2's named placeholders, whose types PostgreSQL can infer."""

    def __init__(self, name: str, statement: str, settings: str = "") -> None:
        """``settings`` are statements run before each use, because any use may plan the statement."""
        self._settings = settings
        self._statement = statement
        self._name = name
        self._keys = list(dict.fromkeys(_PLACEHOLDER.findall(statement)))

    def rows(self, session: Session, parameters: Mapping[str, Any], count: int = 0) -> List[Tuple[Any, ...]]:
        """Return the rows of the statement. ``count`` is the number of input rows. Raises as Session.rows."""
        if count > FEW:
            return session.rows(self._settings + self._statement, parameters)
        if self._name not in session.prepared:
            text = _PLACEHOLDER.sub(lambda found: f"${self._keys.index(found[1]) + 1}", self._statement)
            session.rows("SET plan_cache_mode = force_generic_plan")
            session.rows(f"PREPARE {self._name} AS {text.replace('%%', '%')}")
            session.prepared.add(self._name)
        values = ", ".join(f"%({key})s" for key in self._keys)
        return session.rows(f"{self._settings} EXECUTE {self._name} ({values})", parameters)
