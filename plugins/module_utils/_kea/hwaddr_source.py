# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: where Kea found the hardware address of a DHCPv6 client, and what that proves.

A DHCPv6 message names no hardware address. Kea looks for one in several places (``mac-sources``) and stores the place
with the lease: column ``hwaddr_source`` of its lease file, from 2.2 on, and of its table ``lease6``.
"""

from __future__ import annotations

COLUMN = "hwaddr_source"
"""Name of the column in a lease file."""

UNKNOWN = 0
FRAME = 1
"""The frame itself (HWAddr::HWADDR_SOURCE_RAW)."""
DUID = 2
"""A DUID that ends with a hardware address (DUID-LLT, DUID-LL). The client chooses it."""
LINK_LOCAL = 4
"""The client's link-local address. The client chooses it."""
RELAY = 8
"""The option that a relay adds from the frame (RFC 6939, HWADDR_SOURCE_CLIENT_ADDR_RELAY_OPTION)."""

_PROVEN = frozenset({FRAME, RELAY})
"""Not among them: what the client writes itself, and the identifiers of a port (remote-id, subscriber-id), which need
not hold a hardware address."""


def is_proven(source: int) -> bool:
    """Return whether a hardware address from this place is that of the frame, which the client's switch saw."""
    return source in _PROVEN
