# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: what the role kea_ddns does on a host: the configuration of D2 and the files of its TSIG keys."""

from __future__ import annotations

import json
import os
from typing import Any, Dict, List, Mapping, NamedTuple, Sequence

from ..module_utils._kea.control import unix_sockets
from . import _control_socket as control_socket

Settings = Dict[str, Any]

INCLUDE = "<?include?>"
ALGORITHM = "HMAC-SHA256"
CONTROL_SOCKET = "/run/kea/kea-ddns-ctrl-socket"
RESERVED = ("tsig-keys", "forward-ddns", "reverse-ddns")
"""Keys of DhcpDdns that have variables of their own."""
SUFFIXES = {True: ".key", False: ".json"}
"""Suffix of the file of a key, by whether D2 reads the secret from it or includes it in its configuration."""


class Wanted(NamedTuple):
    """The variables of the role."""

    forward_zones: List[Settings]
    reverse_zones: List[Settings]
    keys: List[Settings]
    settings: Settings


class Names(NamedTuple):
    """Names on the host that the role uses."""

    config: str
    record: str
    directory: str
    """Directory of the keys' files."""
    user: str
    """User that Kea runs as."""


class Found(NamedTuple):
    """D2 before the change, as kea_info returns it."""

    is_installed: bool = False
    outdated: bool = False
    has_secret_file: bool = True
    """Whether D2 reads a secret from a file of its own."""
    has_unix_socket: bool = False
    """Whether one of the control sockets is a unix socket."""
    keys: List[str] = []
    """Keys of the map DhcpDdns."""
    included: List[str] = []


class Results(NamedTuple):
    """Results of the tasks that ran so far."""

    changed_paths: List[str] = []
    config_changed: bool = False
    interrupted: bool = False
    """Whether a killed deployment may have left files that D2 did not read."""


class Plan(NamedTuple):
    """What the role does."""

    is_installed: bool
    """False in check mode on a new host, which stays without D2."""
    files: List[Settings]
    """Files of the keys, as kea_files takes them; without ``is_installed`` none, because Kea's user is missing."""
    merge: Settings
    settings: Settings
    absent: List[str]
    """Secrets that a site wrote into the configuration, of keys that the variables name."""
    included: List[str]
    """Included files that the merge may edit: not those of the keys."""
    kept: List[str]
    """All files that a failed change reverts, each directory before what is in it."""
    needs_restart: bool


def wanted(variables: Mapping[str, Any]) -> Wanted:
    return Wanted(**{name: variables[name] for name in Wanted._fields})


def found(look: Mapping[str, Any]) -> Found:
    """Return what kea_info and the list of the directory found. Before they have run, both are empty."""
    server, config = look.get("server") or {}, look.get("config") or {}
    return Found(
        is_installed=server.get("version") is not None,
        outdated=bool(server.get("outdated")),
        has_secret_file=bool((server.get("capabilities") or {}).get("tsig_secret_file", True)),
        has_unix_socket=control_socket.has_unix(config.get("control_sockets")),
        keys=list(config.get("keys") or []),
        included=list(config.get("included") or []),
    )


def results(registered: Mapping[str, Any]) -> Results:
    """Return the registered results of the tasks, given as files, config and remembered."""
    return Results(
        changed_paths=list((registered.get("files") or {}).get("changed_paths") or []),
        config_changed=bool((registered.get("config") or {}).get("changed")),
        interrupted=bool((registered.get("remembered") or {}).get("interrupted")),
    )


def make(asked: Wanted, names: Names, now: Found, done: Results) -> Plan:
    """Return the plan. Results are those of the tasks that ran so far."""
    secrets = [_key_file(names, now, one) for one in asked.keys]
    directory = {"path": names.directory, "state": "directory", "owner": "root", "group": names.user, "mode": "0750"}
    files = [directory, *secrets] if secrets and now.is_installed else []
    return Plan(
        is_installed=now.is_installed,
        files=files,
        merge=_merge(asked, names, now),
        settings={}
        if now.has_unix_socket
        else control_socket.settings("DhcpDdns", CONTROL_SOCKET, (*now.keys, *asked.settings)),
        absent=[f"DhcpDdns/tsig-keys[name={one['name']}]/secret" for one in asked.keys if now.has_secret_file],
        included=[path for path in now.included if not path.startswith(f"{names.directory}/")],
        kept=[names.config, names.record, *(one["path"] for one in files)],
        needs_restart=now.outdated or done.config_changed or done.interrupted or bool(done.changed_paths),
    )


def _merge(asked: Wanted, names: Names, now: Found) -> Settings:
    merged = control_socket.joined(asked.settings, CONTROL_SOCKET)
    for key, zones in (("forward-ddns", asked.forward_zones), ("reverse-ddns", asked.reverse_zones)):
        if zones:
            merged[key] = {"ddns-domains": zones}
    if asked.keys:
        merged["tsig-keys"] = [_key(names, now, one) for one in asked.keys]
    return merged


def _key(names: Names, now: Found, key: Settings) -> Settings:
    """Return a key as D2 reads it: its secret is in a file."""
    rest = {name: value for name, value in key.items() if name != "secret"}
    path = _path(names, now, key)
    secret = {"secret-file": path} if now.has_secret_file else {"secret": {INCLUDE: path}}
    return {"algorithm": ALGORITHM, **rest, **secret}


def _key_file(names: Names, now: Found, key: Settings) -> Settings:
    secret = str(key["secret"])
    text = secret if now.has_secret_file else json.dumps(secret)
    own = {"owner": names.user, "group": names.user, "mode": "0400", "secret": True}  # nosec B105
    return {**own, "path": _path(names, now, key), "content": text}


def _path(names: Names, now: Found, key: Settings) -> str:
    """Return the path of the file of a key. Its name is one of DNS, without a slash, as the preflight requires."""
    return os.path.join(names.directory, str(key["name"]).lower().rstrip(".") + SUFFIXES[now.has_secret_file])


def names_options(d2: Mapping[str, Any], servers: Sequence[Mapping[str, Any]], families: Sequence[int]) -> str:
    """Return the options of the program that sends names again: the control sockets.

    ``d2`` and ``servers`` are what kea_info found of D2 and of the server of each family.
    """
    sockets = {"ddns-socket": d2, **{f"control-socket{family}": one for family, one in zip(families, servers)}}
    found = {name: unix_sockets((look.get("config") or {}).get("control_sockets")) for name, look in sockets.items()}
    return " ".join(f"--{name} {paths[0]}" for name, paths in found.items() if paths)
