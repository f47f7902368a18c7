# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: reads from the lease monitor's configuration how it connects to PostgreSQL and where it writes files.

Also, from the file of the site's reservations, what it was told of databases.
"""

from __future__ import annotations

import json
from typing import Any, Callable, Dict, List, Optional

from .._config.tls import DEFAULT

HAS_YAML = True
try:
    import yaml
except ImportError:
    # A host with a monitor has it: the monitor needs it, too.
    HAS_YAML = False


def ssl_mode(path: str) -> Optional[str]:
    """Return libpq's sslmode; None if the database is not reached over the network, or without a readable
    configuration."""

    def read(document: Any) -> Optional[str]:
        database = document["database"]
        return None if database["host"].startswith("/") else str(database.get("ssl_mode", DEFAULT["ssl_mode"]))

    return _read(path, read)


def reservation_directory(path: str, default: str, family: int) -> Optional[str]:
    """Return where reservations of a family are written into files; None if they are not.

    Also None without a readable configuration. ``default`` is that of a sink that names no directory.
    """

    def read(document: Any) -> Optional[str]:
        own = [one for one in document["subscriptions"] if _family(one) == family]
        sinks = [sink for subscription in own for sink in subscription["sinks"]]
        found = [sink.get("directory", default) for sink in sinks if sink["type"] == "reservation_file"]
        return str(found[0]) if found else None

    return _read(path, read)


def told_of_databases(path: str) -> List[Dict[str, Any]]:
    """Return the reservations of the site that were read from databases, each with the ``database`` that had it.

    ``path`` is the file that the role kea_lease_monitor writes. None without a readable one.
    """
    try:
        with open(path, encoding="utf-8") as file:
            return [one for one in json.load(file) if one.get("database")]
    except (OSError, ValueError, TypeError, AttributeError):
        return []


def _family(subscription: Any) -> int:
    """Return the family of the files of a subscription: one with files is of one family."""
    return int(min((subscription.get("match") or {}).get("families") or [4]))


def _read(path: str, read: Callable[[Any], Optional[str]]) -> Optional[str]:
    if not HAS_YAML:
        return None
    try:
        with open(path, encoding="utf-8") as file:
            return read(yaml.safe_load(file))
    except (OSError, UnicodeDecodeError, LookupError, TypeError, AttributeError, yaml.YAMLError):
        return None
