# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The reservations that the site wrote itself, which win over those of the monitor.

Kea uses the first host that it finds for one of the client's identifiers, the hardware address first. So a reservation
of the monitor would hide a site's one by client identifier or port. Identifiers are compared by their bytes.
"""

from __future__ import annotations

import json
from typing import Any, Collection, Dict, FrozenSet, Iterable, List, NamedTuple, Optional, Set, Tuple

from _kea.identifiers import TYPES

from kea_lease_monitor.kea import identifiers
from kea_lease_monitor.kea.reservations import Verdict
from kea_lease_monitor.lease import Lease

HWADDR, DUID, CIRCUIT_ID, CLIENT_ID, FLEX_ID = TYPES

_UNTOLD = frozenset({CIRCUIT_ID, FLEX_ID})
"""Identifiers that a lease does not tell, but a circuit-id where Kea stores extended info. Such a reservation is
recognised by its address."""

_TEXTS = ("kind", "identifier", "address", "name")

_DUID_TYPE, _DUID_AT = "ff", 5
"""A client identifier of this type holds a DUID from this octet on (RFC 4361), by which Kea finds hosts, too."""

_NO_ADDRESS = "the site's reservation by {} names no address; give it one, or run kea_deploy.yml, which adds {}"
_HIDDEN = "the site has reservations by {} without an address in this subnet, and one of them may be this client's"


class Entry(NamedTuple):
    """One reservation of the site."""

    subnet: int
    kind: str
    """One of TYPES; empty for an identifier that cannot be read."""
    identifier: str
    """As Kea writes it."""
    address: str
    """Empty if it names none."""
    name: str = ""
    """The name that the site gives a client beforehand. Such an entry is in no configuration of Kea."""
    family: int = 4


def parse(content: bytes) -> Tuple[Entry, ...]:
    """Return the entries of a file that the role writes: a list of maps in JSON. Raises ValueError."""
    document = json.loads(content)
    if not isinstance(document, list):
        raise ValueError("a list is needed")
    return tuple(_entry(one) for one in document)


def _entry(value: Any) -> Entry:
    try:
        subnet, texts = value["subnet"], [value.get(key, "") for key in _TEXTS]
        family = value.get("family", 4)
    except (TypeError, AttributeError, KeyError) as error:
        raise ValueError(f"{str(value)[:60]!r} is no reservation with a subnet") from error
    if not isinstance(subnet, int) or family not in (4, 6) or not all(isinstance(text, str) for text in texts):
        raise ValueError(f"{str(value)[:60]!r}: subnet is a number, family 4 or 6, the rest is text")
    return Entry(subnet, *texts)._replace(family=family)


class Site:
    """The reservations of the site in all subnets."""

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self._clients: Dict[Tuple[int, int, str, str], Entry] = {}
        self._addresses: Dict[Tuple[int, str], Entry] = {}
        self._hidden: Dict[Tuple[int, int], Set[str]] = {}
        for one in (one for one in entries if not one.name):
            if one.kind and one.identifier:
                self._clients.setdefault((one.family, one.subnet, one.kind, one.identifier), one)
            if one.address:
                self._addresses.setdefault((one.subnet, one.address), one)
            elif one.kind in _UNTOLD:
                self._hidden.setdefault((one.family, one.subnet), set()).add(one.kind)

    def __bool__(self) -> bool:
        return bool(self._clients or self._addresses)

    def judge(self, lease: Lease) -> Optional[Tuple[Verdict, str]]:
        """Return what the site's word is for a lease, as a verdict with its detail; None if it has none."""
        own = self._of_client(lease)
        if own:
            if own.address:
                return Verdict.UNCHANGED, ""
            return Verdict.SITE, _NO_ADDRESS.format(f"{own.kind} {own.identifier}", lease.address)
        # Where the lease tells the port, a reservation for another port is not this client's.
        untold = _UNTOLD - ({CIRCUIT_ID} if identifiers.port(lease) else set())
        holder = self._addresses.get((lease.subnet_id, lease.address))
        if holder:
            # Kea gave the address to this client, so the reservation that the lease cannot tell is this client's.
            return (Verdict.UNCHANGED, "") if holder.kind in untold else (Verdict.CONFLICT, _words(holder))
        if hidden := untold & self._hidden.get((lease.family, lease.subnet_id), set()):
            return Verdict.SITE, _HIDDEN.format(min(hidden))
        return None

    def is_of_port(self, lease: Lease) -> bool:
        """Return whether the site has a reservation for the port that a lease tells.

        A managed reservation of the client, whose hardware address Kea looks up first, would hide it.
        """
        return (lease.family, lease.subnet_id, CIRCUIT_ID, identifiers.port(lease)) in self._clients

    def overruled(self, leases: Collection[Lease]) -> List[Lease]:
        """Return those managed reservations, given as leases, that are for a client or an address of the site."""
        return [one for one in leases if self._of_client(one) or (one.subnet_id, one.address) in self._addresses]

    def _of_client(self, lease: Lease) -> Optional[Entry]:
        found = (self._clients.get((lease.family, lease.subnet_id, *one)) for one in _identifiers(lease))
        return next(filter(None, found), None)


def _identifiers(lease: Lease) -> List[Tuple[str, str]]:
    """Return the identifiers by which Kea finds the host of a lease's client, as far as the lease tells them."""
    found = [(HWADDR, lease.hwaddr), (DUID, lease.duid), (CLIENT_ID, lease.client_id)]
    octets = lease.client_id.split(":")
    if octets[0] == _DUID_TYPE and len(octets) > _DUID_AT:
        found.append((DUID, ":".join(octets[_DUID_AT:])))
    found.append((CIRCUIT_ID, identifiers.port(lease)))
    return [(kind, text) for kind, text in found if text]


def _words(entry: Entry) -> str:
    """Return what a message calls the holder of an address."""
    if not entry.kind:
        return "another identifier"
    return entry.identifier if entry.kind == HWADDR else f"{entry.kind} {entry.identifier}"


def of_rows(rows: Iterable[Tuple[int, int, str, Optional[int]]], everywhere: FrozenSet[int]) -> List[Entry]:
    """Return the entries for rows of the table hosts: subnet, type, identifier in hex digits and number of the address.

    A row of subnet 0 counts in the subnets ``everywhere``.
    """
    found: List[Entry] = []
    for subnet, kind, digits, number in rows:
        address = identifiers.dotted(number) if number else ""
        subnets = frozenset({subnet}) if subnet else everywhere
        found += [Entry(one, TYPES[kind], identifiers.spelled(digits), address) for one in sorted(subnets)]
    return found
