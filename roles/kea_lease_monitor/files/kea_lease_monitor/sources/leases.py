# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All leases of Kea's files at one moment, in Kea's own load order (kea-facts 3.4): the last row of an address wins."""

from __future__ import annotations

import os
from typing import Dict, Iterator, List, NamedTuple, Optional, Tuple

from kea_lease_monitor import telemetry
from kea_lease_monitor.errors import TemporaryError
from kea_lease_monitor.kea import csv, lease_files
from kea_lease_monitor.lease import Lease
from kea_lease_monitor.position import FilePosition
from kea_lease_monitor.sources.tail import Row, Tail

_PORTION = 1000


class Reading(NamedTuple):
    leases: Dict[str, Lease]
    end: FilePosition


def header_of(tail: Tail) -> Optional[Tuple[csv.Header, int]]:
    """The header and where the rows begin; None while it is not written. Raises TemporaryError for a foreign file."""
    first = tail.rows(0, 1)
    if not first:
        return None
    try:
        return csv.Header(first[0].text), first[0].end
    except ValueError as error:
        raise TemporaryError(f"{tail.path} is no lease file: {error}") from error


def parsed(tail: Tail, header: csv.Header, row: Row) -> Optional[Lease]:
    """None for garbage, which is counted and passed over as Kea does."""
    try:
        return header.parse(row.text)
    except ValueError as error:
        telemetry.row_rejected(f"{tail.path}:{row.end}", str(error))
        return None


def read(path: str, until: Optional[FilePosition] = None) -> Optional[Reading]:
    """All leases, or those known at ``until``; None when there is no lease file. Raises TemporaryError."""
    tails = _opened(path)
    try:
        if not tails or not tails[-1].is_at(path):
            return None
        leases: Dict[str, Lease] = {}
        end = FilePosition(tails[-1].device, tails[-1].inode, 0, 0)
        for tail in tails:
            reached = tail.inode == until.inode if until else False
            end = _load(tail, leases, until.offset if until and reached else None)
            if reached:
                break
        return Reading(leases, end)
    finally:
        for tail in tails:
            tail.close()


def _load(tail: Tail, leases: Dict[str, Lease], stop: Optional[int]) -> FilePosition:
    found = header_of(tail)
    offset = 0
    if found:
        header, offset = found
        for row in _rows(tail, offset, stop):
            offset = row.end
            lease = parsed(tail, header, row)
            if lease and lease.valid_lifetime == 0:
                leases.pop(lease.address, None)
            elif lease:
                leases[lease.address] = lease
    return FilePosition(tail.device, tail.inode, offset, tail.checksum(offset))


def _rows(tail: Tail, offset: int, stop: Optional[int]) -> Iterator[Row]:
    while rows := tail.rows(offset, _PORTION):
        for row in rows:
            if stop is not None and row.end > stop:
                return
            yield row
        offset = rows[-1].end


def _opened(path: str) -> List[Tail]:
    """The files to load, oldest first; the last one is the current one unless it is missing.

    kea-lfc may work meanwhile. Opened from the newest to the oldest, and found still in place afterwards, they
    are a set that Kea itself could have loaded.
    """
    for _attempt in range(10):
        current, rotated = Tail.open(path), Tail.open(lease_files.rotated(path))
        older = Tail.open(lease_files.completed(path)) or Tail.open(lease_files.previous(path))
        tails = [tail for tail in (older, rotated, current) if tail]
        if all(tail.is_at(tail.path) for tail in tails) and _complete(path, tails):
            return tails
        for tail in tails:
            tail.close()
    raise TemporaryError(f"{path} and its companions change faster than they can be opened")


def _complete(path: str, tails: List[Tail]) -> bool:
    """Whether no file that counts is there now that was not when we looked."""
    opened = {tail.path for tail in tails}
    names = [path, lease_files.rotated(path), lease_files.completed(path)]
    if lease_files.completed(path) not in opened:
        names.append(lease_files.previous(path))
    return all(name in opened or not os.path.exists(name) for name in names)
