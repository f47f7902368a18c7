# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: the leases whose names Kea keeps in DNS, read with the hook lease_cmds, and whether DNS has them."""

from __future__ import annotations

from typing import Any, Iterator, List, Mapping, NamedTuple, Sequence

from . import control, dns
from .zones import Zone, zone_of

PAGE = 500
"""Leases of one command. Kea serves no client while it answers one."""
TIMEOUT = 10.0
"""Seconds that Kea has for a page."""
OTHER_FAMILY = "of the other family"
"""What a name is that only has addresses of the other family."""
_ASSIGNED = 0
_OTHER = {dns.A: dns.AAAA, dns.AAAA: dns.A}
"""Type of the addresses of the other family."""


class Named(NamedTuple):
    """A living lease with a name in DNS."""

    address: str
    name: str
    """The whole name with its dot."""
    forward: bool
    """Whether Kea keeps the address of the name."""
    reverse: bool
    """Whether Kea keeps the name of the address."""
    hwaddr: str = ""
    client_id: str = ""
    duid: str = ""


def read(socket: str, family: int, page: int = PAGE) -> Iterator[Named]:
    """Yield the living leases with names of the server at this control socket.

    Raises ControlError, also if the server has no hook lease_cmds.
    """
    command, start = f"lease{family}-get-page", "start"
    while True:
        answer = control.send(socket, command, TIMEOUT, {"from": start, "limit": page})
        if answer.result not in (control.SUCCESS, control.EMPTY):
            raise control.ControlError(command, socket, answer.text)
        listed: List[Mapping[str, Any]] = list(answer.arguments.get("leases") or [])
        yield from (_named(one) for one in listed if _is_named(one))
        if len(listed) < page:
            return
        start = str(listed[-1]["ip-address"])


def wrong_in_dns(lease: Named, forward: Sequence[Zone], reverse: Sequence[Zone], timeout: float) -> str:
    """Return what is wrong with the name of a lease in DNS; empty if nothing is. Names outside all zones are right.

    Raises DnsError if the server of a zone cannot be asked.
    """
    zone = zone_of(lease.name, forward)
    if lease.forward and zone and zone.servers:
        kind = dns.AAAA if ":" in lease.address else dns.A
        addresses = dns.ask(zone.servers[0], lease.name, kind, timeout)
        if lease.address not in addresses:
            # D2 counts a machine as a client for each family (RFC 4701).
            others = [] if addresses else dns.ask(zone.servers[0], lease.name, _OTHER[kind], timeout)
            found = addresses or [f"{one} {OTHER_FAMILY}" for one in others] or ["missing"]
            return f"{lease.name} is {', '.join(found)}, not {lease.address}"
    back = dns.reverse_name(lease.address)
    zone = zone_of(back, reverse)
    if lease.reverse and zone and zone.servers:
        names = dns.ask(zone.servers[0], back, dns.PTR, timeout)
        if lease.name not in names:
            return f"{lease.address} is {', '.join(names) or 'missing'}, not {lease.name}"
    return ""


def is_in_dns(lease: Named, forward: Sequence[Zone], reverse: Sequence[Zone], timeout: float) -> bool:
    """Return whether DNS has the address of the name, or the name of the address. Raises DnsError as above."""
    zone = zone_of(lease.name, forward)
    if lease.forward and zone and zone.servers:
        kind = dns.AAAA if ":" in lease.address else dns.A
        if lease.address in dns.ask(zone.servers[0], lease.name, kind, timeout):
            return True
    back = dns.reverse_name(lease.address)
    zone = zone_of(back, reverse)
    return bool(
        lease.reverse and zone and zone.servers and lease.name in dns.ask(zone.servers[0], back, dns.PTR, timeout)
    )


def _is_named(lease: Mapping[str, Any]) -> bool:
    return bool(
        dns.is_name(str(lease.get("hostname") or ""))
        and lease.get("state", _ASSIGNED) == _ASSIGNED
        and (lease.get("fqdn-fwd") or lease.get("fqdn-rev"))
        and lease.get("type", "IA_NA") != "IA_PD"
    )


def _named(lease: Mapping[str, Any]) -> Named:
    name = str(lease["hostname"]).lower().rstrip(".") + "."
    client = (str(lease.get(key) or "") for key in ("hw-address", "client-id", "duid"))
    return Named(str(lease["ip-address"]), name, bool(lease.get("fqdn-fwd")), bool(lease.get("fqdn-rev")), *client)
