# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: the variable kea_reservations: whether it can be used, and in which subnet each of its entries is."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Sequence

from ..module_utils._config.identity import client
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


def resolved(entries: Sequence[Settings], named: Sequence[Settings], found: Sequence[Settings]) -> List[Settings]:
    """Return each entry in one spelling and with its subnet-id. Raises FieldError."""
    subnets = known_subnets(named, found)
    given = [parse(one, subnets) for one in entries]
    return [{"subnet-id": one.subnet, **one.host_map()} for one in given]


def problems(entries: Any, named: Sequence[Settings], found: Sequence[Settings], in_files: bool) -> List[str]:
    """Return a sentence for each entry that cannot be used, which names the entry and the field."""
    if not isinstance(entries, (list, tuple)):
        return [f"{VARIABLE} is a list of maps, not {entries!r}"]
    subnets, sentences = known_subnets(named, found), []
    clients = {_client(one, host): f"subnet {one['id']} of kea_dhcp4_subnets" for one in named for host in _hosts(one)}
    addresses = {(one["id"], host.get("ip-address")): "kea_dhcp4_subnets" for one in named for host in _hosts(one)}
    fixed = [one["id"] for one in found if not (one["file"] and one["editable"])] if in_files else []
    for number, value in enumerate(entries):
        name = f"{VARIABLE}[{number}]"
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
    if one.family == 6:
        raise FieldError("ip-address", f"{one.address} is an IPv6 address; use the module kea_reservation")
    if one.subnet in fixed:
        raise FieldError("subnet-id", f"subnet {one.subnet} is in no file that may be edited; use kea_enable_database")


def _hosts(subnet: Settings) -> List[Settings]:
    hosts = subnet.get("reservations")
    known = [one for one in hosts if isinstance(one, Mapping)] if isinstance(hosts, list) and "id" in subnet else []
    return [dict(one) for one in known if one.get("state") != "absent"]


def _client(subnet: Settings, host: Settings) -> Any:
    return (subnet["id"], *(client(host) or ()))
