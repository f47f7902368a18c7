# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: one DHCPv4 lease, whole, and as a row of Kea's lease file (src/lib/dhcpsrv/csv_lease_file4.cc)."""

from __future__ import annotations

import ipaddress
import re
from typing import Dict, Iterable, List, NamedTuple, Tuple

INFINITE = 4294967295
"""Seconds; Lease::INFINITY_LFT."""
DECLINED = 1

_COLUMNS = (
    "address", "hwaddr", "client_id", "valid_lifetime", "expire", "subnet_id", "fqdn_fwd", "fqdn_rev", "hostname",
    "state",
)  # fmt: skip
_CONTEXT, _POOL = "user_context", "pool_id"
_ESCAPE = re.compile(r"&#x([0-9a-fA-F]{2})")
# What would end a field or begin an escape, and whatever would end a line.
_SPECIAL = re.compile(r"[,&\x00-\x1f\x7f]")


class Lease(NamedTuple):
    """Everything that Kea keeps of a lease in a file as well as in a database."""

    address: int
    hwaddr: bytes
    client_id: bytes
    valid_lifetime: int
    cltt: int
    """Client's last transmission time, epoch seconds: C(expire) means different things in the two places."""
    subnet_id: int
    fqdn_fwd: bool
    fqdn_rev: bool
    hostname: str
    state: int
    user_context: str
    pool_id: int

    @property
    def text(self) -> str:
        """The address as people write it."""
        return str(ipaddress.IPv4Address(self.address))


class Header:
    """The first line of a lease file; columns by name, because Kea adds some. Raises ValueError for another line."""

    def __init__(self, line: str) -> None:
        names = line.rstrip("\r\n").split(",")
        self._column = {name: index for index, name in enumerate(names)}
        self._width = len(names)
        self.has_pools = _POOL in self._column
        missing = [name for name in _COLUMNS if name not in self._column]
        if missing:
            raise ValueError(f"the header has no column {', '.join(missing)}")

    def parse(self, line: str) -> Lease:
        """Raises ValueError for a row that Kea would pass over, too."""
        fields = line.rstrip("\r\n").split(",")
        if len(fields) != self._width:
            raise ValueError(f"{len(fields)} fields instead of {self._width}")
        row = {name: fields[index] for name, index in self._column.items()}
        valid_lifetime = int(row["valid_lifetime"])
        lease = Lease(
            address=int(ipaddress.IPv4Address(row["address"])),
            hwaddr=_bytes(row["hwaddr"]),
            client_id=_bytes(row["client_id"]),
            valid_lifetime=valid_lifetime,
            cltt=int(row["expire"]) - valid_lifetime,
            subnet_id=int(row["subnet_id"]),
            fqdn_fwd=row["fqdn_fwd"] == "1",
            fqdn_rev=row["fqdn_rev"] == "1",
            hostname=_unescaped(row["hostname"]),
            state=int(row["state"]),
            user_context=_unescaped(row.get(_CONTEXT, "")),
            pool_id=int(row.get(_POOL) or 0),
        )
        if not lease.hwaddr and not lease.client_id and lease.state != DECLINED:
            raise ValueError("neither hwaddr nor client_id")
        return lease


def replay(lines: Iterable[str], leases: Dict[int, Lease]) -> Tuple[int, bool]:
    """Applies the rows of one file to what the files before it said: the last row of an address counts, and lifetime 0
    deletes it.

    Returns how many rows were rejected, as Kea rejects them, and whether the file has pools. Raises ValueError when it
    is no lease file.
    """
    rows = iter(lines)
    first = next(rows, "")
    if not first.strip():
        return 0, False
    header, rejected = Header(first), 0
    for line in rows:
        try:
            lease = header.parse(line)
        except ValueError:
            rejected += 1
            continue
        if lease.valid_lifetime:
            leases[lease.address] = lease
        else:
            leases.pop(lease.address, None)
    return rejected, header.has_pools


def render(leases: Iterable[Lease], with_pools: bool) -> str:
    """A lease file. A lease of lifetime 0 is left out, because Kea would take its row for a deletion."""
    header = ",".join((*_COLUMNS, _CONTEXT, _POOL) if with_pools else (*_COLUMNS, _CONTEXT))
    return "".join(f"{line}\n" for line in [header, *(_row(one, with_pools) for one in leases if one.valid_lifetime)])


def youngest(leases: Iterable[Lease]) -> List[Lease]:
    """Of several leases of one client in a subnet the last one that it was given, by address.

    A lease file may hold several. In a database, where Kea asks for the one lease of a client identifier in a subnet,
    a second one is an error (MultipleRecords) and its client gets no answer any more.
    """
    kept: Dict[object, Lease] = {}
    for lease in sorted(leases, key=lambda one: (one.cltt, one.address)):
        kept[(lease.client_id, lease.subnet_id) if lease.client_id else lease.address] = lease
    return sorted(kept.values())


def _row(lease: Lease, with_pools: bool) -> str:
    fields = [
        lease.text,
        lease.hwaddr.hex(":") if lease.hwaddr else "",
        lease.client_id.hex(":") if lease.client_id else "",
        str(lease.valid_lifetime),
        str(lease.cltt + lease.valid_lifetime),
        str(lease.subnet_id),
        str(int(lease.fqdn_fwd)),
        str(int(lease.fqdn_rev)),
        _escaped(lease.hostname),
        str(lease.state),
        _escaped(lease.user_context),
    ]
    return ",".join([*fields, str(lease.pool_id)] if with_pools else fields)


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def _escaped(text: str) -> str:
    return _SPECIAL.sub(lambda found: f"&#x{ord(found.group()):02x}", text)


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(lambda found: chr(int(found.group(1), 16)), text) if "&" in text else text
