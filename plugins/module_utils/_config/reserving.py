# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: Kea's settings that decide whether a reservation has an effect, and which reservations the site has.

The lease monitor reserves, for a hardware address, an address that a pool of the subnet gave. Kea 2.2 to 3.0 agree on
what the settings mean; 2.2 translates ``reservation-mode`` into the three flags of the same place (function
moveReservationMode), and a version that does not know a key refuses the configuration.
"""

from __future__ import annotations

import ipaddress
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from .._kea import host_maps, identifiers
from .identity import client

MODE = "reservation-mode"
GLOBAL, IN_SUBNET, OUT_OF_POOL = "reservations-global", "reservations-in-subnet", "reservations-out-of-pool"
IDENTIFIERS = "host-reservation-identifiers"
EXTENDED_INFO = "store-extended-info"
"""Whether a lease tells the port of its client, so that the monitor can compare it with reservations by circuit-id."""
SETTINGS = (GLOBAL, IN_SUBNET, OUT_OF_POOL, MODE, IDENTIFIERS, EXTENDED_INFO)

_FLAGS = (GLOBAL, IN_SUBNET, OUT_OF_POOL)
_MODES = {
    "all": (False, True, False),
    "out-of-pool": (False, True, True),
    "global": (True, False, False),
    "disabled": (False, False, False),
}
_UNTOLD = ("circuit-id", "flex-id")
_ORDER = ["hw-address", "duid", "circuit-id", "client-id"]
"""Kea's host-reservation-identifiers, unless they are set: CfgHostOperations::createConfig4."""
_NEEDED = {4: identifiers.TYPES[identifiers.HWADDR_TYPE], 6: identifiers.TYPES[identifiers.DUID_TYPE]}


class Scope(NamedTuple):
    """A place in the configuration, and its settings for reservations."""

    place: str
    """Words for a message."""
    settings: Mapping[str, Any]


def settings_of(value: Mapping[str, Any]) -> Dict[str, Any]:
    """Return the settings for reservations of a subnet, a shared network or a whole configuration."""
    return {key: value[key] for key in SETTINGS if key in value}


def subnet_scope(name: str, value: Mapping[str, Any]) -> Scope:
    return Scope(f"subnet {name}", settings_of(value))


def network_scope(name: str, value: Mapping[str, Any]) -> Scope:
    return Scope(f"shared network {name}", settings_of(value))


def inherited(config: Mapping[str, Any], top: str) -> Dict[Optional[str], List[Scope]]:
    """Return what the subnets of each shared network inherit, the nearest first; None is the key of all others.

    ``config`` is the map ``top`` of a configuration.
    """
    everywhere = Scope(top, settings_of(config))
    found: Dict[Optional[str], List[Scope]] = {None: [everywhere]}
    networks = config.get("shared-networks")
    for one in networks if isinstance(networks, list) else []:
        if isinstance(one, dict):
            name = str(one.get("name"))
            found[name] = [network_scope(name, one), everywhere]
    return found


def uses_global(scopes: Sequence[Scope]) -> bool:
    """Return whether a subnet also uses the reservations that stand outside all subnets."""
    found = _flag(scopes, GLOBAL)
    return found is not None and found[0]


def obstacle(scopes: Sequence[Scope], has_pools: bool, family: int = 4) -> str:
    """Return the setting under which a reservation of the lease monitor does nothing, and its place; empty if none.

    ``scopes`` are those of a subnet, the nearest first.
    """
    inside, outside = _flag(scopes, IN_SUBNET), _flag(scopes, OUT_OF_POOL)
    if inside and not inside[0]:
        return inside[1]
    if outside and outside[0] and has_pools:
        return outside[1]
    for scope in scopes:
        listed = scope.settings.get(IDENTIFIERS)
        if isinstance(listed, list) and _NEEDED[family] not in listed:
            return f"{IDENTIFIERS} without {_NEEDED[family]} in {scope.place}"
    return ""


def hidden_kinds(scopes: Sequence[Scope]) -> List[str]:
    """Return the kinds of identifiers by which Kea finds a host after it looked for the hardware address.

    Of those kinds that no lease tells: a managed reservation of the same client hides the site's one by such.
    """
    listed, stores = _nearest(scopes, IDENTIFIERS), _nearest(scopes, EXTENDED_INFO)
    order = listed if isinstance(listed, list) else _ORDER
    if _NEEDED[4] not in order:
        return []
    later = order[order.index(_NEEDED[4]) :]
    return [kind for kind in _UNTOLD if kind in later and not (stores is True and kind == _UNTOLD[0])]


def _nearest(scopes: Sequence[Scope], key: str) -> Any:
    return next((scope.settings[key] for scope in scopes if key in scope.settings), None)


def _flag(scopes: Sequence[Scope], flag: str) -> Optional[Tuple[bool, str]]:
    """Return the value of a flag in the nearest scope that has it, and the words of where that is; None for none."""
    for scope in scopes:
        mode = scope.settings.get(MODE)
        if flag in scope.settings:
            value = bool(scope.settings[flag])
            return value, f"{flag}: {str(value).lower()} in {scope.place}"
        if mode in _MODES:
            return _MODES[mode][_FLAGS.index(flag)], f"{MODE}: {mode} in {scope.place}"
    return None


def hosts(value: Any) -> List[Dict[str, str]]:
    """Return the reservations in a list of a configuration: kind and bytes of the identifier, address and name.

    What an entry does not have, or not as Kea can read it, is empty. One with several addresses, as in DHCPv6, is
    returned once for each. Includes are left out, and so are copies of managed reservations, which Kea writes there.
    """
    maps = [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
    listed = [one for one in maps if not host_maps.is_managed(one)]
    return [host for one in listed for host in _hosts(one)]


def _hosts(value: Mapping[str, Any]) -> List[Dict[str, str]]:
    kind, octets = client(value) or ("", b"")
    hostname = value.get("hostname")
    one = {
        "kind": kind,
        "identifier": identifiers.spell(octets),
        "address": "",
        "hostname": hostname if isinstance(hostname, str) else "",
    }
    return [{**one, "address": _address(text)} for text in host_maps.addresses_of(value)] or [one]


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text.strip()))
    except ValueError:
        return ""
