# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: which servers of the inventory have one database. Names decide, which must be spelled alike."""

from __future__ import annotations

from typing import Any, Mapping, Optional

from ansible.module_utils.parsing.convert_bool import boolean

from ._deployment_plan import LOOPBACK
from ._login import Database

Variables = Mapping[str, Any]

GROUP = "kea__shared_database"
"""Inventory group of a play: hosts with a server whose database another server of the inventory has, too."""


def elsewhere(variables: Variables) -> Optional[Database]:
    """Return the database on another host that the variables of a host name; None if it is on the host itself."""
    host = str(variables.get("kea_db_host") or "")
    if not host or host.startswith("/") or host in LOOPBACK:
        return None
    return Database(host, _port(variables.get("kea_db_port")), str(variables.get("kea_db_name") or "kea"), "")


def is_shared(this: str, hosts: Mapping[str, Variables]) -> bool:
    """Return whether another server has the database of the host ``this``. ``hosts`` are the variables of all."""
    enabled = [name for name, one in hosts.items() if boolean(one.get("kea_enable_database") or False, strict=False)]
    used = {name: elsewhere(hosts[name]) for name in enabled}
    own = used.pop(this, None)
    return own is not None and any(own.is_named_by(other._asdict()) for other in used.values() if other)


def _port(value: Any) -> int:
    """Return the port of the database; 0 for what is none, which the preflight tells."""
    try:
        return int(value or 5432)
    except (TypeError, ValueError):
        return 0
