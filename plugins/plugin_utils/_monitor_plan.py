# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: how the role kea_lease_monitor sets up the monitor, decided from its variables and Kea's configuration."""

from __future__ import annotations

import json
import os
from typing import Any, Dict, Iterable, List, Mapping, NamedTuple, Sequence

from ..module_utils._config.servers import INCLUDES
from ..module_utils._kea.lease_file import configured_path
from ..module_utils._monitor.names import APPLIERS
from ._login import files
from ._monitor_config import config as make_config
from ._monitor_config import placed, site, subnets, unread
from ._monitor_input import Paths, Settings, Wanted

RUN_DIRECTORY = "/run/kea"
KEA_DIRECTORIES = (RUN_DIRECTORY, "/etc/kea")
"""Kea's control socket and its configuration."""
PACKAGES_OF_SINKS = {"webhook": ["python3-requests"]}
"""Packages that only a sink of this type needs, by their names in Debian."""
DEFAULT_SOCKET = "kea{}-ctrl-socket"
DEFAULT_LEASE_FILE = "/var/lib/kea/kea-leases{}.csv"


class Texts(NamedTuple):
    """Contents to write."""

    config: str
    site: List[Settings]
    """The reservations of the site."""
    units: Mapping[str, str]
    """By the path of the unit."""
    reservation_units: Mapping[str, str]
    """The unit that has Kea use new reservations in files, by its path."""
    validate: str
    """Command that refuses a configuration that the new release cannot use."""


class Server(NamedTuple):
    """What the monitor and its service need of one server of Kea."""

    family: int
    config: str
    program: str
    unit: str
    """With its suffix."""
    socket: str
    """Its control socket."""
    lease_file: str
    leases_elsewhere: bool
    """Whether it keeps its leases in no file."""
    reservations: str
    """Directory of the reservations in files; see Paths."""
    included: str
    """Directory of the reservations that it includes."""
    service: str
    """Unit of the service that has it use reservations in files."""


class Plan(NamedTuple):
    """How the monitor is set up."""

    servers: List[Dict[str, Any]]
    """The servers of Kea, each as Server has it."""

    in_files: bool
    """Whether reservations are files that Kea includes."""
    over_socket: bool
    """Whether PostgreSQL is reached over its unix socket."""
    uses_database: bool
    writable: List[str]
    """Directories that the unit may write to."""
    hidden: List[str]
    """Directories of Kea that the unit does not see."""
    offline: bool
    """Whether the unit needs no network."""
    has_commands: bool
    """Whether it starts a process for each batch, which then gets a control group of its own."""
    packages: List[str]
    """Packages that the site's sinks need besides those of every monitor, by their names in Debian."""
    config: Settings
    site: List[Settings]
    """The reservations of the site, for the file that the sinks read."""
    unread: List[str]
    """Sentences for the databases of the site whose reservations are not known."""


def make(asked: Wanted, looks: Sequence[Mapping[str, Any]], certificates: Mapping[str, Any], paths: Paths) -> Plan:
    """Return the plan.

    looks are what kea_info found of the server of each family, empty before it has run; certificates is the result of
    kea_certificates, empty without one.
    """
    by_family = dict(zip(asked.families, [*looks, *({} for _family in asked.families)]))
    servers = [_server(asked, family, look, paths) for family, look in by_family.items()]
    writable = _writable(asked, paths)
    lease_files = {one.family: one.lease_file for one in servers}
    return Plan(
        servers=[one._asdict() for one in servers],
        in_files=asked.in_files,
        over_socket=asked.database.is_local,
        uses_database=asked.uses_database,
        writable=writable,
        hidden=_hidden([*lease_files.values(), *writable, *_read(asked)]),
        offline=_offline(asked),
        has_commands=_has_commands(asked),
        packages=_unique(name for sink in asked.site_sinks for name in PACKAGES_OF_SINKS.get(sink["type"], [])),
        config=make_config(asked, lease_files, files(certificates), paths, subnets(asked, by_family)),
        site=site(asked, by_family),
        unread=unread(asked, by_family),
    )


def _server(asked: Wanted, family: int, look: Mapping[str, Any], paths: Paths) -> Server:
    kea_config, packaging = look.get("config") or {}, look.get("packaging") or {}
    named = asked.lease_file if family == asked.families[0] else ""
    directory = asked.reservations_directory if family == 4 else INCLUDES[6]
    return Server(
        family=family,
        config=f"/etc/kea/kea-dhcp{family}.conf",
        program=packaging.get("program") or "",
        unit=f"{packaging.get('unit') or ''}.service",
        socket=os.path.join(RUN_DIRECTORY, _socket(kea_config, family)),
        lease_file=named or _lease_file(kea_config) or DEFAULT_LEASE_FILE.format(family),
        leases_elsewhere=not named and configured_path(kea_config.get("lease_database"), family) is None,
        reservations=paths.of(family),
        included=f"{directory}/applied",
        service=APPLIERS[family],
    )


def make_files(asked: Wanted, paths: Paths, texts: Texts) -> List[Settings]:
    """Return the directories, the password, the configuration and the units, as kea_files takes them.

    The monitor's user and Kea's user each write one directory of reservations, and read the other one as its group.
    """
    root = {"owner": "root", "group": "root"}
    shared = {"owner": "root", "group": paths.user, "mode": "0640"}
    directory = {"owner": paths.user, "state": "directory"}
    own = [sink.get("directory", "") for sink in asked.site_sinks if sink["type"] == "discovery"]
    discovery = [asked.discovery_directory, *filter(None, own)]
    secrets = [(paths.password_file, asked.database.password), (paths.webhook_secret_file, asked.webhook_secret)]
    units = {**texts.units, **texts.reservation_units}
    reservations: List[Settings] = [
        one
        for family in asked.families
        for one in (
            {**root, "path": paths.of(family), "state": "directory", "mode": "0755"},
            {**directory, "path": paths.written(family), "group": paths.kea_user, "mode": "2750"},
            {**directory, "path": paths.report(family), "owner": paths.kea_user, "group": paths.user, "mode": "2750"},
        )
    ]
    return [
        {**shared, "path": paths.config_directory, "state": "directory", "mode": "0750"},
        {**root, "path": "/opt/baremetal", "state": "directory", "mode": "0755"},
        {**directory, "path": paths.state_directory, "group": paths.user, "mode": "0750"},
        *({**directory, "path": path, "group": paths.kea_user, "mode": "0755"} for path in discovery),
        *reservations,
        *(_secret(path, content, shared) for path, content in secrets),
        # Before the configuration, which is refused without it.
        {**shared, "path": paths.site_file, "content": f"{json.dumps(texts.site)}\n"},
        {**shared, "path": paths.config_file, "content": texts.config, "validate": texts.validate},
        *({**root, "path": path, "mode": "0644", "content": text} for path, text in units.items()),
    ]


def _secret(path: str, content: str, shared: Settings) -> Settings:
    """Return the file of a secret; without one there is none."""
    return (
        {**shared, "path": path, "secret": True, "content": content}  # nosec B105
        if content
        else {"path": path, "state": "absent"}
    )


def _socket(kea_config: Mapping[str, Any], family: int) -> str:
    """Return the control socket that Kea's configuration names; a bare name is one in Kea's run directory."""
    sockets = [one for one in kea_config.get("control_sockets") or [] if one.get("socket-type") == "unix"]
    return str(sockets[0]["socket-name"]) if sockets else DEFAULT_SOCKET.format(family)


def _lease_file(kea_config: Mapping[str, Any]) -> str:
    found = kea_config.get("lease_database") or {}
    return str(found.get("name", "")) if found.get("type", "memfile") == "memfile" else ""


def _writable(asked: Wanted, paths: Paths) -> List[str]:
    reservations = [paths.written(family) for family in asked.families] if asked.in_files else []
    sinks = [placed(asked, paths, sink, family) for family in asked.families for sink in asked.site_sinks]
    own = [sink["directory"] for sink in sinks if "directory" in sink]
    return _unique([asked.discovery_directory, *reservations, *own, *asked.writable])


def _read(asked: Wanted) -> List[str]:
    """Return the paths that the site has the monitor and its commands read."""
    found = [asked.source_options.get(key) for key in ("path", "path6")]
    for sink in asked.site_sinks:
        found += [sink.get(key) for key in ("template", "secret_file", "ca_file")]
        found += sink.get("command") or []
    return [path for path in found if isinstance(path, str)]


def _hidden(used: Iterable[str]) -> List[str]:
    """Return the directories of Kea in which none of these paths is."""
    return [one for one in KEA_DIRECTORIES if not any(_is_below(path, one) for path in used)]


def _is_below(path: str, directory: str) -> bool:
    return os.path.normpath(path).startswith(f"{directory}/")


def _unique(paths: Iterable[str]) -> List[str]:
    return list(dict.fromkeys(paths))


def _offline(asked: Wanted) -> bool:
    """A command or a web server of the site may need the network; metrics and the database may be served over it."""
    return asked.database.is_local and not asked.metrics_listen and not _has_commands(asked)


def _has_commands(asked: Wanted) -> bool:
    return any(sink["type"] in ("exec", "webhook") for sink in asked.site_sinks)
