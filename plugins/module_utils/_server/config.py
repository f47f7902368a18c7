# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: what a configuration file of Kea says about interfaces, databases, hooks and control sockets."""

from __future__ import annotations

import os
import stat
from typing import Any, Dict, List, Optional

from .._config.database import host_entries
from .._config.document import MISSING, Document
from .._config.servers import family_of, top_of_path
from .._config.secret import without_secrets
from .._config.sources import Sources, included_files
from .._config.syntax import INCLUDE_KEY, KeaJsonError
from .._kea import lease_file, tree

_PARTS = (
    "interfaces",
    "socket_type",
    "lease_database",
    "hosts_databases",
    "config_databases",
    "hooks_libraries",
    "loggers",
    "control_sockets",
    "interfaces_config",
    "dhcp_ddns",
    "keys",
)


APPLIED = "applied"
"""Directory of the included files that hold managed reservations. They change at any time and are never edited."""


def read(path: str) -> Dict[str, Any]:
    """Return these parts of the configuration file, without passwords.

    A part that the file does not have is None. If the file cannot be read, all are, and ``error`` says why.
    """
    found: Dict[str, Any] = dict.fromkeys(_PARTS)
    found.update(path=path, error=None)
    try:
        text = tree.read(path).decode("utf-8", "surrogateescape")
        found.update(_parts(Document(_whole(os.path.realpath(path), text)), top_of_path(path)))
    except OSError as error:
        found["error"] = error.strerror
    except KeaJsonError as error:
        found["error"] = str(error)
    return found


def hooks(path: str) -> Any:
    """Return ``hooks-libraries`` of the file with the secrets in it, never to be shown; None if unknown."""
    try:
        text = tree.read(path).decode("utf-8", "surrogateescape")
        value = Document(_whole(os.path.realpath(path), text)).get((top_of_path(path), "hooks-libraries"))
    except (OSError, KeaJsonError):
        return None
    return None if value is MISSING else value


def host_databases(path: str) -> Optional[List[Any]]:
    """Return the databases of reservations with the passwords in them, never to be shown; None if they are not known.

    They may stand in any file that the configuration includes.
    """
    try:
        found: Optional[List[Any]] = host_entries(_with_all_files(path), top_of_path(path))
    except (OSError, KeaJsonError):
        return None
    return found


def lease_database(path: str) -> Optional[Dict[str, Any]]:
    """Return ``lease-database`` with the password in it, never to be shown; None if it is not known.

    It is empty if the configuration has none. It may stand in any file that the configuration includes.
    """
    try:
        whole = _with_all_files(path).get((top_of_path(path),))
    except (OSError, KeaJsonError):
        return None
    if not isinstance(whole, dict):
        return None
    found = whole.get("lease-database", {INCLUDE_KEY: ""} if INCLUDE_KEY in whole else {})
    return found if isinstance(found, dict) and INCLUDE_KEY not in found else None


def _with_all_files(path: str) -> Document:
    """Return the configuration with all files that it includes but those of managed reservations.

    Raises OSError or KeaJsonError.
    """
    text = tree.read(path).decode("utf-8", "surrogateescape")
    real = os.path.realpath(path)
    return Document(Sources(real, text, included_files(real, text, lambda one: not is_applied(one))).text)


def editable_files(path: str, text: str) -> List[str]:
    """Return the included files that may be edited: those below the directory of the configuration.

    Kea tests an edit as one text, in a file that its user may read. So a file that only root may read is none of them,
    unless the configuration is such a file, too. Raises KeaJsonError.
    """
    root = os.path.dirname(os.path.realpath(path)) + "/"
    closed = _is_closed(path)

    def accept(one: str) -> bool:
        return one.startswith(root) and not is_applied(one) and (closed or not _is_closed(one))

    found: List[str] = included_files(path, text, accept)
    return found


def _is_closed(path: str) -> bool:
    """Return whether only root may read a file."""
    try:
        status = tree.status(path)
    except OSError:
        return False
    return status is not None and status.st_uid == 0 and not status.st_mode & (stat.S_IRGRP | stat.S_IROTH)


def included(path: str) -> List[str]:
    """Return the same files of a configuration on the disk; none if one of them cannot be read."""
    try:
        text = tree.read(path).decode("utf-8", "surrogateescape")
        return editable_files(os.path.realpath(path), text)
    except (OSError, KeaJsonError):
        return []


def is_applied(path: str) -> bool:
    """Return whether a file holds managed reservations, which the applier writes."""
    return os.path.basename(os.path.dirname(path)) == APPLIED


def _whole(path: str, text: str) -> str:
    """Return the configuration with the included files in their places, as ``kea_config`` edits it."""
    try:
        whole: str = Sources(path, text, editable_files(path, text)).text
    except KeaJsonError:
        # Kea says what is wrong with an included file. The parts of this file are known all the same.
        return text
    return whole


def lease_file_of(path: str, config: Optional[Dict[str, Any]] = None) -> Optional[str]:
    """Return the lease file of the server that reads the configuration file; None if its leases are in no file.

    ``config`` is what ``read`` returned for ``path``, if it was read already.
    """
    database = (config or read(path))["lease_database"]
    found: Optional[str] = lease_file.configured_path(database, family_of(top_of_path(path)))
    return found


def _parts(document: Document, top: str) -> Dict[str, Any]:
    def part(*path: str) -> Any:
        try:
            value = document.get((top, *path))
        except KeaJsonError:  # it comes from an included file
            return None
        return None if value is MISSING else without_secrets(value)

    def listed(one: str, several: str) -> Any:
        return part(several) if part(one) is None else [part(one)]

    return {
        "interfaces": part("interfaces-config", "interfaces"),
        "socket_type": part("interfaces-config", "dhcp-socket-type"),
        "lease_database": part("lease-database"),
        "hosts_databases": listed("hosts-database", "hosts-databases"),
        "config_databases": part("config-control", "config-databases"),
        "hooks_libraries": part("hooks-libraries"),
        "loggers": part("loggers"),
        "control_sockets": listed("control-socket", "control-sockets"),
        "interfaces_config": part("interfaces-config"),
        "dhcp_ddns": part("dhcp-ddns"),
        "keys": _keys(document, top),
    }


def _keys(document: Document, top: str) -> List[str]:
    value = document.get((top,))
    return sorted(str(key) for key in value) if isinstance(value, dict) else []
