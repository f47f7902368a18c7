# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: the zones of Kea's D2 (kea-dhcp-ddns), as its configuration names them, and the names of leases in them."""

from __future__ import annotations

from typing import Any, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from .dns import PORT, Endpoint

TOP = "DhcpDdns"
CONFIG = "/etc/kea/kea-dhcp-ddns.conf"
FORWARD, REVERSE = "forward-ddns", "reverse-ddns"
DIRECTIONS = (FORWARD, REVERSE)
_WILDCARD = "*"
"""Name of a domain of D2 that has all names of no other one."""
_FAILURES = ("update-timeout", "update-error", "queue-mgr-queue-full", "ncr-error")
"""Statistics of D2 that count changes of names which did not reach DNS."""


class Zone(NamedTuple):
    """One zone."""

    name: str
    servers: Tuple[Endpoint, ...]
    """In the order in which D2 tries them."""


def failures(statistics: Mapping[str, Any]) -> int:
    """Return how many changes did not reach DNS since D2 started. ``statistics`` answers ``statistic-get-all``."""
    return sum(int(statistics[name][0][0]) for name in _FAILURES if statistics.get(name))


def zones(config: Mapping[str, Any], direction: str) -> List[Zone]:
    """Return the zones of a direction. ``config`` is the map DhcpDdns.

    The wildcard is left out: it is no name that a server could be asked for, and its server may have any zones.
    """
    listed = (config.get(direction) or {}).get("ddns-domains") or []
    return [
        Zone(
            str(one["name"]),
            tuple(
                Endpoint(str(server["ip-address"]), int(server.get("port", PORT)))
                for server in one.get("dns-servers") or []
            ),
        )
        for one in listed
        if str(one["name"]) != _WILDCARD
    ]


def zone_of(name: str, known: Sequence[Zone]) -> Optional[Zone]:
    """Return the zone that D2 changes for a name: the longest one that it is in; None for none."""
    text = f".{_bare(name)}"
    fitting = [one for one in known if text.endswith(f".{_bare(one.name)}")]
    return max(fitting, key=lambda one: len(_bare(one.name)), default=None)


def _bare(name: str) -> str:
    return name.lower().rstrip(".")
