# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All reservation files of a monitor as one JSON document, for a backup or for new hardware."""

from __future__ import annotations

import json
import os
import re
import time
from typing import Any, Callable, Dict, Iterable, List, Mapping, NamedTuple, Sequence, Tuple

from _kea import host_maps
from _kea.identifiers import TYPES, parse, spell

from kea_lease_monitor import batch_files, files
from kea_lease_monitor.errors import ConfigurationError, TemporaryError
from kea_lease_monitor.kea import identifiers
from kea_lease_monitor.kea.applier.hosts import Claim, claims_of
from kea_lease_monitor.kea.applier.report import REQUESTED

VERSION = 1

_FILE = re.compile(r"subnet-(\d{1,10})\.json")
_MODE = 0o640

Hosts = Mapping[int, Sequence[Dict[str, Any]]]
"""Host maps by subnet."""


Done = Callable[[], None]
"""Is told that one more is done."""


class Imported(NamedTuple):
    """What an import would add to the files of a directory."""

    contents: Mapping[str, bytes]
    """New content of the files that change, by path."""
    added: int
    unchanged: int
    conflicts: List[str]
    """Sentences about reservations that another one excludes. They are left out."""
    claims: Sequence[Claim] = ()
    """What those claim that are not left out."""


def _nothing() -> None:
    """Do nothing: no person waits."""


def export(directory: str, done: Done = _nothing) -> str:
    """Return the document; ``done`` is called for each reservation. Raises TemporaryError for an unreadable file."""
    hosts: Dict[int, List[Any]] = {}
    for subnet in _subnets(directory):
        hosts[subnet] = []
        for one in _read(_path(directory, subnet)).maps:
            hosts[subnet].append(one.value)
            done()
    return json.dumps({"version": VERSION, "reservations": hosts}, indent=1)


def load(text: str) -> Hosts:
    """Return the reservations of a document. Raises ConfigurationError that names the entry."""
    try:
        document = json.loads(text)
        if document["version"] != VERSION:
            raise ConfigurationError(f"version {document['version']!r} is not known, only {VERSION}")
        found = {int(subnet): list(hosts) for subnet, hosts in document["reservations"].items()}
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise ConfigurationError(f"this is no document that kea-lease-monitor export printed: {error}") from error
    for subnet, hosts in found.items():
        for number, host in enumerate(hosts):
            _check(host, f"reservation {number} of subnet {subnet}")
    return found


def _check(host: Any, name: str) -> None:
    try:
        _keys(host)
    except (ValueError, TypeError, AttributeError) as error:
        raise ConfigurationError(f"{name}: {error}") from error


def plan(directory: str, hosts: Hosts, done: Done = _nothing) -> Imported:
    """Return what an import adds. What is there stays; ``done`` is called for each reservation of ``hosts``.

    Raises TemporaryError for a file that cannot be read.
    """
    contents: Dict[str, bytes] = {}
    added, unchanged, conflicts = 0, 0, []
    claims: List[Claim] = []
    for subnet, wanted in sorted(hosts.items()):
        maps = _read(_path(directory, subnet))
        known = {key: one.value for one in maps.maps for key in _known(one.value)}
        texts: List[Tuple[str, str]] = [(one.comment, one.text) for one in maps.maps]
        for host in wanted:
            done()
            other = next((known[key] for key in _keys(host) if key in known), None)
            if other is None:
                texts.append(("", json.dumps(host)))
                known.update(dict.fromkeys(_keys(host), host))
            unchanged += other == host
            claims += claims_of(subnet, host) if other in (None, host) else []
            conflicts += [] if other in (None, host) else [f"subnet {subnet}: {_name(host)} meets {_name(other)}"]
        if len(texts) > len(maps.maps):
            added += len(texts) - len(maps.maps)
            content = host_maps.render(texts, maps.comment)
            contents[_path(directory, subnet)] = content.encode("utf-8", "surrogateescape")
    return Imported(contents, added, unchanged, conflicts, claims)


def write(directory: str, contents: Mapping[str, bytes]) -> None:
    """Write the files, and request that Kea reads them. Raises TemporaryError."""
    batch_files.replace_all(contents, _MODE)
    files.touch(os.path.join(directory, REQUESTED), time.time())
    files.sync_directory(directory)


def _subnets(directory: str) -> List[int]:
    try:
        names = os.listdir(directory)
    except OSError as error:
        raise TemporaryError(f"{directory} cannot be read: {error.strerror}") from error
    return sorted(int(found[1]) for found in map(_FILE.fullmatch, names) if found)


def _read(path: str) -> host_maps.HostMaps:
    try:
        return host_maps.parse((files.read(path) or b"").decode("utf-8", "surrogateescape"))
    except ValueError as error:
        raise TemporaryError(f"{path}: {error}") from error


def _path(directory: str, subnet: int) -> str:
    return os.path.join(directory, f"subnet-{subnet}.json")


def _keys(host: Mapping[str, Any]) -> List[Tuple[str, str]]:
    """Return the identifier and the address, of each of which a subnet has one. Raises ValueError, TypeError."""
    kinds = [kind for kind in TYPES if kind in host]
    if len(kinds) != 1:
        raise ValueError(f"one of {', '.join(TYPES)} is needed")
    keys = [(kinds[0], spell(parse(host[kinds[0]])))]
    if "ip-address" in host:
        keys.append(("ip-address", identifiers.dotted(identifiers.number(host["ip-address"]))))
    return keys


def _known(host: Any) -> Iterable[Tuple[str, str]]:
    """Return the same of a reservation that is there; nothing of one that Kea refuses."""
    try:
        return _keys(host)
    except (ValueError, TypeError, AttributeError):
        return []


def _name(host: Mapping[str, Any]) -> str:
    return " ".join(str(host[key]) for key in (*TYPES, "ip-address") if key in host)
