# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: the variable kea_reservations: whether it can be used, and in which subnet each of its entries is."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, NamedTuple, Sequence, Tuple

from ..module_utils._config.identity import client
from ..module_utils._kea.host_maps import addresses_of
from ..module_utils._reservations.given import FieldError, Given, parse
from ._server_merge import is_same, network

Settings = Dict[str, Any]

VARIABLE = "kea_reservations"


def known_subnets(named: Sequence[Settings], found: Sequence[Settings]) -> List[Settings]:
    """Return the subnets of the server after the deployment: of the variables (``named``), and those that it has."""
    new = [one for one in named if {"id", "subnet"} <= set(one) and one.get("state") != "absent"]
    gone = [one for one in named if one.get("state") == "absent"]
    kept = [one for one in found if not any(is_same(one, other) for other in [*new, *gone])]
    return [{"id": int(one["id"]), "subnet": network(one["subnet"])} for one in [*new, *kept] if one.get("id")]


class Subnets(NamedTuple):
    """The subnets of the server of one family."""

    named: Sequence[Settings]
    """Of the variables."""
    found: Sequence[Settings]
    """Of the server, as kea_info returns them."""


def family_of(entry: Any) -> int:
    """Return the family of an entry. One without an address is for DHCPv4."""
    return 6 if isinstance(entry, Mapping) and ":" in str(entry.get("ip-address") or "") else 4


def resolved(
    entries: Sequence[Settings], named: Sequence[Settings], found: Sequence[Settings], family: int
) -> List[Settings]:
    """Return each entry of the family in one spelling and with its subnet-id. Raises FieldError."""
    subnets = known_subnets(named, found)
    given = [parse(one, subnets) for one in entries if family_of(one) == family]
    return [{"subnet-id": one.subnet, **one.host_map()} for one in given]


def problems(entries: Any, subnets: Mapping[int, Subnets], in_files: bool) -> List[str]:
    """Return a sentence for each entry that cannot be used, which names the entry and the field.

    ``subnets`` are those of each family that is deployed.
    """
    if not isinstance(entries, (list, tuple)):
        return [f"{VARIABLE} is a list of maps, not {entries!r}"]
    numbered = [(f"{VARIABLE}[{number}]", value) for number, value in enumerate(entries)]
    sentences = [
        f"{name}: ip-address: {value['ip-address']} needs the DHCPv{family_of(value)} server; add it to kea_families"
        if "ip-address" in value
        else f"{name}: ip-address: missing, and an entry without one is for DHCPv4, which kea_families leaves out"
        for name, value in numbered
        if family_of(value) not in subnets and isinstance(value, Mapping)
    ]
    for family, known in subnets.items():
        own = [(name, value) for name, value in numbered if family_of(value) == family]
        sentences += _problems(own, family, known, in_files)
    return sentences


def _problems(entries: Sequence[Tuple[str, Any]], family: int, known: Subnets, in_files: bool) -> List[str]:
    named, found = known
    variable = f"kea_dhcp{family}_subnets"
    subnets, sentences = known_subnets(named, found), []
    clients = {_client(one, host): f"subnet {one['id']} of {variable}" for one in named for host in _hosts(one)}
    addresses = {
        (one["id"], address): variable for one in named for host in _hosts(one) for address in addresses_of(host)
    }
    fixed = [one["id"] for one in found if not (one["file"] and one["editable"])] if in_files else []
    for name, value in entries:
        try:
            one = parse(value, subnets)
            _check(one, fixed)
        except FieldError as error:
            sentences.append(f"{name}: {error}")
            continue
        key = (one.subnet, one.kind, one.identifier)
        if key in clients:
            sentences.append(f"{name}: {one.kind}: {clients[key]} names the same client")
        if one.address and (one.subnet, one.address) in addresses:
            sentences.append(f"{name}: ip-address: {addresses[one.subnet, one.address]} names {one.address} already")
        clients.setdefault(key, name)
        addresses.setdefault((one.subnet, one.address), name)
    return sentences


def _check(one: Given, fixed: Sequence[int]) -> None:
    if one.family == 6 and one.kind == "client-id":
        raise FieldError("client-id", "a DHCPv6 client has none; name its duid or its hw-address")
    if one.subnet in fixed:
        raise FieldError("subnet-id", f"subnet {one.subnet} is in no file that may be edited; use kea_enable_database")


def _hosts(subnet: Settings) -> List[Settings]:
    hosts = subnet.get("reservations")
    known = [one for one in hosts if isinstance(one, Mapping)] if isinstance(hosts, list) and "id" in subnet else []
    return [dict(one) for one in known if one.get("state") != "absent"]


def _client(subnet: Settings, host: Settings) -> Any:
    return (subnet["id"], *(client(host) or ()))
