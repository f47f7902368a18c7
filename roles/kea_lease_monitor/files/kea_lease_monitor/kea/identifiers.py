# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses and identifiers in the forms that Kea's files, Kea's tables and people use."""

from __future__ import annotations

import re
import socket
import struct
from typing import Tuple

from kea_lease_monitor.lease import Lease

_HEX = re.compile(r"(?:[0-9a-f]{2}(?::[0-9a-f]{2})*)?")

_NO_DUID = frozenset({b"", bytes(1), bytes(3)})
"""DUID::EMPTY of Kea's versions."""

HWADDR_TYPE, DUID_TYPE = 0, 1
"""host_identifier_type in ``hosts`` (dhcpdb_create.pgsql)."""

LAST4 = 2**32 - 1
"""The ordinal of the last IPv4 address."""


def dotted(number: int) -> str:
    return socket.inet_ntoa(struct.pack("!I", number))


def number(address: str) -> int:
    """Raises ValueError unless it is a dotted quad; inet_aton would also take 10.1."""
    try:
        return int(struct.unpack("!I", socket.inet_pton(socket.AF_INET, address))[0])
    except OSError as error:
        raise ValueError(f"{address!r} is no IPv4 address") from error


def address6(text: str) -> str:
    """The one spelling of an IPv6 address. Raises ValueError."""
    try:
        return socket.inet_ntop(socket.AF_INET6, socket.inet_pton(socket.AF_INET6, text))
    except OSError as error:
        raise ValueError(f"{text[:60]!r} is no IPv6 address") from error


def ordinal(address: str) -> int:
    """Addresses of both families in one order: those of IPv6 come behind those of IPv4. Raises ValueError."""
    if ":" not in address:
        return number(address)
    try:
        return LAST4 + 1 + int.from_bytes(socket.inet_pton(socket.AF_INET6, address), "big")
    except OSError as error:
        raise ValueError(f"{address[:60]!r} is no IPv6 address") from error


def of_ordinal(place: int) -> str:
    """The address; for a place before or behind all, the first or the last one."""
    if place <= LAST4:
        return dotted(max(0, place))
    return socket.inet_ntop(socket.AF_INET6, min(place - LAST4 - 1, 2**128 - 1).to_bytes(16, "big"))


def client(lease: Lease) -> Tuple[object, ...]:
    """To whom Kea gives one lease at a time, so that of several the youngest counts; empty when that is not known.

    In DHCPv6 each identity association of a client has a lease of its own.
    """
    if lease.family == 6:
        return (lease.duid, lease.iaid, lease.lease_type, lease.subnet_id) if lease.duid else ()
    return (lease.hwaddr, lease.subnet_id) if lease.hwaddr else ()


def duid(value: bytes) -> str:
    """Empty for Kea's several ways to say that there is none; only a declined lease has none."""
    return "" if value in _NO_DUID else colons(value)


def colons(value: bytes) -> str:
    return bytes(value).hex(":")


def normal(text: str) -> str:
    """Lower-case hex with colons. Raises ValueError."""
    lower = text.lower()
    if not _HEX.fullmatch(lower):
        raise ValueError(f"{text[:60]!r} is no identifier in hex")
    return lower
