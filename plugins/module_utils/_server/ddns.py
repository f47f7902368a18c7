# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: Kea's D2 (kea-dhcp-ddns) on this host: whether it runs, and whether its zones and names are in DNS."""

from __future__ import annotations

import contextlib
from itertools import islice
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Optional

from .._config.servers import DDNS
from .._kea import control, dns, named_leases, zones
from . import config, served, state

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

TIMEOUT = 2.0
"""Seconds for each of two attempts to ask a DNS server, and for an answer of D2."""
LOOKED_UP = 20
"""Leases whose names are looked up."""

Facts = Dict[str, Any]


def read(module: AnsibleModule, dhcp_sockets: Any, family: int) -> Facts:
    """Return the facts of D2. ``dhcp_sockets`` are the control sockets of the DHCP server of this ``family``."""
    sockets = config.read(zones.CONFIG)["control_sockets"]
    running = served.running(sockets, DDNS)
    return {
        "server": state.server(module, zones.CONFIG),
        "failures": _failures(sockets),
        "zones": [fact for way in zones.DIRECTIONS for zone in zones.zones(running or {}, way) for fact in _ask(zone)],
        "names": _names(dhcp_sockets, family, running) if running else None,
    }


def _failures(sockets: Any) -> Optional[int]:
    """Return how many changes of names D2 failed to bring to DNS since it started; None if it does not tell."""
    for path in control.unix_sockets(sockets):
        with contextlib.suppress(control.ControlError):
            return zones.failures(control.send(path, "statistic-get-all", TIMEOUT).arguments)
    return None


def _ask(zone: zones.Zone) -> List[Facts]:
    """Return for each server of a zone whether it has the zone."""
    return [{"zone": zone.name, "server": _words(one), "error": _error(zone, one)} for one in zone.servers]


def _error(zone: zones.Zone, server: dns.Endpoint) -> str:
    try:
        return "" if dns.ask(server, zone.name, dns.SOA, TIMEOUT) else "it does not have the zone"
    except dns.DnsError as error:
        return str(error)


def _words(server: dns.Endpoint) -> str:
    return server.address if server.port == dns.PORT else f"{server.address} port {server.port}"


def _names(dhcp_sockets: Any, family: int, running: Mapping[str, Any]) -> Facts:
    """Return how many names of leases were looked up, and what was ``wrong``; ``error`` says why none was."""
    forward, reverse = (zones.zones(running, way) for way in zones.DIRECTIONS)
    found: Facts = {"looked_up": 0, "wrong": [], "error": ""}
    try:
        for path in control.unix_sockets(dhcp_sockets)[:1]:
            for lease in islice(named_leases.read(path, family), LOOKED_UP):
                problem = named_leases.wrong_in_dns(lease, forward, reverse, TIMEOUT)
                found["looked_up"] += 1
                found["wrong"] += [problem] if problem else []
    except (control.ControlError, dns.DnsError) as error:
        found["error"] = str(error)
    return found
