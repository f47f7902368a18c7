# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What hostile clients and relays of both families send: texts, noise and hardware addresses."""

from __future__ import annotations

import random
import struct

MARKER = "kea-fuzz-was-here"
"""Name of a file that a template of a client creates where one is evaluated."""

NAMES = (
    *(b"bmc-7", b"BMC-7.example.org", b"a" * 63 + b"." + b"b" * 63, b"n" * 255, b"-", b".", b"..", b"x.", b"localhost"),
    *(b"../../../../tmp/x", b"/etc/passwd", b"..\\..\\x", b"a/b", b"%2e%2e%2f", b"~root", b"$(id)", b"`id`", b"; id #"),
    f"{{{{ lookup('pipe', 'touch {MARKER}') }}}}".encode(),
    *(
        b"{{ 7 * 7 }}",
        b"{% raw %}",
        b"{#",
        b"${x}",
        b"!unsafe x",
        b"&a *b",
        b"a: {b: c}",
        b"- x",
        b"|",
        b">",
        b"? x",
        b"'",
    ),
    *(b"\x1b[2J\x1b[31mred", b"\x9b31m", b"a\nb", b"a\r\nb", b"\x07\x08\x7f", b"tab\there", b"\x00", b"nul\x00inside"),
    *(
        b"\xff\xfe",
        b"\xc3\x28",
        b"\xed\xa0\x80",
        b"\xf0\x9f\x92\xa9",
        "\u202ebmc\u2066".encode(),
        "\x85\u2028".encode(),
    ),
    *(b"'; DROP TABLE hosts; --", b'"}], "x": [{"', b'<?include "/etc/passwd"?>', b"/* */", b"# x", b"\\", b"\\u0000"),
    *(b",,,,", b"&#x0a", b"&#x2c", b"&#xZZ", b"&", b'"', b"%s%n", b"null", b"true", b"1e999", b"xn--bcher-kva", b""),
)
"""What is sent wherever a client or a relay may send text."""

WELL_BEHAVED = b"sentinel"
"""Begins the name of a client that must be served whatever the others send."""

LONGEST = 1400
"""Octets of a packet."""

_HOSTILE = (b"\x02", b"\x08")
_SENTINEL = b"\x04"
"""First octets of hardware addresses. Kea takes no local one, such as the first here, from a link-local address."""
_ROUNDS = 20
"""Rounds whose well-behaved clients are imitated."""


def text(chance: random.Random) -> bytes:
    """Return a text of NAMES, sometimes two."""
    found = chance.choice(NAMES)
    return found + chance.choice(NAMES) if chance.random() < 0.2 else found


def noise(chance: random.Random) -> bytes:
    """Return octets that mean nothing."""
    return chance.randbytes(chance.choice((0, 1, 2, 7, 64, 255, 300)))


def domain(chance: random.Random) -> bytes:
    """Return a name as DNS encodes it, with or without its end, or rarely only the text."""
    name = text(chance)
    wire = b"".join(bytes([len(label[:63])]) + label[:63] for label in name.split(b".") if label)
    return chance.choices((wire, wire + b"\0", name), (5, 5, 1))[0]


def hwaddr(chance: random.Random) -> bytes:
    """Return the hardware address of a hostile client."""
    if chance.random() < 0.1:
        return chance.choice(
            (bytes(6), b"\xff" * 6, b"", b"\x02", b"\x02\0\0\0\0\x01", b"\x01\0\x5e\0\0\x01", b"\x02" * 16)
        )
    return chance.choice(_HOSTILE) + chance.randbytes(5)


def sentinel(number: int) -> bytes:
    """Return the hardware address of a well-behaved client, which no hostile one has."""
    return _SENTINEL + struct.pack("!IB", number, 0)


def foreign(chance: random.Random) -> bytes:
    """Return the hardware address of any well-behaved client."""
    return sentinel(chance.randrange(2 * _ROUNDS))
