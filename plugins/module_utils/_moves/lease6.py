# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: one DHCPv6 lease with everything that Kea stores of it, and as a row of a lease file.

It is an address, a temporary address or a prefix (``lease_type``).
"""

from __future__ import annotations

import socket
from typing import NamedTuple

from .._kea import identifiers, lease_csv, lifetime

_LARGEST = 2**32 - 1
_ETHERNET = 1
"""HTYPE_ETHER: what Kea reads where a row has a hardware address without its type."""


class Lease6(NamedTuple):
    """Everything that Kea stores of a lease both in a file and in a database."""

    address: int
    duid: bytes
    valid_lifetime: int
    """Seconds."""
    cltt: int
    """Client's last transmission time in epoch seconds; see Lease4."""
    subnet_id: int
    pref_lifetime: int
    """Seconds."""
    lease_type: int
    """0 for an address, 1 for a temporary one, 2 for a prefix."""
    iaid: int
    prefix_len: int
    """128 for an address."""
    fqdn_fwd: bool
    fqdn_rev: bool
    hostname: str
    hwaddr: bytes
    """Empty if neither the client nor its relay told it."""
    state: int
    user_context: str
    hwtype: int
    """0 without a hardware address."""
    hwaddr_source: int
    """Where Kea found the hardware address (HWAddr::HWADDR_SOURCE_*); 0 for unknown."""
    pool_id: int

    @property
    def text(self) -> str:
        """Return the address as Kea writes it."""
        return socket.inet_ntop(socket.AF_INET6, self.address.to_bytes(16, "big"))

    @property
    def client(self) -> None:
        """Return None: Kea takes any number of leases of a client from a database."""
        return

    def row(self, with_pools: bool) -> str:
        """Return the row of a lease file, without its end."""
        numbers = (self.subnet_id, self.pref_lifetime, self.lease_type, self.iaid, self.prefix_len)
        fields = [
            self.text,
            identifiers.spell(self.duid),
            str(self.valid_lifetime),
            str(lifetime.expire_of_row(self.cltt, self.valid_lifetime)),
            *map(str, numbers),
            str(int(self.fqdn_fwd)),
            str(int(self.fqdn_rev)),
            lease_csv.escape(self.hostname),
            identifiers.spell(self.hwaddr),
            str(self.state),
            lease_csv.escape(self.user_context),
            *((str(self.hwtype), str(self.hwaddr_source)) if self.hwaddr else ("", "")),
        ]
        return ",".join([*fields, str(self.pool_id)] if with_pools else fields)


def parse(header: lease_csv.Header, line: str) -> Lease6:
    """Return the lease of a row. Raises ValueError for a row that Kea rejects."""
    fields = header.split(line)
    row = {name: fields[index] for name, index in header.column.items()}
    valid_lifetime = lease_csv.number(row["valid_lifetime"], lifetime.INFINITE)
    cltt, _end = lifetime.of_row(lifetime.expire_field(row["expire"]), valid_lifetime)
    hwaddr = identifiers.octets(lease_csv.hwaddr(row["hwaddr"]))
    lease = Lease6(
        address=_address(row["address"]),
        duid=identifiers.octets(lease_csv.identifier(row["duid"])),
        valid_lifetime=valid_lifetime,
        cltt=lifetime.storable(cltt, valid_lifetime),
        subnet_id=lease_csv.number(row["subnet_id"], _LARGEST),
        pref_lifetime=lease_csv.number(row["pref_lifetime"], _LARGEST),
        lease_type=lease_csv.number(row["lease_type"], 2),
        iaid=lease_csv.number(row["iaid"], _LARGEST),
        prefix_len=lease_csv.number(row["prefix_len"], 128),
        fqdn_fwd=lease_csv.flag(row["fqdn_fwd"]),
        fqdn_rev=lease_csv.flag(row["fqdn_rev"]),
        hostname=lease_csv.unescape(row["hostname"]),
        hwaddr=hwaddr,
        state=lease_csv.number(row["state"], _LARGEST),
        user_context=lease_csv.context(row.get(lease_csv.CONTEXT, "")),
        hwtype=lease_csv.number(row.get("hwtype") or str(_ETHERNET), 2**16 - 1) if hwaddr else 0,
        hwaddr_source=lease_csv.number(row.get("hwaddr_source") or "0", _LARGEST) if hwaddr else 0,
        pool_id=lease_csv.number(row.get(lease_csv.POOL) or "0", _LARGEST),
    )
    lease_csv.check_client(6, lease.state, lease.duid)
    return lease


def _address(text: str) -> int:
    try:
        return int.from_bytes(socket.inet_pton(socket.AF_INET6, text), "big")
    except OSError as error:
        raise ValueError(f"{text[:60]!r} is no IPv6 address") from error
