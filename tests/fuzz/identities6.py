# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""DUIDs and addresses that hostile DHCPv6 clients use."""

from __future__ import annotations

import random
import socket
import struct

from hostile import foreign, text

_LINK_LAYER_TIME, _ENTERPRISE, _LINK_LAYER, _UUID = 1, 2, 3, 4
"""Types of DUIDs."""


def duid(chance: random.Random, own: bytes) -> bytes:
    """Return a DUID: mostly a valid one, and often with the hardware address of another machine."""
    claimed = foreign(chance) if chance.random() < 0.3 else own
    kinds = (
        struct.pack("!HH", _LINK_LAYER, 1) + claimed,
        struct.pack("!HHI", _LINK_LAYER_TIME, 1, chance.randrange(2**32)) + claimed,
        struct.pack("!HH", _LINK_LAYER, chance.choice((0, 6, 32, 2**16 - 1))) + claimed,
        struct.pack("!H", _UUID) + chance.randbytes(16),
        # A few clients send several packets.
        struct.pack("!H", _UUID) + bytes([chance.randrange(8)] * 16),
        struct.pack("!HI", _ENTERPRISE, chance.randrange(2**32)) + text(chance),
        _odd(chance),
    )
    return chance.choices(kinds, (5, 3, 1, 3, 2, 3, 1))[0][:200]


def _odd(chance: random.Random) -> bytes:
    return chance.choice(
        (b"", b"\0", b"\0\0\0", b"\xff", b"\0\3", b"\0\3\0\1", *map(chance.randbytes, (1, 3, 68, 127, 128, 129, 130)))
    )


def link_local(hardware: bytes) -> bytes:
    """Return the link-local address that has this hardware address (modified EUI-64)."""
    six = hardware[:6].ljust(6, b"\0")
    return b"\xfe\x80" + bytes(6) + bytes([six[0] ^ 2]) + six[1:3] + b"\xff\xfe" + six[3:]


def peer(chance: random.Random, own: bytes) -> bytes:
    """Return the address from which a client sends."""
    if chance.random() < 0.7:
        return link_local(own)
    return chance.choice((link_local(foreign(chance)), bytes(16), b"\xff\x02" + bytes(14), chance.randbytes(16)))


def wanted(chance: random.Random) -> bytes:
    """Return an address or a prefix that a client wants to have."""
    address = chance.choice(("2001:db8:1:1::", "2001:db8:2:1::", "2001:db8:8100:1::", "2001:db8:9::", "fe80::", "::"))
    return socket.inet_pton(socket.AF_INET6, address)[:15] + bytes([chance.randrange(256)])
