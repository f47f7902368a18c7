# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: the reservations in the databases that a server of Kea reads, with the access that Kea has."""

from __future__ import annotations

import bisect
import ipaddress
from typing import TYPE_CHECKING, Any, Dict, List, NamedTuple, Optional, Sequence, Tuple, Union

from .._config.database import HOSTS
from .._config.servers import family_of, top_of_path
from .._errors import KeaError
from .._host.account import acting
from .._kea import host_maps, identifiers
from .._postgres.parts import Words
from . import config
from .asked_database import UNNAMED, AskedDatabase
from .kea_account import access

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

Ranges = Sequence[Tuple[int, int]]

_KINDS = _MANAGED, _GIVEN, _OTHERS = range(3)
_HAS = "strpos(h.user_context, '\"{}\"') > 0"
_KIND = f"""CASE WHEN {_HAS.format(host_maps.MARK)} THEN {_MANAGED}
            WHEN {_HAS.format(host_maps.GIVEN)} AND NOT {_HAS.format("found")} THEN {_GIVEN}
            ELSE {_OTHERS} END"""
"""Kind of a reservation. The mark of ``kea_reservations`` has ``found`` if a person had written the row before."""
_COUNTED = "SELECT h.{subnet}, {kind}, count(*) FROM hosts h WHERE h.{subnet} IS NOT NULL GROUP BY 1, 2"
_ADDRESSES = {
    4: "SELECT h.ipv4_address, h.host_id, {kind} FROM hosts h WHERE h.{subnet} = %s AND h.ipv4_address > 0",
    # Text up to schema 17.0, and later inet. A delegated prefix is known by its first address.
    6: "SELECT split_part(r.address::text, '/', 1), h.host_id, {kind} FROM hosts h"
    " JOIN ipv6_reservations r ON r.host_id = h.host_id WHERE h.{subnet} = %s",
}

_LISTED = {
    4: "SELECT h.{subnet}, h.dhcp_identifier_type, h.dhcp_identifier, coalesce(h.ipv4_address, 0) FROM hosts h"
    " WHERE h.{subnet} IS NOT NULL AND {kind} <> %s ORDER BY 1, 2, 3",
    6: "SELECT h.{subnet}, h.dhcp_identifier_type, h.dhcp_identifier,"
    " coalesce(split_part(r.address::text, '/', 1), '') FROM hosts h"
    " LEFT JOIN ipv6_reservations r ON r.host_id = h.host_id"
    " WHERE h.{subnet} IS NOT NULL AND {kind} <> %s ORDER BY 1, 2, 3, 4",
}

Addressed = Tuple[int, int, int]
"""An address, the number of its host, and the kind of that."""


class Count(NamedTuple):
    """How many reservations there are."""

    managed: int = 0
    given: int = 0
    """Of the variable ``kea_reservations``, unless a person had written them before."""
    others: int = 0
    """The site's."""

    def plus(self, other: Count) -> Count:
        return Count(*(one + more for one, more in zip(self, other)))


class Told(NamedTuple):
    """What one database told."""

    database: str
    """Words for a message."""
    reservations: Optional[Count]
    """None if it is not known."""
    reason: str
    """Why it is not known. Without passwords."""


class HostDatabases:
    """The databases of reservations of the server that reads a configuration file. Nothing is asked before a count."""

    def __init__(self, module: AnsibleModule, path: str) -> None:
        self._module = module
        self._path = path
        self._known: Optional[List[_Database]] = None

    def counted(self, subnet: int, ranges: Optional[Ranges] = None) -> List[Told]:
        """Return what each database tells of a subnet: of its reservations in the ranges, by default of all."""
        try:
            if self._known is None:
                self._known = self._found()
        except KeaError as error:
            return [Told(HOSTS, None, error.message)]
        return [one.counted(subnet, ranges) for one in self._known]

    def total(self, subnet: int) -> Optional[Count]:
        """Return how many reservations of a subnet all databases have; None if one of them does not tell."""
        found = Count()
        for one in self.counted(subnet):
            if one.reservations is None:
                return None
            found = found.plus(one.reservations)
        return found

    def listed(self) -> List[Dict[str, Any]]:
        """Return the databases with the reservations in them, but those of the monitor.

        Each has its ``type``, ``name``, ``host`` and ``port``, its ``reservations`` (null if they are not known) and
        ``error``, why they are not, or which of them cannot be used. A reservation has ``subnet`` (0: of all subnets
        that use such), ``kind``, ``identifier`` and ``address`` (empty also for one that is none).
        """
        try:
            found = self._found()
        except KeaError as error:
            return [{**UNNAMED, "reservations": None, "error": error.message}]
        return [one.listed() for one in found]

    def _found(self) -> List[_Database]:
        """Return the databases. Raises KeaError if Kea's account does not exist."""
        if config.host_databases(self._path) == []:
            return []
        family = family_of(top_of_path(self._path))
        found = access(self._module, self._path)
        # Kea's user may write the configuration. What only root may read must not be sent to a server that it names.
        with acting(found.account):
            entries = config.host_databases(self._path)
        listed = [None] if entries is None else entries
        return [_Database(AskedDatabase(entry, found, HOSTS), family) for entry in listed]


class _Database:
    """One of them."""

    def __init__(self, asked: AskedDatabase, family: int) -> None:
        self._asked = asked
        self._family = family
        self._numbers: Optional[Dict[Tuple[int, int], int]] = None
        self._addressed: Dict[int, List[Addressed]] = {}

    def counted(self, subnet: int, ranges: Optional[Ranges]) -> Told:
        """Return what it tells. It is not asked again after it did not answer."""
        count = self._asked.answer(lambda: self._count(subnet, ranges))
        return Told(self._asked.name, count, self._asked.reason)

    def listed(self) -> Dict[str, Any]:
        """Return the database with its reservations, as ``HostDatabases.listed`` has it."""
        rows = self._asked.answer(self._listed)
        wrong = sum(one.pop("wrong") for one in rows or [])
        unusable = f"{wrong} of them have an address that is none; Kea cannot use these" if wrong else ""
        return {**self._asked.identity, "reservations": rows, "error": self._asked.reason or unusable}

    def _listed(self) -> List[Dict[str, Any]]:
        return [_reservation(*row) for row in self._fetch(_LISTED[self._family], [_MANAGED])]

    def _count(self, subnet: int, ranges: Optional[Ranges]) -> Count:
        if self._numbers is None:
            self._numbers = {(number, kind): count for number, kind, count in self._fetch(_COUNTED)}
        whole = Count(*(self._numbers.get((subnet, kind), 0) for kind in _KINDS))
        if ranges is None or not any(whole):
            return whole
        if subnet not in self._addressed:
            rows = self._fetch(_ADDRESSES[self._family], [subnet])
            numbered = ((_parsed(address), host, kind) for address, host, kind in rows)
            # One that is no address is in no range.
            self._addressed[subnet] = sorted((int(one), host, kind) for one, host, kind in numbered if one)
        addressed = self._addressed[subnet]
        inside = [kind for _host, kind in {one[1:] for span in ranges for one in _between(addressed, *span)}]
        return Count(*map(inside.count, _KINDS))

    def _fetch(self, query: str, arguments: Sequence[Any] = ()) -> List[Tuple[Any, ...]]:
        return self._asked.fetch(query, arguments, subnet=f"dhcp{self._family}_subnet_id", kind=Words(_KIND))


def _reservation(subnet: int, kind: int, identifier: memoryview, address: Union[int, str]) -> Dict[str, Any]:
    """Return a row of the table as a reservation of the site, with an unknown kind as an empty one.

    ``wrong`` tells that its address is none. The client is known all the same.
    """
    name = identifiers.TYPES[kind] if kind < len(identifiers.TYPES) else ""
    parsed = _parsed(address) if address else None
    return {
        "subnet": subnet,
        "kind": name,
        "identifier": identifiers.spell(identifier),
        "address": str(parsed or ""),
        "wrong": bool(address) and parsed is None,
    }


def _parsed(address: Union[int, str]) -> Union[ipaddress.IPv4Address, ipaddress.IPv6Address, None]:
    """Return an address of a row, a number or text; None for what is none. The column of Kea takes any."""
    try:
        return ipaddress.IPv4Address(address) if isinstance(address, int) else ipaddress.IPv6Address(address)
    except ValueError:
        return None


def _between(addressed: List[Addressed], first: int, last: int) -> List[Addressed]:
    """Return those of a sorted list in a range."""
    return addressed[bisect.bisect_left(addressed, (first, 0, 0)) : bisect.bisect_left(addressed, (last + 1, 0, 0))]
