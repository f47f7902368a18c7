# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: reads the TLS mode of the lease monitor's connection to PostgreSQL from its configuration."""

from __future__ import annotations

from typing import Optional

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
    if not HAS_YAML:
        return None
    try:
        with open(path, encoding="utf-8") as file:
            database = yaml.safe_load(file)["database"]
        return None if database["host"].startswith("/") else str(database.get("ssl_mode", DEFAULT["ssl_mode"]))
    except (OSError, UnicodeDecodeError, LookupError, TypeError, AttributeError, yaml.YAMLError):
        return None
