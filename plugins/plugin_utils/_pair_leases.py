# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: whether the two servers of a pair keep their leases in one database, and whether they may begin or end that.

Servers with one database do not send each other their leases. So a server must not be deployed that way while its
partner still has its leases elsewhere: that one would not know of the leases that it gives, and give them again.
"""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence

from ansible.module_utils.parsing.convert_bool import boolean

from ..module_utils._kea import pairs
from . import _shared_database
from ._login import Database

Variables = Mapping[str, Any]

_REMEDY = (
    "Make the pair a single server first, move that one, and make it a pair again: docs/pairs.md, "
    '"Where the leases are"'
)
_UNTIL = "Until the second one has moved, each would give addresses that the other one does not know of"


class Leases(NamedTuple):
    """Where the servers of a pair keep their leases."""

    shared: bool
    """Whether it will be one database."""
    there: Dict[str, Optional[bool]]
    """Of each server by its name, whether its leases are in that database already; so they are if it is no half of a
    pair, because it takes its leases along. None if the server was not looked at."""


def leases(peers: Sequence[Mapping[str, Any]], hosts: Mapping[str, Variables], family: int) -> Leases:
    """Return where the peers keep their leases. ``hosts`` are the variables of the hosts, with what was found there."""
    named = {str(one["name"]): hosts.get(one["name"], {}) for one in peers}
    wanted = [_database(variables) for variables in named.values()]
    first, second = wanted if len(wanted) == 2 else (None, None)
    if first is None or second is None or not first.is_named_by(second._asdict()):
        return Leases(False, {})
    fact = "kea__found6" if family == 6 else "kea__found"
    return Leases(True, {name: _is_there(variables.get(fact), first) for name, variables in named.items()})


def problems(asked: Mapping[str, Any], libraries: object) -> List[str]:
    """Return why the server must not be deployed. ``asked`` has the fields of Leases, ``libraries`` are its hooks."""
    if not pairs.is_configured(libraries):
        return []
    is_shared = _sends_none(libraries)
    apart = [name for name, there in asked["there"].items() if there is False]
    unknown = [name for name, there in asked["there"].items() if there is None]
    if asked["shared"] and apart:
        return [
            f"this pair serves, and {' and '.join(apart)} would move the leases into a database that both servers "
            f"share. {_UNTIL}. {_REMEDY}"
        ]
    if is_shared and not asked["shared"]:
        return [
            f"this pair serves from one lease database, which its servers would not share any more. {_UNTIL}. {_REMEDY}"
        ]
    if asked["shared"] and unknown and not is_shared:
        return [
            f"both servers are to share their leases in one database, and {' and '.join(unknown)} was not looked at. "
            f"Run the play for both, without --limit"
        ]
    return []


def _sends_none(libraries: object) -> bool:
    """Return whether the server sends its partner no leases. Of the hub of several pairs that is not known."""
    try:
        relationship = pairs.hook(libraries)
    except ValueError:
        return False
    return relationship is not None and relationship.get(pairs.SEND_UPDATES) is False


def _database(variables: Variables) -> Optional[Database]:
    """Return the database on another host in which a server is to keep its leases; None if there is none."""
    has_leases = boolean(variables.get("kea_db_enable_notify") or False, strict=False)
    return _shared_database.elsewhere(variables) if has_leases else None


def _is_there(found: object, database: Database) -> Optional[bool]:
    config = found.get("config") if isinstance(found, Mapping) else None
    if not config:
        return None
    entry = config.get("lease_database") or {}
    in_database = entry.get("type") == "postgresql" and database.is_named_by(entry)
    return in_database or not pairs.is_configured(config.get("hooks_libraries"))
