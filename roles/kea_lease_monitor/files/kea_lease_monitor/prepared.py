# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A statement that a session plans once."""

from __future__ import annotations

import re
from typing import Any, List, Mapping, Tuple

from kea_lease_monitor.database import Session

FEW = 50
"""Rows up to which planning takes longer than what a better plan would save: the plan knows nothing of how much it is
given."""

_PLACE = re.compile(r"%\((\w+)\)s")


class Prepared:
    """``statement`` has psycopg2's named places, of which PostgreSQL can tell the types."""

    def __init__(self, name: str, statement: str, settings: str = "") -> None:
        """``settings`` are said before it each time, because the plan is made at its first use and at any later one."""
        self._settings = settings
        self._statement = statement
        self._name = name
        self._keys = list(dict.fromkeys(_PLACE.findall(statement)))

    def rows(self, session: Session, parameters: Mapping[str, Any], count: int = 0) -> List[Tuple[Any, ...]]:
        """``count`` is how many rows are given to it. Raises as Session.rows."""
        if count > FEW:
            return session.rows(self._settings + self._statement, parameters)
        if self._name not in session.prepared:
            text = _PLACE.sub(lambda place: f"${self._keys.index(place[1]) + 1}", self._statement)
            session.rows("SET plan_cache_mode = force_generic_plan")
            session.rows(f"PREPARE {self._name} AS {text.replace('%%', '%')}")
            session.prepared.add(self._name)
        places = ", ".join(f"%({key})s" for key in self._keys)
        return session.rows(f"{self._settings} EXECUTE {self._name} ({places})", parameters)
