# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: a lease file as text: columns by name, rows and escapes.

Facts: csv_lease_file4.cc and csv_lease_file6.cc of Kea's source; kea-facts 3.7. Columns are found by name because newer
versions of Kea add some. A row with a valid lifetime of 0 deletes the lease.
"""

from __future__ import annotations

import re
from typing import Dict, List

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

# Together, because the bytes of one character may be several escapes: Kea 3.3.0 and later escape all but ASCII.
_ESCAPES = re.compile(r"(?:&#x[0-9a-fA-F]{2})+")
# What would end a field, begin an escape or end a line.
_SPECIAL = re.compile(r"[,&\x00-\x1f\x7f]")


class Header:
    """The columns of a lease file, from its first line."""

    def __init__(self, line: str) -> None:
        """Read the first line of a lease file of either family. Raises ValueError if it is no such line."""
        names = line.strip().split(",")
        self.column: Dict[str, int] = {name: index for index, name in enumerate(names)}
        """Index of each column in a row, by the column's name."""
        self.family = 6 if "duid" in self.column else 4
        self.has_pools = POOL in self.column
        """Whether this Kea stores pool ids: from 2.4 on."""
        self._width = len(names)
        missing = [name for name in REQUIRED[self.family] if name not in self.column]
        if missing:
            raise ValueError(f"the header has no column {', '.join(missing)}")

    def split(self, line: str) -> List[str]:
        """Return the fields of a row, still escaped; ``column`` has their order.

        Raises ValueError for a row of another width, which Kea and kea-lfc reject, too.
        """
        fields = line.rstrip("\r\n").split(",")
        if len(fields) != self._width:
            raise ValueError(f"{len(fields)} fields instead of {self._width}")
        return fields


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
    """Return the number in a field, from 0 to ``limit``. Raises ValueError for anything else."""
    if not text.isdecimal() or not text.isascii() or len(text) > 20 or int(text) > limit:
        raise ValueError(f"{text[:60]!r} is no number up to {limit}")
    return int(text)


def escape(text: str) -> str:
    """Return a hostname or user context as a field; the other columns need no escapes."""
    return _SPECIAL.sub(lambda found: f"&#x{ord(found.group()):02x}", text)


def unescape(text: str) -> str:
    """Return a hostname or user context from its field; bytes that are no UTF-8 become U+FFFD."""
    return _ESCAPES.sub(lambda found: _decoded(found.group()), text) if "&" in text else text


def _decoded(escapes: str) -> str:
    return bytes.fromhex(escapes.replace("&#x", "")).decode("utf-8", "replace")
