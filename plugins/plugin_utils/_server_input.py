# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: what the plan of the role kea_server is made from: its variables, the host, and results of its tasks."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, NamedTuple, Sequence

from ..module_utils._config.servers import subnets_key
from . import _control_socket as control_socket
from ._ddns import NO_DDNS, Ddns, ddns
from ._login import Database, Files, database, files
from ._pair import NO_PAIR, Pair, pair

Settings = Dict[str, Any]


class Wanted(NamedTuple):
    """The variables of the role."""

    lease_database: str
    """memfile or postgresql."""
    hosts_database: str
    """none or postgresql."""
    database: Database
    reservations_directory: str
    interfaces: List[str]
    subnets: List[Settings]
    shared_networks: List[Settings]
    settings: Settings
    config_group: str
    """Group that may read the configuration; empty for Kea's user alone."""
    exclusive: bool
    """Whether subnets and shared networks that the variables do not name are removed."""
    family: int = 4
    """Of the server: 4 or 6."""
    reservations: Sequence[Settings] = ()
    """Reservations given beforehand, each with its subnet-id."""
    pair: Pair = NO_PAIR
    ddns: Ddns = NO_DDNS

    @property
    def named(self) -> List[Settings]:
        """The subnets of the variables, those of shared networks too."""
        return named_subnets(self.subnets, self.shared_networks, self.family)

    @property
    def uses_database(self) -> bool:
        return "postgresql" in (self.lease_database, self.hosts_database)

    @property
    def reservations_in_files(self) -> bool:
        return self.hosts_database == "none" and bool(self.reservations_directory)

    @property
    def applied(self) -> str:
        """Directory of the reservations that Kea includes: the applier writes them there after a test."""
        return f"{self.reservations_directory}/applied"

    def included(self, subnet: int) -> str:
        """Return the path of the file with the reservations of the subnet with this id."""
        return f"{self.applied}/subnet-{subnet}.json"

    @property
    def ssl_mode(self) -> str:
        """ssl_mode in Kea's configuration, named so that a previous one does not stay; empty over a unix socket."""
        one = self.database
        default = "" if one.is_local or one.trust_anchor or one.certificate else "prefer"
        return one.ssl_mode or default


class Found(NamedTuple):
    """The server and its configuration before the change, as kea_info returns them."""

    is_installed: bool = False
    outdated: bool = False
    tls_environment: Mapping[str, str] = {}
    """libpq's variables of the running Kea: before Kea 3.1, its TLS settings are there."""
    untouched: bool = False
    """Whether the configuration is the example of Debian's package."""
    has_unix_socket: bool = False
    """Whether one of the control sockets is a unix socket."""
    interfaces_config: Settings = {}
    keys: List[str] = []
    """Keys of the map at the top, such as Dhcp4."""
    included: List[str] = []
    """Files that the configuration includes and that may be edited."""
    subnets: List[Settings] = []
    """Every subnet of the configuration; none of those of the example."""
    hooks: str = ""
    """Directory of Kea's hooks; empty if it is unknown."""
    ddns_conflict_modes: bool = True
    """Whether this Kea knows the modes of conflict resolution, or else a switch."""
    reservation_hook: str = ""
    """Path of the hook by which Kea takes reservations by command; empty if it is not installed."""
    hooks_libraries: List[Settings] = []
    loggers: List[Settings] = []
    directory: Mapping[str, str] = {}
    """Owner and mode of the directory of the configuration."""
    lease_database: Settings = {}
    hosts_databases: List[Settings] = []
    former_monitor: bool = False
    """Whether the lease monitor is of a release that writes beside what Kea includes."""


class Results(NamedTuple):
    """Results of the tasks that ran so far; empty for those that did not."""

    certificates: Files = Files()
    pair_certificates: Files = Files()
    changed_paths: List[str] = []
    new_paths: List[str] = []
    config_changed: bool = False
    restarted: bool = False
    """Whether a move of leases restarted the server."""


class Names(NamedTuple):
    """Names on the host that the role uses."""

    config: str
    candidate: str
    """Copy of the configuration that is edited when leases or reservations move."""
    unit_addition: str
    user: str
    """User that Kea runs as."""


def named_subnets(subnets: Sequence[Settings], shared_networks: Sequence[Settings], family: int) -> List[Settings]:
    """Return the subnets of the variables, those of shared networks too."""
    key = subnets_key(family)
    return [*subnets, *(one for shared in shared_networks for one in shared.get(key) or [])]


def served_subnets(found: Mapping[str, Any]) -> List[Dict[str, Any]]:
    """Return the subnets that a server has, by kea_info; none if its configuration is the example of its package."""
    return [] if (found.get("config") or {}).get("untouched") else list(found.get("subnets") or [])


def wanted(variables: Mapping[str, Any]) -> Wanted:
    """Return the variables of the role, given without their prefix."""
    known = {name: variables[name] for name in Wanted._fields if name in variables}
    known["database"] = database(variables["database"])
    known["family"] = int(known.get("family", 4))
    if "pair" in variables:
        known["pair"] = pair(variables["pair"])
    if "ddns" in variables:
        known["ddns"] = ddns(variables["ddns"])
    return Wanted(**known)


def found(look: Mapping[str, Any]) -> Found:
    """Return what kea_info found. Before it has run, look is empty and the host counts as one without Kea."""
    server, config = look.get("server") or {}, look.get("config") or {}
    untouched = bool(config.get("untouched"))
    return Found(
        is_installed=server.get("version") is not None,
        outdated=bool(server.get("outdated")),
        tls_environment=server.get("tls_environment") or {},
        untouched=untouched,
        has_unix_socket=control_socket.has_unix(config.get("control_sockets")),
        interfaces_config=config.get("interfaces_config") or {},
        keys=list(config.get("keys") or []),
        included=list(config.get("included") or []),
        hooks=server.get("hooks") or "",
        ddns_conflict_modes=bool((server.get("capabilities") or {}).get("ddns_conflict_modes", True)),
        reservation_hook=server.get("reservation_hook") or "",
        hooks_libraries=list(config.get("hooks_libraries") or []),
        loggers=list(config.get("loggers") or []),
        subnets=[] if untouched else list(look.get("subnets") or []),
        directory=config.get("directory") or {},
        lease_database=config.get("lease_database") or {},
        hosts_databases=list(config.get("hosts_databases") or []),
        former_monitor=(look.get("monitor") or {}).get("former_applier") is not None,
    )


def results(registered: Mapping[str, Any]) -> Results:
    """Return the registered results of the tasks, given as certificates, pair_certificates, files, config and moved."""
    written = registered.get("files") or {}
    return Results(
        certificates=files(registered.get("certificates") or {}),
        pair_certificates=files(registered.get("pair_certificates") or {}),
        changed_paths=list(written.get("changed_paths") or []),
        new_paths=list(written.get("new_paths") or []),
        config_changed=bool((registered.get("config") or {}).get("changed")),
        restarted="silence" in (registered.get("moved") or {}),
    )
