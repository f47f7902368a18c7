# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: checks the variables about names in DNS, before anything is changed."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from typing import Any, Iterator, List, Mapping, NamedTuple, Optional

from ..module_utils._config.identity import domain_name
from ._ddns import CHECKED, MODE, MODES, SWITCH, UNCHECKED, Settings, has_both, modes_in
from ._ddns_plan import RESERVED

NAMES = ("ddns-", "hostname-char-")
"""Beginnings of Kea's keys about names."""
REVERSE = (".in-addr.arpa", ".ip6.arpa")
_NAME = re.compile(r"(?!.{254})(?:[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.)+")
"""A name of DNS with the dot at its end, in letters that need no escape anywhere."""
_KEY = re.compile(r"(?!.{254})[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?\.?")


class Asked(NamedTuple):
    """The variables about names in DNS."""

    enabled: bool = False
    names: Any = None
    forward_zones: Any = None
    reverse_zones: Any = None
    keys: Any = None
    settings: Any = None


def asked(variables: Mapping[str, Any]) -> Asked:
    return Asked(**{name: variables[name] for name in Asked._fields if name in variables})


def problems(one: Asked, servers: Settings, has_modes: Optional[bool]) -> List[str]:
    """Return a sentence for each variable with which no names can reach DNS.

    ``servers`` are the variables of the DHCP servers. ``has_modes`` says whether this Kea knows the modes of conflict
    resolution; None if there is no Kea yet.
    """
    found = [*_modes(modes_in([one.names, servers]), has_modes)]
    if has_both(servers) or has_both(one.names):
        found.append(f"{MODE} and {SWITCH} stand side by side, and may contradict each other; remove {SWITCH}")
    if not one.enabled:
        return found
    if not one.forward_zones and not one.reverse_zones:
        found.append("kea_enable_ddns: true needs a zone in kea_ddns_forward_zones or kea_ddns_reverse_zones; set one")
    for variable, value in (("forward_zones", one.forward_zones), ("reverse_zones", one.reverse_zones)):
        found += _others(f"kea_ddns_{variable}", value, "{name: bmc.example.org., dns-servers: [...]}")
        found += _zones(f"kea_ddns_{variable}", _maps(value), variable == "reverse_zones")
    found += _keys(_maps(one.keys))
    found += _settings(one)
    return found


def _modes(modes: List[str], has_modes: Optional[bool]) -> Iterator[str]:
    for mode in dict.fromkeys(modes):
        if mode not in MODES:
            yield f"ddns-conflict-resolution-mode: {mode!r} is none of {', '.join(MODES)}"
        elif mode not in (CHECKED, UNCHECKED) and has_modes is False:
            yield (
                f"ddns-conflict-resolution-mode: the Kea of this host knows {CHECKED} and {UNCHECKED} only, not "
                f"{mode}; choose one of them, or upgrade Kea to 2.6"
            )


def _zones(variable: str, zones: List[Settings], is_reverse: bool) -> Iterator[str]:
    yield from _doubles(variable, zones)
    for zone in zones:
        name = str(zone.get("name", ""))
        where = f"{variable}: the zone {name!r}"
        if not _NAME.fullmatch(name):
            yield f"{where} must have a name of DNS with a dot at its end, such as bmc.example.org."
        elif f".{domain_name(name)}".endswith(REVERSE) != is_reverse:
            wanted = "must end with in-addr.arpa. or ip6.arpa." if is_reverse else "belongs into kea_ddns_reverse_zones"
            yield f"{where} {wanted}"
        servers = zone.get("dns-servers")
        yield from _others(f"{where}, dns-servers", servers, "{ip-address: 192.0.2.53}")
        if not servers or not isinstance(servers, list):
            yield f"{where} needs dns-servers, a list of maps with ip-address"
        for server in _maps(servers):
            yield from _server(where, server)


def _server(where: str, server: Settings) -> Iterator[str]:
    address, port = server.get("ip-address"), server.get("port", 53)
    try:
        ipaddress.ip_address(str(address))
    except ValueError:
        yield f"{where}, dns-servers: ip-address {address!r} is no IP address"
    if isinstance(port, bool) or not isinstance(port, int) or not 0 < port < 65536:
        yield f"{where}, dns-servers: port {port!r} is no port"


def _keys(keys: List[Settings]) -> Iterator[str]:
    yield from _doubles("kea_ddns_keys", keys)
    for key in keys:
        name, secret = str(key.get("name", "")), key.get("secret")
        where = f"kea_ddns_keys: the key {name!r}"
        if not _KEY.fullmatch(name):
            yield f"{where} must have a name of DNS, as the DNS server has it"
        if not secret:
            yield f"{where} has no secret; set it, from Ansible Vault"
        elif not _is_base64(str(secret)):
            yield f"{where} has a secret that is no base64, as tsig-keygen prints it"


def _is_base64(text: str) -> bool:
    try:
        return bool(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        return False


def _settings(one: Asked) -> Iterator[str]:
    settings = one.settings if isinstance(one.settings, dict) else {}
    reserved = [key for key in RESERVED if key in settings]
    if reserved:
        yield f"kea_ddns_settings must not hold {', '.join(reserved)}: these have their own variables"
    names = one.names if isinstance(one.names, dict) else {}
    foreign = [key for key in names if not str(key).startswith(NAMES)]
    if foreign:
        yield (
            f"kea_ddns_names: {', '.join(foreign)} is no key about names (ddns-*, hostname-char-*); further keys of "
            f"the servers belong into kea_dhcp4_settings"
        )


def _doubles(variable: str, values: List[Settings]) -> Iterator[str]:
    names = [domain_name(one.get("name", "")) for one in values]
    for name in dict.fromkeys(name for name in names if names.count(name) > 1):
        yield f"{variable} names {name} twice"


def _others(where: str, value: Any, example: str) -> Iterator[str]:
    """Yield a sentence for each entry of a list that is no map."""
    for one in value if isinstance(value, list) else []:
        if not isinstance(one, dict):
            yield f"{where}: {one!r} is no map; write it as {example}"


def _maps(value: Any) -> List[Settings]:
    """Return the maps of a list; the types of the variables are judged apart."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
