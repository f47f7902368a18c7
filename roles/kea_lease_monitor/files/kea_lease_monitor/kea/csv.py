# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows of a DHCPv4 lease file (src/lib/dhcpsrv/csv_lease_file4.cc): columns by name, because Kea adds some."""

from __future__ import annotations

import re
from typing import Dict, List

from kea_lease_monitor.kea import identifiers, lifetime
from kea_lease_monitor.lease import Lease, LeaseState

_COMMON = ("address", "hwaddr", "valid_lifetime", "expire", "subnet_id", "hostname", "state")
_NEEDED = {4: (*_COMMON, "client_id"), 6: (*_COMMON, "duid", "iaid", "lease_type", "prefix_len")}
_ESCAPE = re.compile(r"&#x([0-9a-fA-F]{2})")


class Header:
    """The first line of a lease file of either family. Raises ValueError for a line that is none."""

    def __init__(self, line: bytes) -> None:
        names = line.decode("utf-8", "replace").strip().split(",")
        self._column: Dict[str, int] = {name: index for index, name in enumerate(names)}
        self.family = 6 if "duid" in self._column else 4
        if missing := [name for name in _NEEDED[self.family] if name not in self._column]:
            raise ValueError(f"the header has no column {', '.join(missing)}")
        self._width = len(names)

    def parse(self, line: bytes) -> Lease:
        """Raises ValueError, which says what is wrong with the row, as kea-lfc would reject it."""
        fields = line.decode("utf-8", "replace").rstrip("\r").split(",")
        if len(fields) != self._width:
            raise ValueError(f"{len(fields)} fields instead of {self._width}")
        lease = self._lease(fields)
        known = lease.duid if self.family == 6 else lease.hwaddr or lease.client_id
        if not known and lease.state is not LeaseState.DECLINED:
            raise ValueError("no duid" if self.family == 6 else "neither hwaddr nor client_id")
        return lease

    def _lease(self, fields: List[str]) -> Lease:
        column = self._column
        valid = _number(fields[column["valid_lifetime"]], lifetime.INFINITE)
        cltt, expires = lifetime.of_row(_number(fields[column["expire"]], 2**63), valid)
        context = column.get("user_context")
        lease = Lease(
            family=self.family,
            address=fields[column["address"]],
            subnet_id=_number(fields[column["subnet_id"]], 2**32 - 1),
            hwaddr=identifiers.normal(fields[column["hwaddr"]]),
            client_id="" if self.family == 6 else identifiers.normal(fields[column["client_id"]]),
            hostname=_unescaped(fields[column["hostname"]]),
            cltt=cltt,
            valid_lifetime=valid,
            expires=expires,
            state=LeaseState(_number(fields[column["state"]], 2**32 - 1)),
            user_context="" if context is None else _unescaped(fields[context]),
        )
        return self._with_duid(lease, fields) if self.family == 6 else _checked(lease)

    def _with_duid(self, lease: Lease, fields: List[str]) -> Lease:
        column = self._column
        return lease._replace(
            address=identifiers.address6(lease.address),
            duid=identifiers.duid(bytes.fromhex(identifiers.normal(fields[column["duid"]]).replace(":", ""))),
            iaid=_number(fields[column["iaid"]], 2**32 - 1),
            lease_type=_number(fields[column["lease_type"]], 2),
            prefix_len=_number(fields[column["prefix_len"]], 128),
        )


def _checked(lease: Lease) -> Lease:
    identifiers.number(lease.address)
    return lease


def _number(text: str, limit: int) -> int:
    if not text.isdecimal() or not text.isascii() or len(text) > 20 or int(text) > limit:
        raise ValueError(f"{text[:60]!r} is no number up to {limit}")
    return int(text)


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(lambda found: chr(int(found.group(1), 16)), text) if "&" in text else text
