# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: the variables that reproduce the servers of one host, joined from what was read of each."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, NamedTuple, Sequence

_MODE = ("kea_enable_database", "kea_db_enable_notify", "kea_db_host", "kea_db_port", "kea_db_name", "kea_db_user")
"""Variables that are about both servers."""


class Imported(NamedTuple):
    """What the file of a host is written from, as kea_info gathers it of one server."""

    values: Dict[str, Any]
    secrets: List[Mapping[str, str]]
    notes: List[str]
    error: str
    """Why the variables are missing; empty if they are not."""
    path: str
    """The configuration files that were read."""


def make(looks: Sequence[Mapping[str, Any]]) -> Imported:
    """Return the variables of the servers that are there; of DHCPv4 if there is none.

    ``looks`` are what kea_info gathered of the DHCPv4 server and of the DHCPv6 server.
    """
    chosen = {family: look for family, look in zip((4, 6), looks) if _is_there(look)} or {4: looks[0]}
    read = {family: look["variables"] for family, look in chosen.items()}
    values: Dict[str, Any] = {} if list(chosen) == [4] else {"kea_families": list(chosen)}
    notes: List[str] = []
    first = next(iter(read.values()))["values"] or {}
    for family, one in read.items():
        own = one["values"] or {}
        differing = [name for name in _MODE if own.get(name) != first.get(name)]
        if differing:
            notes.append(
                f"Dhcp{family}: {', '.join(differing)}: another place for leases or reservations than that of the "
                f"first server; the deployment has one mode for both, and moves them to the place of the first one"
            )
        values.update({name: _fit(value, first) for name, value in own.items() if name not in differing})
        notes += one["notes"]
    secrets = {one["variable"]: one for each in read.values() for one in each["secrets"]}
    return Imported(
        values=values,
        secrets=list(secrets.values()),
        notes=notes,
        error=next((str(one["error"]) for one in read.values() if one["error"]), ""),
        path=" and ".join(str(look["config"]["path"]) for look in chosen.values()),
    )


def _fit(value: Any, first: Mapping[str, Any]) -> Any:
    """Return a value of a variable without the options of a lease file, if no server will have one."""
    if isinstance(value, dict) and first.get("kea_db_enable_notify"):
        return {key: one for key, one in value.items() if key != "lease-database"}
    return value


def _is_there(look: Mapping[str, Any]) -> bool:
    """Return whether the server is installed and its configuration is no longer the example of its package."""
    return look["server"]["version"] is not None and not look["config"]["untouched"]
