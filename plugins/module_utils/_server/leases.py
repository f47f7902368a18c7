# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: counts the live leases of a server: in its lease file, its database, or else by Kea's own statistics."""

from __future__ import annotations

import ipaddress
import os
import time
from typing import Any, Dict, Iterator, List, Mapping, NamedTuple, Optional

from .._errors import KeaError
from .._kea import identifiers, lease_csv, lease_file
from . import statistics
from .lease_database import LeaseDatabase, Ranges

_DECLINED = 1
_LIVE = (0, _DECLINED)
"""States of a lease that keeps its address: default and declined."""
_CLIENTS = {"hw-address": "hwaddr", "client-id": "client_id", "duid": "duid"}
"""Columns of the identifiers, by their kinds."""
_INFINITE = 0xFFFFFFFF


class Lease(NamedTuple):
    address: int
    subnet: int
    is_reservable: bool
    """Whether it is no declined one, no temporary one and no delegated prefix."""
    clients: Mapping[str, str]
    """The identifiers of its client as Kea writes them, by their kind; empty for none."""


class Leases:
    """The live leases of one server."""

    def __init__(
        self, database: Optional[Mapping[str, Any]], sockets: Any, family: int, table: Optional[LeaseDatabase] = None
    ) -> None:
        """``database`` is ``lease-database`` and ``sockets`` the control sockets of its configuration.

        ``table`` counts leases that are in a database. Without it, or if it does not answer, Kea's statistics count.
        With it, ``database`` None is an unknown one, and else Kea's default. Raises KeaError for an unreadable file.
        """
        self._by_address: Optional[List[Lease]] = None
        self._by_subnet: Optional[Dict[int, int]] = None
        self._is_asked = False
        self._sockets, self._family = sockets, family
        is_unknown = table is not None and database is None
        is_memfile = not is_unknown and (database or {}).get("type", "memfile") == "memfile"
        self._table = None if is_memfile else table
        self.source = "database" if self._table else "statistics"
        """What the last count is of: ``file``, ``database`` or ``statistics``, which is Kea's own account of them."""
        path = None if is_unknown else lease_file.configured_path(database, family)
        if path is not None:
            self._by_address, self.source = list(_read(path, time.time())), "file"

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
        if ranges == []:
            return 0
        if self._table:
            found = self._table.count(subnet, ranges)
            if found is not None:
                return found
            self.source = "statistics"
        return self._of_statistics(subnet)

    def doubt(self) -> str:
        """Return why the last count may lack leases that another server wrote; empty if it cannot."""
        if self.source != "statistics" or self._table is None:
            return ""
        return f"by the statistics of this server alone; {self._table.reason}"

    def _of_statistics(self, subnet: int) -> Optional[int]:
        if not self._is_asked:
            self._is_asked = True
            self._by_subnet = statistics.leases(self._sockets, self._family)
        return None if self._by_subnet is None else self._by_subnet.get(subnet, 0)


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
