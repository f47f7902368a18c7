# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: one DHCPv4 reservation, as a map of Kea's configuration and as a row of its table hosts (kea-facts 1.2)."""

from __future__ import annotations

import ipaddress
import json
import re
from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Tuple

IDENTIFIERS = ("hw-address", "duid", "circuit-id", "client-id", "flex-id")
"""By C(dhcp_identifier_type)."""

_NAMES = {"server-hostname": "server_hostname", "boot-file-name": "boot_file_name", "hostname": "hostname"}
_ADDRESSES = {"ip-address": "ipv4_address", "next-server": "next_server"}
_EMPTY: Dict[str, Any] = {"option-data": [], "client-classes": []}
"""What may stand in a map without saying anything."""

# What Kea's grammar allows between two maps: white space, commas and its three kinds of comment.
_GAP = re.compile(r"(?:[\s,]+|#[^\n]*|//[^\n]*|/\*.*?\*/)*", re.DOTALL)

Key = Tuple[bytes, int, int]
"""Identifier, its type, subnet."""


class Reservation(NamedTuple):
    """Everything of a reservation but its own options; 0 or empty for what it does not say."""

    identifier: bytes
    identifier_type: int
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
        return self.identifier, self.identifier_type, self.subnet_id

    @property
    def text(self) -> str:
        """For people."""
        return f"{IDENTIFIERS[self.identifier_type]} {self.identifier.hex(':')} in subnet {self.subnet_id}"


def parse(text: str, subnet_id: int) -> List[Reservation]:
    """Those of a file that the configuration of a subnet includes: maps with commas between, no brackets around.

    Raises ValueError, which names the reservation and what cannot be carried into a database.
    """
    found: List[Reservation] = []
    decoder, at = json.JSONDecoder(), 0
    while True:
        gap = _GAP.match(text, at)
        at = gap.end() if gap else at
        if at == len(text):
            return found
        line = text.count("\n", 0, at) + 1
        try:
            host, at = decoder.raw_decode(text, at)
            found.append(_of_map(host, subnet_id))
        except (ValueError, TypeError, AttributeError) as error:
            raise ValueError(f"line {line}: {error}") from error


def render(reservations: Iterable[Reservation]) -> str:
    """Such a file."""
    return ",\n".join(json.dumps(_to_map(one), ensure_ascii=False) for one in reservations) + "\n"


def _of_map(host: Dict[str, Any], subnet_id: int) -> Reservation:
    rest = {key: value for key, value in host.items() if _EMPTY.get(key) != value and value != ""}
    kinds = [kind for kind in IDENTIFIERS if kind in rest]
    if len(kinds) != 1:
        raise ValueError(f"a reservation needs one of {', '.join(IDENTIFIERS)}")
    context = rest.pop("user-context", {})
    if "comment" in rest:
        context = {**context, "comment": rest.pop("comment")}
    reservation = Reservation(
        identifier=_identifier(str(rest.pop(kinds[0]))),
        identifier_type=IDENTIFIERS.index(kinds[0]),
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
            f"the reservation for {reservation.text} has {', '.join(sorted(rest))}, which cannot be carried into a "
            "database. Write this reservation into the subnet itself (kea_dhcp4_subnets), where it stays in force, and "
            "out of the file"
        )
    return reservation


def _to_map(one: Reservation) -> Dict[str, Any]:
    host: Dict[str, Any] = {IDENTIFIERS[one.identifier_type]: one.identifier.hex(":")}
    addresses = {key: getattr(one, field) for key, field in _ADDRESSES.items()}
    host.update({key: str(ipaddress.IPv4Address(value)) for key, value in addresses.items() if value})
    host.update({key: getattr(one, field) for key, field in _NAMES.items() if getattr(one, field)})
    if one.client_classes:
        host["client-classes"] = [name.strip() for name in one.client_classes.split(",")]
    if one.user_context:
        host["user-context"] = json.loads(one.user_context)
    return host


def _identifier(text: str) -> bytes:
    if text.startswith("'"):
        return text.strip("'").encode()
    return bytes.fromhex(re.sub(r"^0[xX]|[:\s-]", "", text))


def _number(address: Optional[str]) -> int:
    return int(ipaddress.IPv4Address(address)) if address else 0
