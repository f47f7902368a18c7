# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: what the lease monitor's configuration says of its connection to PostgreSQL."""

from __future__ import annotations

from typing import Optional

from .._config.tls import DEFAULT

HAS_YAML = True
try:
    import yaml
except ImportError:
    # Where there is a monitor, there it is: the monitor needs it itself.
    HAS_YAML = False


def ssl_mode(path: str) -> Optional[str]:
    """How much the monitor insists on, as libpq's sslmode; None without a database over the network, and where its
    configuration cannot be read."""
    if not HAS_YAML:
        return None
    try:
        with open(path, encoding="utf-8") as file:
            database = yaml.safe_load(file)["database"]
        return None if database["host"].startswith("/") else str(database.get("ssl_mode", DEFAULT["ssl_mode"]))
    except (OSError, UnicodeDecodeError, LookupError, TypeError, AttributeError, yaml.YAMLError):
        return None
