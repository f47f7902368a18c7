# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All leases of Kea's files at one moment, in Kea's own load order (kea-facts 3.4): the last row of an address wins."""

from __future__ import annotations

import os
from typing import List, Optional, Tuple

from kea_lease_monitor import telemetry
from kea_lease_monitor.errors import TemporaryError
from kea_lease_monitor.kea import csv, lease_files
from kea_lease_monitor.lease import Lease
from kea_lease_monitor.position import FilePosition
from kea_lease_monitor.sources.ledger import Known
from kea_lease_monitor.sources.memfile.tail import Row, Tail


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


class Reading:
    """Goes through the files row by row, oldest file first, as often as it is asked for more.

    With ``until`` it ends there, so that what comes out was known at that place. Raises TemporaryError.
    """

    def __init__(self, path: str, until: Optional[FilePosition] = None) -> None:
        self._until = until
        self._companions = lease_files.companions(path)
        self._tails = _opened(path)
        self.missing = not self._tails or not self._tails[-1].is_at(path)
        """Without the current file the place to go on from is not known."""
        self._at = 0
        self._header: Optional[csv.Header] = None
        self._offset = 0
        self.end = FilePosition(0, 0, 0, 0)
        """Behind the last row, once all were read."""

    def portion(self, limit: int) -> Optional[List[Known]]:
        """What some rows say; None after the last one."""
        while not self.missing and self._at < len(self._tails):
            tail = self._tails[self._at]
            rows = self._rows(tail, limit)
            if rows:
                return self._known(tail, rows)
            checksum = tail.checksum(self._offset)
            self.end = FilePosition(tail.device, tail.inode, self._offset, checksum, self._companions)
            last = bool(self._until) and self._until is not None and tail.inode == self._until.inode
            self._at = len(self._tails) if last else self._at + 1
            self._header, self._offset = None, 0
        self.close()
        return None

    def _rows(self, tail: Tail, limit: int) -> List[Row]:
        if self._header is None:
            found = header_of(tail)
            if found is None:
                return []
            self._header, self._offset = found
        rows = tail.rows(self._offset, limit)
        if self._until and tail.inode == self._until.inode:
            rows = [row for row in rows if row.end <= self._until.offset]
        return rows

    def _known(self, tail: Tail, rows: List[Row]) -> List[Known]:
        self._offset = rows[-1].end
        header = self._header
        found = [parsed(tail, header, row) for row in rows] if header else []
        return [(lease.key, lease if lease.valid_lifetime else None) for lease in found if lease]

    def close(self) -> None:
        for tail in self._tails:
            tail.close()
        self._tails = []


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
