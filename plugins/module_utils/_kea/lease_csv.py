# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: a lease file as text: columns by name, rows and escapes.

Facts: csv_lease_file4.cc, csv_lease_file6.cc and versioned_csv_file.cc of Kea's source; kea-facts 3.7; what kea-lfc 2.2
makes of such rows. Columns are found by name because newer versions of Kea add some. A row with a valid lifetime of 0
deletes the lease.
"""

from __future__ import annotations

import json
import re
from typing import Dict, List

from . import identifiers

DECLINED = 1
"""Lease::STATE_DECLINED: the state of the only leases that have no client."""

CONTEXT, POOL = "user_context", "pool_id"
"""Columns that Kea writes from 1.5 on, and from 2.4 on."""

REQUIRED = {
    4: (
        "address", "hwaddr", "client_id", "valid_lifetime", "expire", "subnet_id", "fqdn_fwd", "fqdn_rev", "hostname",
        "state",
    ),
    6: (
        "address", "duid", "valid_lifetime", "expire", "subnet_id", "pref_lifetime", "lease_type", "iaid", "prefix_len",
        "fqdn_fwd", "fqdn_rev", "hostname", "hwaddr", "state",
    ),
}  # fmt: skip
"""Columns of every lease file that a supported version of Kea writes, by family (4 or 6), in Kea's order."""

_LATER = {4: (CONTEXT,), 6: (CONTEXT, "hwtype", "hwaddr_source")}
"""Columns that Kea 2.2 writes after these."""

_ADDED = {4: ("state", *_LATER[4], POOL), 6: ("hwaddr", "state", *_LATER[6], POOL)}
"""Columns that the first versions of Kea did not write, in Kea's order. A row may have them though its header does
not: a newer Kea appends such rows to an older file."""

_DEFAULTS = {"state": "0", POOL: "0"}
"""What Kea reads from a row that lacks the column; empty for every other one of _ADDED."""

_HWADDR_OCTETS = 20
"""HWAddr::MAX_HWADDR_LEN: Kea rejects the row of a longer hardware address."""

# Together, because the bytes of one character may be several escapes: Kea 3.3.0 and later escape all but ASCII.
_ESCAPES = re.compile(r"(?:&#x[0-9a-fA-F]{2})+")
# What would end a field, begin an escape or end a line.
_SPECIAL = re.compile(r"[,&\x00-\x1f\x7f]")
_NUMBER = re.compile(r"([+-]?)0*([0-9]{1,20})")
_FLAG = re.compile(r"\+?0*1|[+-]?0+")


class Header:
    """The columns of a lease file, from its first line."""

    def __init__(self, line: str) -> None:
        """Read the first line of a lease file of either family. Raises ValueError if it is no such line."""
        names = line.strip().split(",")
        self.family = 6 if "duid" in names else 4
        self.has_pools = POOL in names
        """Whether this Kea stores pool ids: from 2.4 on."""
        later = _later(names, self.family)
        self.column: Dict[str, int] = {name: index for index, name in enumerate((*names, *later))}
        """Index of each column in a row, by the column's name."""
        self._width = len(names)
        self._least = min(len(names), len(REQUIRED[self.family]) + len(_LATER[self.family]))
        self._defaults = [_DEFAULTS.get(name, "") for name in (*names, *later)]
        missing = [name for name in REQUIRED[self.family] if name not in self.column]
        if missing:
            raise ValueError(f"the header has no column {', '.join(missing)}")

    def split(self, line: str) -> List[str]:
        """Return the fields of a row, still escaped; ``column`` has their order.

        As Kea does, ignore fields that have no column, and complete a row that lacks the newest columns. Raises
        ValueError for a row that is narrower than its header, unless the header has columns that Kea 2.2 does not
        write.
        """
        fields = line.rstrip("\n").split(",")
        if len(fields) < self._least:
            raise ValueError(f"{len(fields)} fields instead of {self._width}")
        return [*fields, *self._defaults[len(fields) :]]


def _later(names: List[str], family: int) -> List[str]:
    """Return the columns that a newer Kea writes after these; none unless the names are in Kea's order."""
    first = [name for name in REQUIRED[family] if name not in _ADDED[family]]
    known = [*first, *_ADDED[family]]
    return known[len(names) :] if len(names) >= len(first) and names == known[: len(names)] else []


def header_line(family: int, with_pools: bool = False) -> str:
    """Return the first line of a lease file, without its end: of Kea 2.2 or, with pools, of Kea 2.4 and later."""
    return ",".join((*REQUIRED[family], *_LATER[family], *((POOL,) if with_pools else ())))


def is_header(line: bytes) -> bool:
    """Return whether a first line may be that of a lease file: Kea fails to load a file that has another one."""
    return line.startswith(b"address,")


def check_client(family: int, state: int, *identifiers: object) -> None:
    """Raise ValueError for a lease without a client that is not declined, whose row Kea rejects.

    ``identifiers`` are hwaddr and client_id in family 4, the DUID in family 6; those that are absent are empty.
    """
    if state != DECLINED and not any(identifiers):
        raise ValueError("no duid" if family == 6 else "neither hwaddr nor client_id")


def number(text: str, limit: int) -> int:
    """Return the number in a field, from 0 to ``limit``. Raises ValueError for anything else.

    A negative number counts down from ``limit``, as Kea reads one: -1 is the limit.
    """
    found = _NUMBER.fullmatch(text) if text.isascii() else None
    if not found or int(found[2]) > limit:
        raise ValueError(f"{text[:60]!r} is no number up to {limit}")
    return (limit + 1 - int(found[2])) % (limit + 1) if found[1] == "-" else int(found[2])


def flag(text: str) -> bool:
    """Return the truth value in a field. Raises ValueError unless it is 0 or 1: Kea rejects the row."""
    if not _FLAG.fullmatch(text):
        raise ValueError(f"{text[:60]!r} is neither 0 nor 1")
    return text.endswith("1")


def identifier(text: str) -> str:
    """Return an identifier as Kea writes it. Kea also reads a byte of one digit. Raises ValueError."""
    parts = text.split(":")
    return identifiers.normal(":".join(part.zfill(2) if len(part) == 1 else part for part in parts))


def hwaddr(text: str) -> str:
    """Return a hardware address as Kea writes it. Raises ValueError."""
    found = identifier(text)
    if len(found) >= 3 * _HWADDR_OCTETS:
        raise ValueError(f"{text[:60]!r} is longer than {_HWADDR_OCTETS} bytes")
    return found


def context(field: str) -> str:
    """Return a user context from its field. Raises ValueError unless it is empty or a JSON map, as Kea does."""
    found = unescape(field)
    if found and not isinstance(_parsed(found), dict):
        raise ValueError(f"the user context {found[:60]!r} is no JSON map")
    return found


def _parsed(text: str) -> object:
    """Return the value of a JSON text; None if it is none."""
    try:
        return json.loads(text, strict=False, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None


def _refuse(constant: str) -> None:
    """Raise ValueError for the constants that Python reads and JSON does not have."""
    raise ValueError(constant)


def escape(text: str) -> str:
    """Return a hostname or user context as a field; the other columns need no escapes."""
    return _SPECIAL.sub(lambda found: f"&#x{ord(found.group()):02x}", text)


def unescape(text: str) -> str:
    """Return a hostname or user context from its field; bytes that are no UTF-8 become U+FFFD."""
    return _ESCAPES.sub(lambda found: _decoded(found.group()), text) if "&" in text else text


def _decoded(escapes: str) -> str:
    return bytes.fromhex(escapes.replace("&#x", "")).decode("utf-8", "replace")
