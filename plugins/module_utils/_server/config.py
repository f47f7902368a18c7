# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: what a configuration file of Kea says about interfaces, databases, hooks and control sockets."""

from __future__ import annotations

from typing import Any, Dict, List, Optional

from .._config.document import MISSING, Document
from .._config.servers import family_of, top_of_path
from .._config.secret import without_secrets
from .._config.syntax import KeaJsonError
from .._kea import lease_file

_PARTS = (
    "interfaces",
    "socket_type",
    "lease_database",
    "hosts_databases",
    "config_databases",
    "hooks_libraries",
    "control_sockets",
    "interfaces_config",
    "keys",
)


def read(path: str) -> Dict[str, Any]:
    """Return these parts of the configuration file, without passwords.

    A part that the file does not have is None. If the file cannot be read, all are, and ``error`` says why.
    """
    found: Dict[str, Any] = dict.fromkeys(_PARTS)
    found.update(path=path, error=None)
    try:
        with open(path, "rb") as file:
            document = Document(file.read().decode("utf-8", "surrogateescape"))
        found.update(_parts(document, top_of_path(path)))
    except OSError as error:
        found["error"] = error.strerror
    except KeaJsonError as error:
        found["error"] = str(error)
    return found


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
        "control_sockets": listed("control-socket", "control-sockets"),
        "interfaces_config": part("interfaces-config"),
        "keys": _keys(document, top),
    }


def _keys(document: Document, top: str) -> List[str]:
    value = document.get((top,))
    return sorted(str(key) for key in value) if isinstance(value, dict) else []
