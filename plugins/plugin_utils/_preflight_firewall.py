# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: which ports a host needs, and whether its firewall lets them in."""

from __future__ import annotations

import re
from typing import Any, Dict, Iterator, List, Mapping, Sequence, Tuple

from ._preflight_finding import Finding, refusal, warning

Values = Mapping[str, Any]
Needed = Dict[Tuple[str, int], str]
"""What each port is for, by its protocol and its number."""

PORTS = {4: 67, 6: 547}
"""UDP port of the server of each family."""


def nftables(asked: Values, found: Values) -> Iterator[Finding]:
    """Judge what nftables drops of what Kea, a pair, the monitor and PostgreSQL receive."""
    for chain in (found.get("preflight") or {}).get("firewall") or []:
        for (protocol, port), what in needed(asked, found).items():
            if not _accepts(chain["accepted"], protocol, port):
                yield warning(
                    f"nftables, chain {chain['chain']}, drops {protocol} port {port} ({what}); accept it there"
                )


def firewalld(asked: Values, found: Values) -> Iterator[Finding]:
    """Judge whether firewalld admits what the host needs, or has the zone in which the play is to admit it.

    A zone that is asked for in vain is refused: the play would fail at it, after it changed the host.
    """
    if not found:
        return
    seen, zone = found["preflight"].get("firewalld"), asked["firewalld_zone"]
    if zone and not seen:
        yield refusal(f"kea_firewalld_zone: firewalld does not run, so the zone {zone} cannot admit anything; start it")
    elif zone and zone not in seen["zones"]:
        yield refusal(f"kea_firewalld_zone: firewalld has no zone {zone}, only {', '.join(sorted(seen['zones']))}")
    elif seen and not zone:
        closed = [
            f"{protocol} port {port} ({what})"
            for (protocol, port), what in needed(asked, found).items()
            if not _accepts(seen["admitted"] or [], protocol, port)
        ]
        unknown = "it cannot be read whether firewalld admits"
        if closed:
            yield warning(
                f"{unknown if seen['admitted'] is None else 'firewalld admits in no zone'} {', '.join(closed)}; admit "
                f"that in the zone of its clients, or name the zone in kea_firewalld_zone and the play does it"
            )


def needed(asked: Values, found: Values) -> Needed:
    """Return the ports at which a host serves others."""
    ports: Needed = {}
    if asked["is_server"]:
        is_udp = ((found.get("config") or {}).get("socket_type") or "raw") == "udp"
        raw = "" if is_udp else "; Kea's raw sockets see them before the firewall does"
        if asked["family"] == 4:
            ports[("udp", PORTS[4])] = f"requests of DHCP clients and relays{raw}"
        if asked["family"] == 6 or asked["dhcp6"]:
            ports[("udp", PORTS[6])] = "requests of DHCPv6 clients"
        for port in _pair_ports(asked, found):
            ports[("tcp", port)] = "the other server of the pair"
        host, _colon, metrics = asked["metrics_listen"].rpartition(":")
        if metrics.isdigit() and host.strip("[]") not in ("localhost", "127.0.0.1", "::1"):
            ports[("tcp", int(metrics))] = "metrics of the monitor"
    if asked["is_database"] and asked["enable_database"]:
        ports[("tcp", int(asked["database_port"]))] = "PostgreSQL"
    return ports


def _pair_ports(asked: Values, found: Values) -> List[int]:
    """Return the ports at which this server of a pair listens, or will listen."""
    hooks = [
        *(asked["settings"].get("hooks-libraries") or []),
        *((found.get("config") or {}).get("hooks_libraries") or []),
    ]
    pair = asked["pair"]
    urls = [str(one["url"]) for one in pair.get("peers", []) if one["name"] == pair["this"]]
    for hook in hooks:
        relations = (hook.get("parameters") or {}).get("high-availability") if isinstance(hook, dict) else None
        for relation in relations if isinstance(relations, list) else []:
            named = [one for one in relation.get("peers", []) if one.get("name") == relation.get("this-server-name")]
            urls += [str(one.get("url", "")) for one in named]
    found_ports = [re.search(r":(\d+)/?$", url) for url in urls]
    return [int(port.group(1)) for port in found_ports if port]


def _accepts(rules: Sequence[Values], protocol: str, port: int) -> bool:
    return any(one["protocol"] in (protocol, "th") and one["first"] <= port <= one["last"] for one in rules)
