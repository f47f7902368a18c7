# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Foreign holders of the advisory locks by which monitors agree who acts, and by which Kea wakes them."""

from __future__ import annotations

from contextlib import suppress
from typing import List

from kea_lease_monitor.database import Link, lock_key
from kea_lease_monitor.errors import TemporaryError
from kea_lease_monitor.kea.sql import locks
from kea_lease_monitor.settings import MonitorSettings

_HINT = "end its session, and revoke its right to connect"


def foreign(settings: MonitorSettings) -> str:
    """Return which other roles hold a lock of the monitors; empty if none does, or the database cannot be reached."""
    databases = [settings.database] if settings.source.type == "events" else []
    if settings.state.database and settings.state.database not in databases:
        databases.append(settings.state.database)
    found: List[str] = []
    for database in databases:
        link = Link(database)
        with suppress(TemporaryError), link.session() as session:
            rows = session.rows(locks.FOREIGN, {"keys": _keys(settings)})
            found += [f"role {role} (process {pid}) holds a lock of the monitors" for role, pid in rows]
        link.close()
    return f"{'; '.join(found)}: {_HINT}" if found else ""


def _keys(settings: MonitorSettings) -> List[int]:
    """Return the numbers of the locks that the state store, the sinks and the trigger take."""
    schema, keys = settings.state.schema, [locks.WAKE_UP]
    for flow in settings.flows:
        name = flow.subscription.name
        keys += [lock_key(f"{schema}/{name}"), *(lock_key(f"{schema}/{name}/{one}") for one in range(len(flow.sinks)))]
    return keys
