# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: hardware addresses, DUIDs and other client identifiers in all their spellings.

Kea writes lower-case hexadecimal digits with colons, into lease files and into its answers. Its configuration takes
more spellings (Host::setIdentifier, tried with ``kea-dhcp4 -t``): see ``parse``.
"""

from __future__ import annotations

import re
from typing import Union

TYPES = ("hw-address", "duid", "circuit-id", "client-id", "flex-id")
"""Keys of an identifier in a reservation. The index is ``dhcp_identifier_type`` in Kea's table hosts."""

HWADDR_TYPE, DUID_TYPE = 0, 1
"""Indexes of the two in ``TYPES`` that a lease has."""

_NORMAL = re.compile(r"(?:[0-9a-f]{2}(?::[0-9a-f]{2})*)?")
_SEPARATED = re.compile(r"[0-9a-fA-F]{1,2}(?:([: -])[0-9a-fA-F]{1,2}(?:\1[0-9a-fA-F]{1,2})*)")
_PLAIN = re.compile(r"(?:0[xX])?([0-9a-fA-F]+)")


def spell(value: Union[bytes, memoryview]) -> str:
    """Return an identifier as Kea writes it: ``02:00:00:00:00:ab``. Empty for none."""
    return bytes(value).hex(":")


def normal(text: str) -> str:
    """Return an identifier as Kea writes it, from two hexadecimal digits of either case for each byte and colons.

    Empty stays empty. Raises ValueError for any other spelling: no lease file has one.
    """
    lower = text.lower()
    if not _NORMAL.fullmatch(lower):
        raise ValueError(f"{text[:60]!r} is no identifier in hex")
    return lower


def octets(text: str) -> bytes:
    """Return the bytes of an identifier in a lease file. Raises ValueError as ``normal`` does."""
    return bytes.fromhex(normal(text).replace(":", ""))


def parse(text: str) -> bytes:
    """Return the bytes of an identifier as a person or a configuration spells it. Raises ValueError.

    Accepted are one or two digits for each byte, separated by colons or spaces (``2:0:0:0:0:ab``); digits without
    separators, with or without ``0x``, where an odd number gets a 0 in front; and text in single quotes. Digits are of
    either case. These are Kea's spellings. ``0X`` and dashes are accepted as well; Kea's configuration refuses them.
    """
    text = text.strip()
    if len(text) > 2 and text[0] == text[-1] == "'":
        return text[1:-1].encode()
    separated = _SEPARATED.fullmatch(text)
    if separated:
        return bytes(int(digits, 16) for digits in text.split(separated.group(1)))
    plain = _PLAIN.fullmatch(text)
    if not plain:
        raise ValueError(f"{text[:60]!r} is no identifier in hex")
    digits = plain.group(1)
    return bytes.fromhex(digits if len(digits) % 2 == 0 else f"0{digits}")
