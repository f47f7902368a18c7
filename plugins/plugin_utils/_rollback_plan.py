# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: what a roll-back does on a host, decided from its manifest."""

from __future__ import annotations

import os
import re
from typing import Any, Dict, Iterable, List, Mapping, NamedTuple

from ..module_utils._config.packagings import DDNS_SERVERS, SERVERS, units_of
from ..module_utils._config.servers import DDNS, top_of
from ..module_utils._kea.zones import CONFIG as DDNS_CONFIG


_CLUSTER = re.compile(r"/etc/postgresql/([^/]+)/([^/]+)/(.+)")
_OPTIONS = "conf.d/baremetal-kea.conf"
"""Of the role kea_database; its other files are read at a reload."""


class Wanted(NamedTuple):
    """What a person asks the playbook for."""

    to: str
    """polling, previous_release or before_deploy."""
    enable_notify: bool
    """Whether the leases stay in PostgreSQL."""
    keep_constraint: bool
    config: str
    """Path of the configuration of the server."""
    family: int
    """Of the server."""
    unit: str
    """Of the DHCPv4 server, as a person names it; empty for that of a packaging."""


class Plan(NamedTuple):
    """What the roll-back does."""

    lines: List[str]
    """The steps, for the operator."""
    is_rolled_back: bool
    """Whether the host is rolled back already: only data that was not named is left."""
    was_rolled_back: bool
    """Whether no deployment happened after the last roll-back."""
    restores_config: bool
    restarts: bool
    """Whether Kea must read again a file that its configuration includes and that is restored, or loses its sessions.

    A Kea whose configuration says nothing else ends when PostgreSQL restarts.
    """
    removes_kea: bool
    """Whether Kea's package is removed, because a deployment installed it."""
    hands_over: bool
    """Whether Kea is stopped, or restarted with the configuration found, in which it may be half of no pair."""
    kea_was_active: bool
    """Whether Kea ran before the first deployment."""
    clusters: List[Dict[str, str]]
    """Clusters of PostgreSQL that must read restored files: ``unit``, and the ``state`` of it that does so."""
    restarts_ddns: bool
    """Whether D2 ran before the first deployment, and must read its restored configuration again."""
    config_found: Dict[str, Any]
    """State of Kea's configuration before the first deployment."""


def wanted(variables: Mapping[str, Any]) -> Wanted:
    known = {name: variables[name] for name in Wanted._fields}
    return Wanted(**{**known, "family": int(known["family"])})


def make(asked: Wanted, checked: Mapping[str, Any]) -> Plan:
    """Return the plan; checked is the result of kea_manifest with the state checked."""
    steps = {(one["kind"], one["name"]): one["action"] for one in checked["plan"]}
    found = {one["name"]: one["found"] for one in checked["entries"]}
    directory = f"{os.path.dirname(asked.config)}/"
    # The move of the leases restarts each server with its own configuration. D2 reads another one.
    unread = [*(f"{directory}kea-dhcp{family}.conf" for family in SERVERS), DDNS_CONFIG]
    clusters = _clusters(name for (kind, name), action in steps.items() if kind == "file" and action != "keep")
    rolled_back = checked["deployed"] is None and checked["unfinished"] is None
    units = units_of(top_of(asked.family), asked.unit)
    active = [one for one in units if found.get(one, {}).get("active", False)]
    restores_config = steps.get(("file", asked.config)) == "restore"
    stopped = any(steps.get(("unit", one), "keep") != "keep" for one in set(units) - set(active))
    removed = any(steps.get(("package", one)) == "remove" for one in SERVERS[asked.family])
    return Plan(
        lines=_lines(asked, checked),
        is_rolled_back=rolled_back and "remove" not in steps.values(),
        was_rolled_back=rolled_back,
        restores_config=restores_config,
        restarts=any(one["state"] == "restarted" for one in clusters)
        or any(
            kind == "file" and action == "restore" and name.startswith(directory) and name not in unread
            for (kind, name), action in steps.items()
        ),
        clusters=clusters,
        removes_kea=removed,
        hands_over=removed or stopped or restores_config,
        kea_was_active=bool(active),
        restarts_ddns=(
            steps.get(("file", DDNS_CONFIG)) == "restore"
            and any(found.get(one, {}).get("active", False) for one in units_of(DDNS, asked.unit))
            and not any(steps.get(("package", one)) == "remove" for one in DDNS_SERVERS)
        ),
        config_found=found.get(asked.config, {"state": "absent"}),
    )


def _clusters(changed: Iterable[str]) -> List[Dict[str, str]]:
    """Return what PostgreSQL needs to read these files. Only its options need a restart, which ends all sessions."""
    found: Dict[str, str] = {}
    for name in sorted(changed):
        match = _CLUSTER.match(name)
        if match:
            unit = f"postgresql@{match[1]}-{match[2]}"
            found[unit] = "restarted" if match[3] == _OPTIONS or found.get(unit) == "restarted" else "reloaded"
    return [{"unit": unit, "state": state} for unit, state in found.items()]


def _lines(asked: Wanted, checked: Mapping[str, Any]) -> List[str]:
    if asked.to == "before_deploy":
        return list(checked["plan_lines"])
    if asked.to == "previous_release":
        return [_release(checked["releases"]), "the state of the monitor is downgraded to what that release knows"]
    return [
        "the lease monitor acts upon all events",
        "Kea keeps its leases in the database, and the lease monitor reads them there"
        if asked.enable_notify
        else "Kea serves from its lease file, to which all leases are moved, and the lease monitor reads that",
        "the trigger, its function and the events are removed",
        "the constraint stays, because kea_rollback_constraint is not set"
        if asked.keep_constraint
        else "the constraint is removed, if the collection created it",
    ]


def _release(releases: List[str]) -> str:
    if len(releases) < 2:
        return "there is no earlier release"
    return f"the release {releases[-2]} of the lease monitor is in force, with its configuration and unit"
