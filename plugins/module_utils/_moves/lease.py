# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: one DHCPv4 lease with everything that Kea stores of it, and as a row of a lease file."""

from __future__ import annotations

import ipaddress
from typing import Dict, Iterable, List, NamedTuple, Tuple

from .._kea import identifiers, lease_csv, lifetime

_LARGEST = 2**32 - 1


class Lease(NamedTuple):
    """Everything that Kea stores of a lease both in a file and in a database."""

    address: int
    hwaddr: bytes
    client_id: bytes
    valid_lifetime: int
    """Seconds."""
    cltt: int
    """Client's last transmission time in epoch seconds: ``expire`` has another meaning in files than in PostgreSQL."""
    subnet_id: int
    fqdn_fwd: bool
    fqdn_rev: bool
    hostname: str
    state: int
    user_context: str
    pool_id: int

    @property
    def text(self) -> str:
        """Return the address in dotted notation."""
        return str(ipaddress.IPv4Address(self.address))


def replay(lines: Iterable[str], leases: Dict[int, Lease]) -> Tuple[int, bool]:
    """Apply the rows of one file to the leases of the files before it.

    The last row of an address counts, and a valid lifetime of 0 deletes the lease. Returns how many rows were rejected,
    as Kea rejects them, and whether the file has pool ids. Raises ValueError if it is no lease file of DHCPv4.
    """
    rows = (line for line in lines if line.rstrip("\n"))  # Kea skips blank lines
    first = next(rows, "")
    if not first.strip():
        return 0, False
    header, rejected = lease_csv.Header(first), 0
    if header.family != 4:
        raise ValueError("it is a lease file of DHCPv6")
    for line in rows:
        try:
            lease = _parse(header, line)
        except ValueError:
            rejected += 1
            continue
        if lease.valid_lifetime:
            leases[lease.address] = lease
        else:
            leases.pop(lease.address, None)
    return rejected, header.has_pools


def render(leases: Iterable[Lease], with_pools: bool) -> str:
    """Return the text of a lease file.

    A lease with a valid lifetime of 0 is left out, because Kea would take its row for a deletion.
    """
    rows = [_row(lease, with_pools) for lease in leases if lease.valid_lifetime]
    return "".join(f"{line}\n" for line in [lease_csv.header_line(4, with_pools), *rows])


def youngest(leases: Iterable[Lease]) -> List[Lease]:
    """Return the last lease of each client in a subnet, sorted by address.

    A lease file may hold several leases of a client. In a database, Kea queries the one lease of a client identifier in
    a subnet; a second one is an error (MultipleRecords), and the client gets no answer.
    """
    kept: Dict[object, Lease] = {}
    for lease in sorted(leases, key=lambda one: (one.cltt, one.address)):
        kept[(lease.client_id, lease.subnet_id) if lease.client_id else lease.address] = lease
    return sorted(kept.values())


def _parse(header: lease_csv.Header, line: str) -> Lease:
    """Return the lease of a row. Raises ValueError for a row that Kea rejects."""
    fields = header.split(line)
    row = {name: fields[index] for name, index in header.column.items()}
    valid_lifetime = lease_csv.number(row["valid_lifetime"], lifetime.INFINITE)
    cltt, _end = lifetime.of_row(lifetime.expire_field(row["expire"]), valid_lifetime)
    lease = Lease(
        address=int(ipaddress.IPv4Address(row["address"])),
        hwaddr=identifiers.octets(lease_csv.hwaddr(row["hwaddr"])),
        client_id=identifiers.octets(lease_csv.identifier(row["client_id"])),
        valid_lifetime=valid_lifetime,
        cltt=cltt,
        subnet_id=lease_csv.number(row["subnet_id"], _LARGEST),
        fqdn_fwd=lease_csv.flag(row["fqdn_fwd"]),
        fqdn_rev=lease_csv.flag(row["fqdn_rev"]),
        hostname=lease_csv.unescape(row["hostname"]),
        state=lease_csv.number(row["state"], _LARGEST),
        user_context=lease_csv.context(row.get(lease_csv.CONTEXT, "")),
        pool_id=lease_csv.number(row.get(lease_csv.POOL) or "0", _LARGEST),
    )
    lease_csv.check_client(4, lease.state, lease.hwaddr, lease.client_id)
    return lease


def _row(lease: Lease, with_pools: bool) -> str:
    fields = [
        lease.text,
        identifiers.spell(lease.hwaddr),
        identifiers.spell(lease.client_id),
        str(lease.valid_lifetime),
        str(lifetime.expire_of_row(lease.cltt, lease.valid_lifetime)),
        str(lease.subnet_id),
        str(int(lease.fqdn_fwd)),
        str(int(lease.fqdn_rev)),
        lease_csv.escape(lease.hostname),
        str(lease.state),
        lease_csv.escape(lease.user_context),
    ]
    return ",".join([*fields, str(lease.pool_id)] if with_pools else fields)
