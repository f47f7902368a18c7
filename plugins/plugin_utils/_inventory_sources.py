# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: the source that the options name, and where its records are in a cache."""

from __future__ import annotations

import hashlib
import json
from typing import Any, Callable, List, Mapping

from . import _inventory_control as control
from . import _inventory_directory as directory
from . import _inventory_postgres as postgres
from ._inventory_records import InventoryError, Record

_CONNECTION = (
    *("source", "schema", "login_user", "login_host", "login_unix_socket", "login_port", "login_db"),
    *("control_url", "control_url6", "control_username", "directory"),
)
"""Options that decide which records are read. No password is one: its digest in the name of a file could be guessed."""

_FORMAT = 2
"""Format of the records in a cache. A release that changes ``Record`` counts it up."""


def read(params: Mapping[str, Any], warn: Callable[[str], None]) -> List[Record]:
    """Return all records of the source. ``params`` are the plugin's options. Raises KeaError."""
    source = params["source"]
    if source == "postgresql":
        return postgres.read(params)
    if source == "control":
        return control.read(params, warn)
    if not params["directory"]:
        raise InventoryError("source=directory needs the option directory")
    return directory.read(params["directory"], params["strict"], warn)


def cache_key(params: Mapping[str, Any]) -> str:
    """Return a digest that differs if other records would be read, or if their format is another one."""
    options = json.dumps([_FORMAT, *(params[name] for name in _CONNECTION)])
    return hashlib.sha256(options.encode()).hexdigest()[:16]
