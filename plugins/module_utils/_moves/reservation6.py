# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: one DHCPv6 reservation: a map of Kea's configuration, or a row of hosts and rows of ipv6_reservations."""

from __future__ import annotations

import ipaddress
from typing import Any, Dict, List, Mapping, NamedTuple

from .reservation_map import Key, begun, common, finished, named, refuse


class Reservation6(NamedTuple):
    """Everything of a reservation except its own options; empty for what is not set."""

    identifier: bytes
    identifier_type: int
    """Index in ``identifiers.TYPES``."""
    subnet_id: int
    addresses: str
    """Each in its one spelling, in order, with spaces between."""
    prefixes: str
    """Likewise, each with its length."""
    hostname: str
    client_classes: str
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
        return [*self.addresses.split(), *self.prefixes.split()]

    def to_map(self) -> Dict[str, Any]:
        """Return the map of Kea's configuration."""
        host: Dict[str, Any] = begun(self.key)
        lists = {"ip-addresses": self.addresses.split(), "prefixes": self.prefixes.split()}
        host.update({key: listed for key, listed in lists.items() if listed})
        if self.hostname:
            host["hostname"] = self.hostname
        return finished(host, self.client_classes, self.user_context)


def _address(value: Any) -> ipaddress.IPv6Address:
    if not isinstance(value, str):
        raise ValueError(f"ip-addresses of a reservation: {value!r} is no address")
    return ipaddress.IPv6Address(value)


def _prefix(value: Any) -> ipaddress.IPv6Network:
    if not isinstance(value, str) or "/" not in value:
        raise ValueError(f"prefixes of a reservation: {value!r} is no prefix with its length, such as 2001:db8:1::/56")
    return ipaddress.IPv6Network(value)


def of_map(host: Mapping[str, Any], subnet_id: int) -> Reservation6:
    """Return the reservation of a map. Raises ValueError for what a database cannot hold."""
    known = common(host)
    rest = known.rest
    addresses = [str(_address(one)) for one in rest.pop("ip-addresses", [])]
    prefixes = [str(_prefix(one)) for one in rest.pop("prefixes", [])]
    reservation = Reservation6(
        identifier=known.identifier,
        identifier_type=known.identifier_type,
        subnet_id=subnet_id,
        addresses=" ".join(addresses),
        prefixes=" ".join(prefixes),
        hostname=known.hostname,
        client_classes=known.client_classes,
        user_context=known.user_context,
    )
    refuse(rest, reservation.text, 6)
    return reservation
