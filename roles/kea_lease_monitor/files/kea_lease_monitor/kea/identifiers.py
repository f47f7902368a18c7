# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses as text, as Kea's numbers and in one order of both families; and which client a lease belongs to."""

from __future__ import annotations

import socket
import struct
from typing import Tuple

from _kea import hwaddr_source, relay
from _kea.identifiers import parse, spell

from kea_lease_monitor.lease import Lease

_NO_DUID = frozenset({b"", bytes(1), bytes(3)})
"""DUID::EMPTY of Kea's versions."""

LAST4 = 2**32 - 1
"""The ordinal of the last IPv4 address."""


def dotted(number: int) -> str:
    """Return the IPv4 address with this number."""
    return socket.inet_ntoa(struct.pack("!I", number))


def number(address: str) -> int:
    """Return the number of an IPv4 address. Raises ValueError unless it is a dotted quad: inet_aton takes 10.1, too."""
    try:
        return int(struct.unpack("!I", socket.inet_pton(socket.AF_INET, address))[0])
    except OSError as error:
        raise ValueError(f"{address!r} is no IPv4 address") from error


def hwaddr(text: str) -> str:
    """Return a hardware address as Kea writes it, from any spelling of a person. Raises ValueError."""
    return spell(parse(text))


def address6(text: str) -> str:
    """Return an IPv6 address in its one canonical spelling. Raises ValueError."""
    try:
        return socket.inet_ntop(socket.AF_INET6, socket.inet_pton(socket.AF_INET6, text))
    except OSError as error:
        raise ValueError(f"{text[:60]!r} is no IPv6 address") from error


def ordinal(address: str) -> int:
    """Return the rank of an address in the order of all addresses: IPv6 comes after IPv4. Raises ValueError."""
    if ":" not in address:
        return number(address)
    try:
        return LAST4 + 1 + int.from_bytes(socket.inet_pton(socket.AF_INET6, address), "big")
    except OSError as error:
        raise ValueError(f"{address[:60]!r} is no IPv6 address") from error


def of_ordinal(rank: int) -> str:
    """Return the address with this ordinal; the first or the last one for an ordinal outside the range."""
    if rank <= LAST4:
        return dotted(max(0, rank))
    return socket.inet_ntop(socket.AF_INET6, min(rank - LAST4 - 1, 2**128 - 1).to_bytes(16, "big"))


def proven_hwaddr(lease: Lease) -> str:
    """Return the hardware address of a lease's machine; empty if it is unknown, or if only the client says so.

    In DHCPv4 it is a field of each message. In DHCPv6 clients invent DUIDs that hold the address of another machine.
    """
    return lease.hwaddr if lease.family == 4 or hwaddr_source.is_proven(lease.hwaddr_source) else ""


def port(lease: Lease) -> str:
    """Return the circuit-id that a lease tells, as Kea writes identifiers; empty if it tells none. DHCPv6 has none."""
    return relay.circuit_id(lease.user_context) if lease.family == 4 and lease.user_context else ""


def client(lease: Lease) -> Tuple[object, ...]:
    """Return the key of the client that Kea gives one lease at a time; empty if the client is not known.

    Of several leases with the same key the youngest counts. In DHCPv6 each identity association of a client has a key.
    """
    if lease.family == 6:
        return (lease.duid, lease.iaid, lease.lease_type, lease.subnet_id) if lease.duid else ()
    return (lease.hwaddr, lease.subnet_id) if lease.hwaddr else ()


def bare(text: str) -> str:
    """Return an identifier as Kea writes it, from a person's spelling; empty for a text that is no identifier."""
    try:
        return spell(parse(text))
    except ValueError:
        return ""


def spelled(digits: str) -> str:
    """Return an identifier as Kea writes it, from its hex digits."""
    return spell(bytes.fromhex(digits))


def duid(value: bytes) -> str:
    """Return a DUID as text; empty for each of the values that Kea writes for none, as a declined lease has."""
    return "" if value in _NO_DUID else spell(value)
