# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: reservations that a site gives beforehand: their values, and the subnet that each belongs to."""

from __future__ import annotations

import ipaddress
from typing import Any, Dict, List, Mapping, NamedTuple, Sequence, Tuple

from .._kea import identifiers

LONGEST = {"hw-address": 20, "client-id": 255, "duid": 128}
"""Kinds of identifier, with the octets that Kea takes at most. A lease tells these three."""

_LONGEST_NAME = 255
"""Characters that the column hosts.hostname holds."""

_FIELDS = frozenset((*LONGEST, "ip-address", "hostname", "subnet-id"))

Settings = Mapping[str, Any]
"""A map of Kea's configuration."""


class FieldError(ValueError):
    """A field that cannot be used: its name, and why."""

    def __init__(self, field: str, why: str) -> None:
        super().__init__(f"{field}: {why}")


class Given(NamedTuple):
    """A reservation that a site gives."""

    kind: str
    """A key of LONGEST."""
    identifier: bytes
    subnet: int
    """The id of its subnet."""
    address: str
    """In its one spelling; empty for an entry that gets the address which its client leases."""
    hostname: str
    """Empty for none."""

    @property
    def family(self) -> int:
        return 6 if ":" in self.address else 4

    @property
    def type(self) -> int:
        """``dhcp_identifier_type`` in Kea's table hosts."""
        return identifiers.TYPES.index(self.kind)

    @property
    def client(self) -> Tuple[int, bytes]:
        return self.type, self.identifier

    @property
    def text(self) -> str:
        """The client and the subnet, for messages."""
        return f"{self.kind} {identifiers.spell(self.identifier)} in subnet {self.subnet}"

    def host_map(self) -> Dict[str, Any]:
        """Return the reservation as Kea's configuration writes it."""
        address: Dict[str, Any] = {"ip-address": self.address}
        if self.family == 6:
            address = {"ip-addresses": [self.address]}
        found = {self.kind: identifiers.spell(self.identifier), **(address if self.address else {})}
        return {**found, "hostname": self.hostname} if self.hostname else found


def parse(value: Settings, subnets: Sequence[Settings], complete: bool = True) -> Given:
    """Return the reservation of a map with Kea's keys. Raises FieldError.

    ``subnets`` are maps with ``id`` and ``subnet`` (the prefix). Without ``subnet-id``, the one with the address is
    meant, or the only one. Unless ``complete``, the client is enough.
    """
    if not isinstance(value, Mapping):
        raise FieldError("entry", f"a map is needed, not {value!r}")
    unknown = sorted(str(key) for key in value if key not in _FIELDS)
    if unknown:
        raise FieldError(unknown[0], f"there is no such field, only {', '.join(sorted(_FIELDS))}")
    kind, identifier = _identifier(value)
    address, hostname = _address(value), _hostname(value)
    if complete and not (address or hostname):
        raise FieldError("ip-address", "an address or a hostname is needed")
    if complete and not address and kind != "hw-address":
        raise FieldError(
            "ip-address", f"missing: only an entry by hw-address may leave the address open, not by {kind}"
        )
    return Given(kind, identifier, _subnet(value, address, subnets), address, hostname)


def _identifier(value: Settings) -> Tuple[str, bytes]:
    kinds = [kind for kind in LONGEST if value.get(kind)]
    if len(kinds) != 1:
        raise FieldError(" or ".join(LONGEST), f"exactly one of them is needed, not {len(kinds)}")
    try:
        octets = identifiers.parse(str(value[kinds[0]]))
    except ValueError as error:
        raise FieldError(kinds[0], str(error)) from error
    if not 0 < len(octets) <= LONGEST[kinds[0]]:
        raise FieldError(kinds[0], f"1 to {LONGEST[kinds[0]]} octets are allowed, not {len(octets)}")
    return kinds[0], octets


def _address(value: Settings) -> str:
    text = value.get("ip-address")
    try:
        return str(ipaddress.ip_address(str(text))) if text else ""
    except ValueError:
        raise FieldError("ip-address", f"{text!r} is no IP address") from None


def _hostname(value: Settings) -> str:
    text = str(value.get("hostname") or "").rstrip(".")
    if len(text) > _LONGEST_NAME or not all("!" <= char <= "~" and char not in "\"'\\" for char in text):
        raise FieldError("hostname", f"{text[:60]!a} is no name: at most {_LONGEST_NAME} printable ASCII characters")
    return text


def _subnet(value: Settings, address: str, subnets: Sequence[Settings]) -> int:
    """Return the id of the subnet, which must hold the address."""
    number = value.get("subnet-id")
    if number is None:
        return _found(address, subnets)
    if not str(number).isdigit() or not 0 < int(number) < 2**32 - 1:
        raise FieldError("subnet-id", f"a number from 1 to 4294967294 is needed, not {number!r}")
    same = [one for one in subnets if one.get("id") == int(number)]
    if subnets and not same:
        raise FieldError("subnet-id", f"there is no subnet {number}, only {_listed(subnets)}")
    if same and address and not _holds(same[0], address):
        raise FieldError("ip-address", f"{address} is not in subnet {number}, which is {same[0].get('subnet')}")
    return int(number)


def _found(address: str, subnets: Sequence[Settings]) -> int:
    fitting = [one for one in subnets if _holds(one, address)] if address else list(subnets)
    ids = sorted({int(one["id"]) for one in fitting if one.get("id")})
    if len(ids) == 1:
        return ids[0]
    if address:
        raise FieldError("ip-address", f"{address} is in {len(ids)} subnets of {_listed(subnets)}; name its subnet-id")
    raise FieldError("subnet-id", f"missing: without an ip-address it says which of {_listed(subnets)} is meant")


def _holds(subnet: Settings, address: str) -> bool:
    try:
        return ipaddress.ip_address(address) in ipaddress.ip_network(str(subnet.get("subnet")), strict=False)
    except ValueError:
        return False


def _listed(subnets: Sequence[Settings]) -> str:
    words: List[str] = [f"{one.get('subnet')} (id {one.get('id')})" for one in subnets[:10]]
    return ", ".join([*words, *(["..."] if len(subnets) > 10 else [])]) or "no known subnets"
