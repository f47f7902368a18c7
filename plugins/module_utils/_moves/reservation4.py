# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: one DHCPv4 reservation, as a map of Kea's configuration and as a row of its table hosts (kea-facts 1.2)."""

from __future__ import annotations

import ipaddress
from typing import Any, Dict, List, Mapping, NamedTuple, Optional

from .reservation_map import Key, begun, common, finished, named, refuse

_NAMES = {"server-hostname": "server_hostname", "boot-file-name": "boot_file_name", "hostname": "hostname"}
_ADDRESSES = {"ip-address": "ipv4_address", "next-server": "next_server"}


class Reservation4(NamedTuple):
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
        return named(self.key)

    @property
    def claims(self) -> List[str]:
        """Return what at most one reservation of a subnet may have."""
        return [str(ipaddress.IPv4Address(self.ipv4_address))] if self.ipv4_address else []

    def to_map(self) -> Dict[str, Any]:
        """Return the map of Kea's configuration."""
        addresses = {key: getattr(self, field) for key, field in _ADDRESSES.items()}
        host = {
            **begun(self.key),
            **{key: str(ipaddress.IPv4Address(value)) for key, value in addresses.items() if value},
            **{key: getattr(self, field) for key, field in _NAMES.items() if getattr(self, field)},
        }
        return finished(host, self.client_classes, self.user_context)


def of_map(host: Mapping[str, Any], subnet_id: int) -> Reservation4:
    """Return the reservation of a map. Raises ValueError for what a database cannot hold."""
    known = common(host)
    rest = known.rest
    reservation = Reservation4(
        identifier=known.identifier,
        identifier_type=known.identifier_type,
        subnet_id=subnet_id,
        ipv4_address=_number("ip-address", rest.pop("ip-address", None)),
        hostname=known.hostname,
        client_classes=known.client_classes,
        next_server=_number("next-server", rest.pop("next-server", None)),
        server_hostname=str(rest.pop("server-hostname", "")),
        boot_file_name=str(rest.pop("boot-file-name", "")),
        user_context=known.user_context,
    )
    refuse(rest, reservation.text, 4)
    return reservation


def _number(key: str, address: Optional[str]) -> int:
    if address and not isinstance(address, str):
        raise ValueError(f"{key} of a reservation: {address!r} is no address")
    return int(ipaddress.IPv4Address(address)) if address else 0
