# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Leases from the rows of a lease file of either family."""

from __future__ import annotations

from typing import List

from _kea import hwaddr_source, lease_csv, lifetime
from _kea.identifiers import octets

from kea_lease_monitor.kea import identifiers
from kea_lease_monitor.lease import Lease, LeaseState


class Header:
    """The first line of a lease file, which names the columns of its rows."""

    def __init__(self, line: bytes) -> None:
        """Read the line. Raises ValueError if it is not the first line of a lease file."""
        self._header = lease_csv.Header(line.decode("utf-8", "replace"))
        self._column = self._header.column
        self.family = self._header.family

    def parse(self, line: bytes) -> Lease:
        """Return the lease of a row. Raises ValueError with the reason if kea-lfc would reject the row."""
        lease = self._lease(self._header.split(line.decode("utf-8", "replace")))
        known = (lease.duid,) if self.family == 6 else (lease.hwaddr, lease.client_id)
        lease_csv.check_client(self.family, lease.state, *known)
        return lease

    def _lease(self, fields: List[str]) -> Lease:
        column = self._column
        valid = lease_csv.number(fields[column["valid_lifetime"]], lifetime.INFINITE)
        cltt, expires = lifetime.bounded(*lifetime.of_row(lifetime.expire_field(fields[column["expire"]]), valid))
        for name in ("fqdn_fwd", "fqdn_rev"):
            lease_csv.flag(fields[column[name]])
        context = column.get(lease_csv.CONTEXT)
        lease = Lease(
            family=self.family,
            address=fields[column["address"]],
            subnet_id=lease_csv.number(fields[column["subnet_id"]], 2**32 - 1),
            hwaddr=lease_csv.hwaddr(fields[column["hwaddr"]]),
            client_id="" if self.family == 6 else lease_csv.identifier(fields[column["client_id"]]),
            hostname=lease_csv.unescape(fields[column["hostname"]]),
            cltt=cltt,
            valid_lifetime=valid,
            expires=expires,
            state=LeaseState(lease_csv.number(fields[column["state"]], 2**32 - 1)),
            user_context="" if context is None else lease_csv.context(fields[context]),
        )
        return self._with_duid(lease, fields) if self.family == 6 else _checked(lease)

    def _with_duid(self, lease: Lease, fields: List[str]) -> Lease:
        column = self._column
        return lease._replace(
            address=identifiers.address6(lease.address),
            duid=identifiers.duid(octets(lease_csv.identifier(fields[column["duid"]]))),
            iaid=lease_csv.number(fields[column["iaid"]], 2**32 - 1),
            lease_type=lease_csv.number(fields[column["lease_type"]], 2),
            prefix_len=lease_csv.number(fields[column["prefix_len"]], 128),
            hwaddr_source=_source(fields[column[hwaddr_source.COLUMN]]) if hwaddr_source.COLUMN in column else 0,
        )


def _source(field: str) -> int:
    """Return Kea's number for where it found a hardware address; 0, which proves nothing, for any other text."""
    return int(field) if field.isascii() and field.isdigit() else hwaddr_source.UNKNOWN


def _checked(lease: Lease) -> Lease:
    """Return the lease. Raises ValueError if its address is not an IPv4 address."""
    identifiers.number(lease.address)
    return lease
