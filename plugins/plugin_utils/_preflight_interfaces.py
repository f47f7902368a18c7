# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: whether the interfaces are there that Kea will listen on."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any, Iterator, Mapping

from ._preflight_finding import Finding, refusal, warning
from ._preflight_variables import interfaces_of
from ._server_plan import RETRIES

Values = Mapping[str, Any]

MAX_RETRIES = "service-sockets-max-retries"
"""Key of interfaces-config. Without it, or with 0, Kea opens its sockets once, when it starts."""


def interfaces(asked: Values, found: Values) -> Iterator[Finding]:
    """Judge the interfaces that Kea will listen on. One that is there may come up later.

    Kea refuses a configuration with an interface that is not there, or without the address that is named with it. So
    does the play where the variables name it. Where the server's own file does, a person decides.
    """
    if not asked["is_server"] or not found:
        return
    there = {one["name"]: one for one in found["preflight"]["interfaces"]}
    for text in interfaces_of(asked, found):
        name, _slash, address = text.partition("/")
        if name == "*":
            continue
        missing = _missing(name, address, there)
        if missing and interfaces_of(asked, {}):
            yield refusal(f"kea_dhcp{asked['family']}_interfaces: {missing}; Kea refuses such a configuration")
        elif missing:
            yield warning(
                f"{missing}; Kea's own configuration names it, and Kea refuses to start or to be changed with it until "
                f"it is there"
            )
        else:
            yield from _state(asked["family"], there[name], _later(asked, found))


def _missing(name: str, address: str, there: Mapping[str, Values]) -> str:
    """Return what the host lacks of an interface and the address that is named with it; empty if it lacks nothing."""
    if name not in there:
        return f"there is no interface {name}; this host has {', '.join(sorted(set(there) - {'lo'}))}"
    known = there[name].get("addresses")
    if not address or known is None:
        return ""
    try:
        has = ip_address(address) in map(ip_address, known)
    except ValueError:
        return f"{address!r} of {name}/{address} is no address"
    return "" if has else f"the interface {name} does not have the address {address}, but {', '.join(known) or 'none'}"


def _later(asked: Values, found: Values) -> str:
    """Return what becomes of an interface that Kea cannot open when it starts."""
    asked_map = asked["settings"].get("interfaces-config") or {}
    site = {**((found.get("config") or {}).get("interfaces_config") or {}), **asked_map}
    if site.get(MAX_RETRIES) or (asked["interfaces"] and not set(RETRIES) & set(site)):
        return "Kea serves it later"
    name = f"kea_dhcp{asked['family']}_settings"
    return (
        f"if it still is when Kea starts, Kea does not serve it until Kea is restarted: set {MAX_RETRIES} in "
        f"interfaces-config of {name}, and Kea serves it later"
    )


def _state(family: int, seen: Values, later: str) -> Iterator[Finding]:
    """Judge an interface that is there."""
    name = seen["name"]
    if seen["up"] is False:
        yield warning(f"the interface {name} is down; {later}")
    elif seen["link"] is False:
        yield warning(f"the interface {name} has no link; {later}")
    elif family == 6 and seen.get("link_local") is False:
        yield warning(
            f"the interface {name} has no link-local address, which kea-dhcp6 needs: look whether IPv6 is off "
            f"there (sysctl net.ipv6.conf.{name}.disable_ipv6)"
        )
