# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: how the role kea_lease_monitor sets up the monitor, decided from its variables and Kea's configuration."""

from __future__ import annotations

import json
import os
from typing import Any, Dict, Iterable, List, Mapping, NamedTuple

from ._login import Database, Files, database, files, without_empty

Settings = Dict[str, Any]

RUN_DIRECTORY = "/run/kea"
KEA_DIRECTORIES = (RUN_DIRECTORY, "/etc/kea")
"""Kea's control socket and its configuration."""
FILE_SINK = "reservation_file"
DEFAULT_SOCKET = "kea4-ctrl-socket"
SITE_KEYS = ("subnet", "kind", "identifier", "address", "name")
DEFAULT_LEASE_FILE = "/var/lib/kea/kea-leases4.csv"
PACKAGES_OF_SINKS = {"webhook": ["python3-requests"]}
"""Packages that only a sink of this type needs, by their names in Debian."""


class Wanted(NamedTuple):
    """The variables of the role."""

    source: str
    """memfile, events or polling."""
    source_options: Settings
    lease_file: str
    """Empty for the one that Kea's configuration names."""
    reservations: str
    """files or database."""
    reservations_directory: str
    """Directory of what Kea includes, in which former releases of the monitor wrote, too."""
    site_reservations: List[Settings]
    discovery_directory: str
    database: Database
    subscriptions: List[Settings]
    state: str
    """sqlite or postgresql."""
    state_options: Settings
    metrics_listen: str
    webhook_secret: str
    """Secret of the sinks webhook that name no file; empty if they do not sign."""
    writable: List[str]
    log_level: str

    @property
    def in_files(self) -> bool:
        return self.reservations == "files"

    @property
    def uses_database(self) -> bool:
        return self.source != "memfile" or self.reservations == "database"

    @property
    def site_sinks(self) -> List[Settings]:
        """Sinks that the site's subscriptions name."""
        return [sink for subscription in self.subscriptions for sink in subscription.get("sinks", [])]


class Paths(NamedTuple):
    """Users and paths of the monitor on the host."""

    user: str
    kea_user: str
    config_directory: str
    config_file: str
    password_file: str
    webhook_secret_file: str
    site_file: str
    state_directory: str
    reservations: str
    """Directory of the reservations in files: what the monitor wrote, and what the applier reports."""

    @property
    def written(self) -> str:
        return f"{self.reservations}/written"

    @property
    def report(self) -> str:
        return f"{self.reservations}/report"


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


class Plan(NamedTuple):
    """How the monitor is set up."""

    in_files: bool
    """Whether reservations are files that Kea includes."""
    over_socket: bool
    """Whether PostgreSQL is reached over its unix socket."""
    uses_database: bool
    kea_socket: str
    lease_file: str
    writable: List[str]
    """Directories that the unit may write to."""
    hidden: List[str]
    """Directories of Kea that the unit does not see."""
    offline: bool
    """Whether the unit needs no network."""
    packages: List[str]
    """Packages that the site's sinks need besides those of every monitor, by their names in Debian."""
    config: Settings
    site: List[Settings]
    """The reservations of the site, for the file that the sinks read."""


def wanted(variables: Mapping[str, Any]) -> Wanted:
    """Return the variables of the role, given without their prefix."""
    known = {name: variables[name] for name in Wanted._fields}
    return Wanted(**{**known, "database": database(variables["database"])})


def make(asked: Wanted, look: Mapping[str, Any], certificates: Mapping[str, Any], paths: Paths) -> Plan:
    """Return the plan.

    look is what kea_info found, empty before it has run; certificates is the result of kea_certificates, empty without
    one.
    """
    kea_config, reservations = look.get("config") or {}, look.get("reservations") or {}
    lease_file = asked.lease_file or _lease_file(kea_config) or DEFAULT_LEASE_FILE
    writable = _writable(asked, paths)
    return Plan(
        in_files=asked.in_files,
        over_socket=asked.database.is_local,
        uses_database=asked.uses_database,
        kea_socket=os.path.join(RUN_DIRECTORY, _socket(kea_config)),
        lease_file=lease_file,
        writable=writable,
        hidden=_hidden([lease_file, *writable, *_read(asked)]),
        offline=_offline(asked),
        packages=_unique(name for sink in asked.site_sinks for name in PACKAGES_OF_SINKS.get(sink["type"], [])),
        config=_config(asked, lease_file, files(certificates), paths, reservations.get("global_subnets") or []),
        site=_site(asked, reservations.get("site") or []),
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
        {**root, "path": paths.reservations, "state": "directory", "mode": "0755"},
        {**directory, "path": paths.written, "group": paths.kea_user, "mode": "2750"},
        {**directory, "path": paths.report, "owner": paths.kea_user, "group": paths.user, "mode": "2750"},
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


def _socket(kea_config: Mapping[str, Any]) -> str:
    """Return the control socket that Kea's configuration names; a bare name is one in Kea's run directory."""
    sockets = [one for one in kea_config.get("control_sockets") or [] if one.get("socket-type") == "unix"]
    return str(sockets[0]["socket-name"]) if sockets else DEFAULT_SOCKET


def _lease_file(kea_config: Mapping[str, Any]) -> str:
    found = kea_config.get("lease_database") or {}
    return str(found.get("name", "")) if found.get("type", "memfile") == "memfile" else ""


def _writable(asked: Wanted, paths: Paths) -> List[str]:
    reservations = [paths.written] if asked.in_files else []
    sinks = [_placed(asked, paths, sink) for sink in asked.site_sinks]
    own = [sink["directory"] for sink in sinks if "directory" in sink]
    return _unique([asked.discovery_directory, *reservations, *own, *asked.writable])


def _read(asked: Wanted) -> List[str]:
    """Return the paths that the site has the monitor and its commands read."""
    found = [asked.source_options.get("path")]
    for sink in asked.site_sinks:
        found += [sink.get(key) for key in ("template", "secret_file", "ca_file")]
        found += sink.get("command") or []
    return [path for path in found if isinstance(path, str)]


def _hidden(used: Iterable[str]) -> List[str]:
    """Return the directories of Kea in which none of these paths is."""
    return [one for one in KEA_DIRECTORIES if not any(_is_below(path, one) for path in used)]


def _is_below(path: str, directory: str) -> bool:
    return os.path.normpath(path).startswith(f"{directory}/")


def _placed(asked: Wanted, paths: Paths, sink: Settings) -> Settings:
    """Return a sink of the site. Reservations in files are where the applier watches, unless it names another place."""
    if sink["type"] != FILE_SINK or sink.get("directory", asked.reservations_directory) != asked.reservations_directory:
        return sink
    return {**sink, "directory": paths.written, "report": paths.report}


def _unique(paths: Iterable[str]) -> List[str]:
    return list(dict.fromkeys(paths))


def _offline(asked: Wanted) -> bool:
    """A command or a web server of the site may need the network; metrics and the database may be served over it."""
    sends = any(sink["type"] in ("exec", "webhook") for sink in asked.site_sinks)
    return asked.database.is_local and not asked.metrics_listen and not sends


def _site(asked: Wanted, found: List[Settings]) -> List[Settings]:
    """Return the reservations of the configuration and of the variables, which in check mode are not there yet."""
    every = [tuple(one.get(key, "") for key in SITE_KEYS) for one in [*asked.site_reservations, *found]]
    return [dict(zip(SITE_KEYS, one)) for one in dict.fromkeys(every)]


def _config(asked: Wanted, lease_file: str, certificates: Files, paths: Paths, global_subnets: List[int]) -> Settings:
    """Return the monitor's configuration file as a document."""
    source = {"type": asked.source, **({"path": lease_file} if asked.source == "memfile" else {})}
    sqlite = {"path": f"{paths.state_directory}/state.sqlite"}
    state = {"type": asked.state, **(sqlite if asked.state == "sqlite" else {})}
    config: Settings = {
        "source": {**source, **asked.source_options},
        "state": {**state, **asked.state_options},
        "log_level": asked.log_level,
        "subscriptions": [_subscription(asked, one, paths, global_subnets) for one in asked.subscriptions],
    }
    if asked.uses_database:
        config["database"] = _database(asked.database, certificates, paths)
    if asked.metrics_listen:
        config["metrics"] = {"listen": asked.metrics_listen}
    return config


def _subscription(asked: Wanted, named: Settings, paths: Paths, global_subnets: List[int]) -> Settings:
    """Return a subscription whose sinks know the reservations of the site; with the usual sinks if it names none."""
    known: Dict[str, Settings] = {
        FILE_SINK: {"site_file": paths.site_file},
        "reservation": {
            "site_file": paths.site_file,
            **({"global_subnets": global_subnets} if global_subnets else {}),
        },
        "webhook": {"secret_file": paths.webhook_secret_file} if asked.webhook_secret else {},
    }
    sinks = [_placed(asked, paths, sink) for sink in named["sinks"]] if "sinks" in named else _sinks(asked, paths)
    return {**named, "sinks": [{**known.get(sink["type"], {}), **sink} for sink in sinks]}


def _sinks(asked: Wanted, paths: Paths) -> List[Settings]:
    """Return the sinks of a subscription that names none."""
    reservations: Settings = {"type": "reservation"}
    if asked.in_files:
        reservations = _placed(asked, paths, {"type": FILE_SINK})
    return [reservations, {"type": "discovery", "directory": asked.discovery_directory}]


def _database(one: Database, certificates: Files, paths: Paths) -> Settings:
    """Return the section database. It names an ssl_mode wherever it can: libpq's default would accept no TLS."""
    password = {"password_file": paths.password_file} if one.password else {}
    tls = {
        "ssl_mode": one.strictest_mode,
        "ca_file": certificates.trust_anchor,
        "cert_file": certificates.certificate,
        "key_file": certificates.key,
    }
    named = {"host": one.host, "port": one.port, "name": one.name, "user": one.user}
    return {**named, **password, **without_empty(tls)}
