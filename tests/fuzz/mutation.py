# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random changes of known inputs."""

from __future__ import annotations

import random
from typing import Sequence

TOKENS = (
    b",",
    b"\n",
    b"&#x",
    b"&#xZZ",
    b"4294967295",
    b"-1",
    b"18446744073709551616",
    b"\x00",
    b"\xff\xfe",
    b"::",
    b"\r",
    b"9223372036854775808",
    b"-0",
    b"&#xc3&#xbc",
    b"[1]",
    b"\t",
    b",,",
)
"""What may matter in rows of a lease file."""

JSON_TOKENS = (
    *(b"{", b"}", b"[", b"]", b'"', b"\\", b":", b",", b",,", b"null", b"true", b"1e999", b"NaN", b"Infinity", b"[]"),
    *(
        b"//",
        b"#",
        b"/*",
        b"*/",
        b'<?include "/x"?>',
        b"\\u0000",
        b"\\ud800",
        b"\\u00e9",
        b"\xc3\xa9",
        b"\xff",
        b"\x00",
    ),
    *(b'"duid": "00:01"', b'"ip-addresses": ["::1"]', b'"prefixes": ["2001:db8::/56"]', b"/", b"::"),
    *(b'"a": ', b'"hw-address": "02"', b'"result": ', b"9" * 5000, b"[" * 3000, b'{"a":' * 3000, b"-0", b"0x1"),
)
"""What may matter in JSON and in Kea's variant of it."""


def mutated(chance: random.Random, seed: bytes, tokens: Sequence[bytes] = TOKENS) -> bytes:
    """Return the input with up to twelve changes."""
    data = bytearray(seed)
    for _change in range(chance.choice((0, 1, 1, 2, 4, 12))):
        at = chance.randrange(len(data) + 1)
        kind = chance.randrange(4)
        if kind == 0:
            data[at : at + 1] = bytes([chance.randrange(256)])
        elif kind == 1:
            data[at:at] = chance.choice(tokens)
        elif kind == 2:
            del data[at : at + chance.choice((1, 2, 9, 99))]
        else:
            begin = chance.randrange(len(data) + 1)
            data[at:at] = data[begin : begin + 20]
    return bytes(data)
