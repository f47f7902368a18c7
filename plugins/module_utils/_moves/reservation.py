# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: one DHCPv4 reservation, as a map of Kea's configuration and as a row of its table hosts (kea-facts 1.2)."""

from __future__ import annotations

import ipaddress
import json
from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Tuple

from .._kea import host_maps, identifiers

_NAMES = {"server-hostname": "server_hostname", "boot-file-name": "boot_file_name", "hostname": "hostname"}
_ADDRESSES = {"ip-address": "ipv4_address", "next-server": "next_server"}
_EMPTY: Dict[str, Any] = {"option-data": [], "client-classes": []}
"""Keys of a map that mean nothing with these values."""

Key = Tuple[bytes, int, int]
"""Identifier, its type, subnet."""


class Reservation(NamedTuple):
    """Everything of a reservation except its own options; 0 or empty for what is not set."""

    identifier: bytes
    identifier_type: int
    """Index in ``identifiers.TYPES``."""
    subnet_id: int
    ipv4_address: int
    hostname: str
    client_classes: str
    next_server: int
    server_hostname: str
    boot_file_name: str
    user_context: str

    @property
    def key(self) -> Key:
        """Return what a subnet has at most one reservation of."""
        return self.identifier, self.identifier_type, self.subnet_id

    @property
    def text(self) -> str:
        """Return the identifier and the subnet for messages."""
        identifier = identifiers.spell(self.identifier)
        return f"{identifiers.TYPES[self.identifier_type]} {identifier} in subnet {self.subnet_id}"


def parse(text: str, subnet_id: int) -> List[Reservation]:
    """Return the reservations of a file that the configuration of a subnet includes.

    Raises ValueError that names the line, or the reservation and what a database cannot hold of it.
    """
    return [_of_host_map(one, subnet_id) for one in host_maps.parse(text).maps]


def render(reservations: Iterable[Reservation]) -> str:
    """Return the text of such a file."""
    return host_maps.render(("", json.dumps(_to_map(one), ensure_ascii=False)) for one in reservations)


def _of_host_map(one: host_maps.HostMap, subnet_id: int) -> Reservation:
    try:
        return _of_map(one.value, subnet_id)
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"line {one.line}: {error}") from error


def _of_map(host: Dict[str, Any], subnet_id: int) -> Reservation:
    rest = {key: value for key, value in host.items() if _EMPTY.get(key) != value and value != ""}
    kinds = [kind for kind in identifiers.TYPES if kind in rest]
    if len(kinds) != 1:
        raise ValueError(f"a reservation needs one of {', '.join(identifiers.TYPES)}")
    context = rest.pop("user-context", {})
    if "comment" in rest:
        context = {**context, "comment": rest.pop("comment")}
    reservation = Reservation(
        identifier=identifiers.parse(str(rest.pop(kinds[0]))),
        identifier_type=identifiers.TYPES.index(kinds[0]),
        subnet_id=subnet_id,
        client_classes=",".join(rest.pop("client-classes", [])),
        user_context=json.dumps(context) if context else "",
        ipv4_address=_number(rest.pop("ip-address", None)),
        next_server=_number(rest.pop("next-server", None)),
        hostname=str(rest.pop("hostname", "")),
        server_hostname=str(rest.pop("server-hostname", "")),
        boot_file_name=str(rest.pop("boot-file-name", "")),
    )
    if rest:
        raise ValueError(
            f"the reservation for {reservation.text} has {', '.join(sorted(rest))}, which cannot be moved to a "
            "database. Move this reservation from the file to the subnet itself (kea_dhcp4_subnets), where it stays in "
            "force"
        )
    return reservation


def _to_map(one: Reservation) -> Dict[str, Any]:
    host: Dict[str, Any] = {identifiers.TYPES[one.identifier_type]: identifiers.spell(one.identifier)}
    addresses = {key: getattr(one, field) for key, field in _ADDRESSES.items()}
    host.update({key: str(ipaddress.IPv4Address(value)) for key, value in addresses.items() if value})
    host.update({key: getattr(one, field) for key, field in _NAMES.items() if getattr(one, field)})
    if one.client_classes:
        host["client-classes"] = [name.strip() for name in one.client_classes.split(",")]
    if one.user_context:
        host["user-context"] = json.loads(one.user_context)
    return host


def _number(address: Optional[str]) -> int:
    return int(ipaddress.IPv4Address(address)) if address else 0
