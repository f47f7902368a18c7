# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: findings of a verification, and what it expects."""

from __future__ import annotations

from typing import Any, List, Mapping, NamedTuple, Optional

from .._config.packagings import UNITS
from .._config.servers import top_of

OK, WARN, WRONG = "ok", "warn", "wrong"
SEVERITIES = (WRONG, WARN, OK)
"""Worst first: wrong needs action at once, warn on the next day."""

DEPLOY = "run kea_deploy.yml"

Facts = Mapping[str, Any]
"""Facts by name: results of kea_info, and those that host.py adds."""


class Finding(NamedTuple):
    """Result of one check."""

    name: str
    verdict: str
    seen: str
    todo: str = ""
    """What a person should do about it; empty if all is well."""


class Expected(NamedTuple):
    """Expected state, from the variables of the deployment."""

    leases: str
    """memfile or postgresql."""
    reservations: str
    """files or postgresql."""
    timer: bool
    tls: bool
    """Whether the database may be reached by TLS only."""
    kea_role: str
    monitor_role: str
    subnets: Optional[List[int]] = None
    """Ids of the subnets in which the lease monitor is to reserve addresses; None for all."""
    host: bool = True
    """Whether what the servers of a host share is judged, too."""
    dhcp6: bool = False
    """Whether changes of DHCPv6 leases become events, too."""

    @property
    def database(self) -> bool:
        """Return whether leases or reservations are expected in a database."""
        return "postgresql" in (self.leases, self.reservations)


def kea_unit(facts: Facts) -> str:
    """Return the name of the unit of the server."""
    unit = facts["server"]["unit"]
    return str(unit["name"]) if unit else UNITS[top_of(facts["family"])][0]


def journal(unit: str) -> str:
    """Return the command that shows the last lines of a unit's journal."""
    return f"journalctl -u {unit} -n 30"
