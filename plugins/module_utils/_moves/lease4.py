# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: one DHCPv4 lease with everything that Kea stores of it, and as a row of a lease file."""

from __future__ import annotations

import ipaddress
from typing import NamedTuple, Optional, Tuple

from .._kea import identifiers, lease_csv, lifetime

_LARGEST = 2**32 - 1


class Lease4(NamedTuple):
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

    @property
    def client(self) -> Optional[Tuple[object, ...]]:
        """Return what Kea queries a database by that must have one lease of it; None for a lease without it.

        A lease file may hold several leases of a client identifier in a subnet. In a database, a second one is an error
        (MultipleRecords), and the client gets no answer.
        """
        return (self.client_id, self.subnet_id) if self.client_id else None

    def row(self, with_pools: bool) -> str:
        """Return the row of a lease file, without its end."""
        fields = [
            self.text,
            identifiers.spell(self.hwaddr),
            identifiers.spell(self.client_id),
            str(self.valid_lifetime),
            str(lifetime.expire_of_row(self.cltt, self.valid_lifetime)),
            str(self.subnet_id),
            str(int(self.fqdn_fwd)),
            str(int(self.fqdn_rev)),
            lease_csv.escape(self.hostname),
            str(self.state),
            lease_csv.escape(self.user_context),
        ]
        return ",".join([*fields, str(self.pool_id)] if with_pools else fields)


def parse(header: lease_csv.Header, line: str) -> Lease4:
    """Return the lease of a row. Raises ValueError for a row that Kea rejects."""
    fields = header.split(line)
    row = {name: fields[index] for name, index in header.column.items()}
    valid_lifetime = lease_csv.number(row["valid_lifetime"], lifetime.INFINITE)
    cltt, _end = lifetime.of_row(lifetime.expire_field(row["expire"]), valid_lifetime)
    lease = Lease4(
        address=int(ipaddress.IPv4Address(row["address"])),
        hwaddr=identifiers.octets(lease_csv.hwaddr(row["hwaddr"])),
        client_id=identifiers.octets(lease_csv.identifier(row["client_id"])),
        valid_lifetime=valid_lifetime,
        cltt=lifetime.storable(cltt, valid_lifetime),
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
