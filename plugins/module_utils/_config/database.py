# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: creates, changes and removes a database entry in a configuration, for a given version of Kea."""

from __future__ import annotations

import glob
import os
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Tuple

from .._errors import KeaError
from . import mysql_host
from .document import MISSING, Document
from .packagings import HOOK_DIRECTORIES
from .path import Path, Where
from .syntax import INCLUDE_KEY, KeaJsonError
from .versions import Capabilities

HOST, HOSTS = "hosts-database", "hosts-databases"
"""Keys of the only database of reservations, and of the list of them. Kea accepts one of both."""
HOOKS = {"postgresql": "libdhcp_pgsql.so", "mysql": "libdhcp_mysql.so"}

SERVERS = ("mysql", "postgresql")
# Tries after which Kea gives up on a lost database; with the default wait this is more than eleven days.
RECONNECT_TRIES = 1_000_000
RECONNECT_WAIT = 1000  # ms
# With these Kea reconnects to a lost database by itself; with its own defaults the server would stop.
RECOVERY = {
    "retry_on_startup": True,
    "max_reconnect_tries": RECONNECT_TRIES,
    "reconnect_wait_time": RECONNECT_WAIT,
}
# Seconds after which Kea gives up on an unreachable host if there are others. It has several connections, and tries
# them one after the other; with the kernel's default each would take minutes.
SEVERAL_HOSTS = {"tcp_user_timeout": 5, "connect_timeout": 3}
# What Kea does while its database is lost. A Kea that serves without its leases refuses every client with a NAK, also
# one that renews, which then loses its address (seen with 2.6 and 3.0). Without an answer the client keeps it.
ON_FAIL = {"lease": "stop-retry-exit", "hosts": "serve-retry-continue", "config": "serve-retry-continue"}
# Passwords of Kea's documentation (default_credentials.cc).
DEFAULT_PASSWORDS = ("1234", "keatest", "*****")


class Option(NamedTuple):
    """One key of the entry: the types of database, versions of Kea and purposes that have it."""

    types: Tuple[str, ...]
    capability: Optional[str] = None
    """Field of Capabilities that must be true; None for a key that every supported Kea knows."""
    purposes: Tuple[str, ...] = ("lease", "hosts", "config")


# The grammar's database_map_param; Kea's file has hyphens instead of underscores.
OPTIONS: Dict[str, Option] = {
    "type": Option(("memfile", *SERVERS)),
    "name": Option(("memfile", *SERVERS)),
    "host": Option(SERVERS),
    "port": Option(SERVERS),
    "user": Option(SERVERS),
    "password": Option(SERVERS),
    "persist": Option(("memfile",)),
    "lfc_interval": Option(("memfile",)),
    "max_row_errors": Option(("memfile",)),
    "on_fail": Option(("memfile", *SERVERS)),
    "retry_on_startup": Option(SERVERS, "retry_on_startup"),
    "max_reconnect_tries": Option(SERVERS),
    "reconnect_wait_time": Option(SERVERS),
    "connect_timeout": Option(SERVERS),
    "read_timeout": Option(("mysql",), "socket_timeouts"),
    "write_timeout": Option(("mysql",), "socket_timeouts"),
    "tcp_user_timeout": Option(("postgresql",), "socket_timeouts"),
    "readonly": Option(SERVERS, None, ("hosts",)),
    "trust_anchor": Option(SERVERS),
    "cert_file": Option(SERVERS),
    "key_file": Option(SERVERS),
    "cipher_list": Option(("mysql",)),
    "ssl_mode": Option(("postgresql",)),
}
# Kea before 3.1 ignores these for PostgreSQL, or does not start with them; tls.py uses the environment instead.
TLS_KEYS = ("trust_anchor", "cert_file", "key_file", "ssl_mode")


def entry_of(params: Mapping[str, Any], kea: Capabilities) -> Dict[str, Any]:
    """Return the entry for this Kea from the module's options; None and empty text mean "not given".

    Raises KeaError for an option that this Kea, type or purpose does not have, and for a value that breaks it.
    """
    if params["type"] == "memfile" and params["purpose"] != "lease":
        raise KeaError("memfile is for purpose lease only")
    given = {name: params[name] for name in OPTIONS if params[name] not in (None, "")}
    if params["type"] == "postgresql" and not kea.postgresql_tls_keys:
        given = {name: value for name, value in given.items() if name not in TLS_KEYS}
    for name in given:
        _refuse_unknown(name, params["type"], params["purpose"], kea)
    if params["type"] in SERVERS:
        recovery = {name: value for name, value in RECOVERY.items() if _knows(name, kea)}
        if "," in str(given.get("host", "")):
            recovery.update({name: value for name, value in SEVERAL_HOSTS.items() if _knows(name, kea)})
        given = {"on_fail": ON_FAIL[params["purpose"]], **recovery, **given}
        _check_values(given, kea)
        if given["type"] == "mysql" and "trust_anchor" in given:
            given["host"] = mysql_host.verified(str(given.get("host", "localhost")))
    return {name.replace("_", "-"): given[name] for name in OPTIONS if name in given}


def put_entry(document: Document, top: str, purpose: str, entry: Dict[str, Any]) -> Document:
    """Set the entry. Keys of an existing one that have no option stay. Raises KeaJsonError."""
    document = _respelled(document, top, purpose, entry)
    path = _path(document, top, purpose, entry)
    if path[-2:-1] == (HOSTS,):
        document = _as_list(document, top)
    if document.get(path) is MISSING:
        return document.put(path, entry)
    for name in OPTIONS:
        key = name.replace("_", "-")
        document = document.put((*path, key), entry[key]) if key in entry else document.drop((*path, key))
    return document


def put_alone(document: Document, top: str, purpose: str, entry: Dict[str, Any]) -> Document:
    """Remove other entries of the same type; if the entry is new, the first of them becomes it. Raises KeaJsonError."""
    document = _respelled(document, top, purpose, entry)
    path = _path(document, top, purpose, entry)
    if purpose == "lease" or path[-1] == HOST:
        return document
    document = _as_list(document, top) if purpose == "hosts" else document
    found = _listed(document, path[:-1])
    same = [one for one in found if isinstance(one, dict) and one.get("type") == entry["type"]]
    kept = next((one for one in same if _where(entry).matches(one)), same[0] if same else None)
    if kept is None:
        return document
    others = [one for one in same if one is not kept]
    turned = {**kept, **dict(_where(entry).members)}
    return document.put(path[:-1], [turned if one is kept else one for one in found if one not in others])


def host_entries(document: Document, top: str) -> Optional[List[Any]]:
    """Return the databases of reservations in Kea's order; None if a file that is not in the document may name them."""
    try:
        whole = document.get((top,))
    except KeaJsonError:
        return None
    if not isinstance(whole, dict):
        return None
    if not {HOST, HOSTS} & set(whole):
        return None if INCLUDE_KEY in whole else []
    several = [whole[HOST]] if HOST in whole else whole[HOSTS]
    return several if isinstance(several, list) else None


def over_network(document: Document, top: str, purpose: str, entry: Mapping[str, Any]) -> List[Dict[str, Any]]:
    """Return all entries that reach PostgreSQL over the network, except this one of this purpose."""
    purposes = {
        "lease": [document.get((top, "lease-database"))],
        "hosts": [document.get((top, HOST)), *_listed(document, (top, HOSTS))],
        "config": _listed(document, (top, "config-control", "config-databases")),
    }
    return [
        one
        for kind, entries in purposes.items()
        for one in entries
        if isinstance(one, dict) and one.get("type") == "postgresql" and not str(one.get("host")).startswith("/")
        if kind != purpose or not _where(entry).matches(one)
    ]


def drop_all(document: Document, top: str, purpose: str, entry: Dict[str, Any]) -> Document:
    """Remove all entries of the same type."""
    before = None
    while document is not before:
        before, document = document, drop_entry(document, top, purpose, {"type": entry["type"]})
    return document


def drop_entry(document: Document, top: str, purpose: str, entry: Dict[str, Any]) -> Document:
    """Remove the entry with this type, name and host (as far as given), and lists or maps that become empty.

    The hook stays: other entries may use it, and it has no effect alone.
    """
    document = _respelled(document, top, purpose, entry)
    path = _path(document, top, purpose, entry)
    found = document.get(path)
    if found is MISSING or not _where(entry).matches(found):
        return document
    document = document.drop(path)
    for end in range(len(path) - 1, 1, -1):
        if document.get(path[:end]) in ([], {}):
            document = document.drop(path[:end])
    return document


def put_hook(document: Document, top: str, database: str, library: str) -> Document:
    """Add the hook of a type of database, unless it is there already, from any directory."""
    found = document.get((top, "hooks-libraries"))
    libraries: List[Any] = [] if found is MISSING or not isinstance(found, list) else found
    names = [os.path.basename(str(entry.get("library"))) for entry in libraries if isinstance(entry, dict)]
    if HOOKS[database] in names:
        return document
    return document.put((top, "hooks-libraries", Where((("library", library),))), {})


def find_hook(database: str) -> Optional[str]:
    """Return the path of the installed hook of a type of database; None if it is not installed."""
    return find_library(HOOKS[database])


def find_library(name: str, directory: str = "") -> Optional[str]:
    """Return the path of an installed hook library; None if it is not installed.

    ``directory`` is a pattern of where to look; empty for where the packagings have hooks.
    """
    found = [
        path
        for pattern in ([directory] if directory else HOOK_DIRECTORIES)
        for path in sorted(glob.glob(os.path.join(pattern, name)))
    ]
    return found[0] if found else None


def _respelled(document: Document, top: str, purpose: str, entry: Mapping[str, Any]) -> Document:
    """Give the existing entry the host of this one, with or without the option that verifies the certificate."""
    if entry["type"] != "mysql" or "host" not in entry:
        return document
    for host in mysql_host.spellings(entry["host"]):
        there = {**entry, "host": host}
        path = _path(document, top, purpose, there)
        if host == entry["host"] or not _where(there).matches(document.get(path)):
            continue
        if not isinstance(path[-1], Where):
            return document.put((*path, "host"), entry["host"])
        found = _listed(document, path[:-1])
        return document.put(
            path[:-1], [{**one, "host": entry["host"]} if path[-1].matches(one) else one for one in found]
        )
    return document


def _path(document: Document, top: str, purpose: str, entry: Mapping[str, Any]) -> Path:
    if purpose == "lease":
        return (top, "lease-database")
    where = _where(entry)
    if purpose == "config":
        return (top, "config-control", "config-databases", where)
    single = document.get((top, HOST))
    if single is not MISSING and where.matches(single):
        return (top, HOST)
    return (top, HOSTS, where)


def identity_of(entry: Mapping[str, Any]) -> Dict[str, Any]:
    """Return the members that identify an entry: its type, name and host, as far as it has them."""
    return {key: entry[key] for key in ("type", "name", "host") if key in entry}


def _where(entry: Mapping[str, Any]) -> Where:
    return Where(tuple(identity_of(entry).items()))


def _listed(document: Document, path: Path) -> List[Any]:
    found = document.get(path)
    return found if isinstance(found, list) else []


def _as_list(document: Document, top: str) -> Document:
    """Move hosts-database into the list hosts-databases: Kea accepts only one of the two keys."""
    single = document.get((top, HOST))
    if single is MISSING:
        return document
    return document.drop((top, HOST)).put((top, HOSTS), [single])


def _knows(name: str, kea: Capabilities) -> bool:
    capability = OPTIONS[name].capability
    return capability is None or bool(getattr(kea, capability))


def _refuse_unknown(name: str, database: str, purpose: str, kea: Capabilities) -> None:
    option = OPTIONS[name]
    if database not in option.types:
        raise KeaError(f"{name} is for {' and '.join(option.types)}, not for {database}")
    if purpose not in option.purposes:
        raise KeaError(f"{name} is for purpose {' and '.join(option.purposes)}, not for {purpose}")
    memfile_on_fail = name == "on_fail" and database == "memfile"
    if not _knows(name, kea) or (memfile_on_fail and not kea.memfile_on_fail):
        raise KeaError(f"Kea {kea.version} does not know {name} for {database} and would refuse to start")


def _check_mysql_host(host: str) -> None:
    if "," in host:
        raise KeaError("several hosts are for postgresql: MySQL's client library accepts no list")
    if not mysql_host.is_host(host):
        raise KeaError("host holds a ; or =, and MySQL's client library would take it for options")


def _check_values(given: Mapping[str, Any], kea: Capabilities) -> None:
    """Raise KeaError for values that break Kea's connection text: it is not quoted and split at blanks
    (dbaccess_parser.cc)."""
    for name in ("name", "host", "user", "password"):
        value = str(given.get(name, ""))
        if "'" in value or "\\" in value:
            raise KeaError(f"{name} holds a quote (') or a backslash, which break Kea's connection to the database")
        if name != "password" and any(letter.isspace() for letter in value):
            raise KeaError(f"{name} holds a blank, which breaks Kea's connection to the database")
    if given["type"] == "mysql":
        _check_mysql_host(str(given.get("host", "")))
    if "name" not in given:
        raise KeaError("name is missing: the name of the database")
    if not 1 <= given.get("port", 1) <= 65535:
        raise KeaError(f"port {given['port']} is not between 1 and 65535; some versions of Kea would ignore it")
    if (given["max_reconnect_tries"] == 0) != (given["reconnect_wait_time"] == 0):
        raise KeaError("max_reconnect_tries and reconnect_wait_time work only together: both or neither must be 0")
    if kea.refuses_default_passwords and given.get("password") in DEFAULT_PASSWORDS:
        raise KeaError(f"Kea {kea.version} refuses this password, because Kea's documentation contains it")
