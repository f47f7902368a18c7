# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: counts the live leases of a server: in its lease file by address, or else by Kea's own statistics."""

from __future__ import annotations

import ipaddress
import os
import time
from typing import Any, Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from .._errors import KeaError
from .._kea import identifiers, lease_csv, lease_file
from . import statistics

_DECLINED = 1
_LIVE = (0, _DECLINED)
"""States of a lease that keeps its address: default and declined."""
_CLIENTS = {"hw-address": "hwaddr", "client-id": "client_id", "duid": "duid"}
"""Columns of the identifiers, by their kinds."""
_INFINITE = 0xFFFFFFFF

Ranges = Sequence[Tuple[int, int]]


class Lease(NamedTuple):
    address: int
    subnet: int
    is_reservable: bool
    """Whether it is no declined one, no temporary one and no delegated prefix."""
    clients: Mapping[str, str]
    """The identifiers of its client as Kea writes them, by their kind; empty for none."""


class Leases:
    """The live leases of one server."""

    def __init__(self, database: Optional[Mapping[str, Any]], sockets: Any, family: int) -> None:
        """``database`` is ``lease-database`` and ``sockets`` the control sockets of its configuration."""
        self._by_address: Optional[List[Lease]] = None
        self._by_subnet: Optional[Dict[int, int]] = None
        path = lease_file.configured_path(database, family)
        if path is not None:
            self._by_address = list(_read(path, time.time()))
        else:
            self._by_subnet = statistics.leases(sockets, family)

    def held(self, subnet: int, kind: str, identifier: bytes) -> List[int]:
        """Return the addresses that a client has in a subnet; none if Kea's leases are in no file."""
        text = identifiers.spell(identifier)
        mine = [one for one in self._by_address or [] if one.subnet == subnet and one.is_reservable]
        return [one.address for one in mine if text and one.clients.get(kind) == text]

    def count(self, subnet: int, ranges: Optional[Ranges] = None) -> Optional[int]:
        """Return how many live leases the subnet has in the ranges, by default in all; None if that is not known.

        Kea's statistics do not tell addresses: then it is the number of the whole subnet.
        """
        if self._by_address is not None:
            mine = [one.address for one in self._by_address if one.subnet == subnet]
            return sum(1 for one in mine if ranges is None or any(first <= one <= last for first, last in ranges))
        if self._by_subnet is None or ranges == []:
            return None if ranges != [] else 0
        return self._by_subnet.get(subnet, 0)


def _read(path: str, now: float) -> Iterator[Lease]:
    """Yield the live leases of a lease file. The last row of an address counts; what is no row is left out."""
    last: Dict[str, Optional[Lease]] = {}
    for part in lease_file.LeaseFile(path).load_order():
        if os.path.exists(part):
            _read_one(part, now, last)
    return (lease for lease in last.values() if lease is not None)


def _read_one(path: str, now: float, last: Dict[str, Optional[Lease]]) -> None:
    try:
        with lease_file.opened(path) as file:
            first = file.readline()
            if first.strip():
                header = lease_csv.Header(first)
                for line in file:
                    _take(header, line, now, last)
    except (OSError, ValueError) as error:
        raise KeaError(f"the leases in {path} cannot be counted: {error}") from error


def _take(header: lease_csv.Header, line: str, now: float, last: Dict[str, Optional[Lease]]) -> None:
    fields = line.rstrip("\r\n").split(",")
    column = header.column
    try:
        text = fields[column["address"]]
        lifetime, expire = int(fields[column["valid_lifetime"]]), int(fields[column["expire"]])
        state = int(fields[column["state"]])
        live = lifetime > 0 and state in _LIVE and (expire > now or lifetime == _INFINITE)
        clients = {kind: fields[column[name]].lower() for kind, name in _CLIENTS.items() if name in column}
        address, subnet = int(ipaddress.ip_address(text)), int(fields[column["subnet_id"]])
        is_reservable = state != _DECLINED and ("lease_type" not in column or fields[column["lease_type"]] == "0")
        last[text] = Lease(address, subnet, is_reservable, clients) if live else None
    except (ValueError, IndexError):
        return
