# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: the leases of a lease file of either family."""

from __future__ import annotations

from typing import Dict, Iterable, List, Tuple, Union

from . import lease4, lease6
from .._kea import lease_csv
from .lease4 import Lease4
from .lease6 import Lease6

Lease = Union[Lease4, Lease6]


def replay(lines: Iterable[str], leases: Dict[int, Lease], family: int) -> Tuple[int, bool]:
    """Apply the rows of one file to the leases of the files before it.

    The last row of an address counts, and a valid lifetime of 0 deletes the lease. Returns how many rows were rejected,
    as Kea rejects them, and whether the file has pool ids. Raises ValueError if it is no lease file of this family.
    """
    rows = (line for line in lines if line.rstrip("\n"))  # Kea skips blank lines
    first = next(rows, "")
    if not first.strip():
        return 0, False
    header, rejected = lease_csv.Header(first), 0
    if header.family != family:
        raise ValueError(f"it is a lease file of DHCPv{header.family}")
    for line in rows:
        try:
            lease: Lease = lease6.parse(header, line) if family == 6 else lease4.parse(header, line)
        except ValueError:
            rejected += 1
            continue
        if lease.valid_lifetime:
            leases[lease.address] = lease
        else:
            leases.pop(lease.address, None)
    return rejected, header.has_pools


def render(leases: Iterable[Lease], with_pools: bool, family: int) -> str:
    """Return the text of a lease file.

    A lease with a valid lifetime of 0 is left out, because Kea would take its row for a deletion.
    """
    rows = [lease.row(with_pools) for lease in leases if lease.valid_lifetime]
    return "".join(f"{line}\n" for line in [lease_csv.header_line(family, with_pools), *rows])


def youngest(leases: Iterable[Lease]) -> List[Lease]:
    """Return the last lease of each client in a subnet where a database takes no second one, sorted by address."""
    kept: Dict[object, Lease] = {}
    for lease in sorted(leases, key=lambda one: (one.cltt, one.address)):
        kept[lease.client or lease.address] = lease
    return by_address(kept.values())


def by_address(leases: Iterable[Lease]) -> List[Lease]:
    """Return the leases in the order of their addresses."""
    return sorted(leases, key=lambda one: one.address)
