# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses and identifiers in the forms that Kea's files, Kea's tables and people use."""

from __future__ import annotations

import re
import socket
import struct

_HEX = re.compile(r"(?:[0-9a-f]{2}(?::[0-9a-f]{2})*)?")

HWADDR_TYPE = 0
"""host_identifier_type of a hardware address in ``hosts`` (dhcpdb_create.pgsql)."""


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


def colons(value: bytes) -> str:
    return bytes(value).hex(":")


def normal(text: str) -> str:
    """Lower-case hex with colons. Raises ValueError."""
    lower = text.lower()
    if not _HEX.fullmatch(lower):
        raise ValueError(f"{text[:60]!r} is no identifier in hex")
    return lower
