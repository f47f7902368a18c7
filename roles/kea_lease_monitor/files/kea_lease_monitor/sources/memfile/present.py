# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All leases of the lease files at one moment, in Kea's load order (kea-facts 3.4): the last row of an address wins."""

from __future__ import annotations

import os
from typing import List, Optional, Tuple

from kea_lease_monitor import telemetry
from kea_lease_monitor.errors import TemporaryError
from kea_lease_monitor.kea.companions import LeaseFiles
from kea_lease_monitor.kea.rows import Header
from kea_lease_monitor.kea.tail import Row, Tail
from kea_lease_monitor.lease import Lease
from kea_lease_monitor.position import FilePosition
from kea_lease_monitor.sources.ledger import Known


def header_of(tail: Tail) -> Optional[Tuple[Header, int]]:
    """Return the header and the offset of the first row; None while the header is not written.

    Raises TemporaryError if the file is not a lease file.
    """
    first = tail.rows(0, 1)
    while first and not first[0].text:
        first = tail.rows(first[0].end, 1)
    if not first:
        return None
    try:
        return Header(first[0].text), first[0].end
    except ValueError as error:
        raise TemporaryError(f"{tail.path} is no lease file: {error}") from error


def parsed(tail: Tail, header: Header, row: Row) -> Optional[Lease]:
    """Return the lease in a row; None for a blank row, and for one that Kea rejects as well, which is counted."""
    try:
        return header.parse(row.text) if row.text else None
    except ValueError as error:
        telemetry.row_rejected(f"{tail.path}:{row.end}", str(error))
        return None


class Reading:
    """Reads the files row by row, oldest file first. All methods raise TemporaryError."""

    def __init__(self, files: LeaseFiles, until: Optional[FilePosition] = None) -> None:
        """Open the files. Reading ends at ``until``, or at the end of the current file."""
        self._until = until
        self._generation = files.generation()
        self._tails = _opened(files)
        self.missing = not self._tails or not self._tails[-1].is_at(files.current)
        """Whether the current file is missing. Then there is no position to go on from."""
        self._at = 0
        self._header: Optional[Header] = None
        self._offset = 0
        self.end = FilePosition(0, 0, 0, 0)
        """Position after the last row, once all are read."""

    def portion(self, limit: int) -> Optional[List[Known]]:
        """Return the leases of up to ``limit`` rows; None after the last row."""
        while not self.missing and self._at < len(self._tails):
            tail = self._tails[self._at]
            rows = self._rows(tail, limit)
            if rows:
                return self._known(tail, rows)
            checksum = tail.checksum(self._offset)
            self.end = FilePosition(tail.device, tail.inode, self._offset, checksum, self._generation)
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
        """Close the files."""
        for tail in self._tails:
            tail.close()
        self._tails = []


def _opened(files: LeaseFiles) -> List[Tail]:
    """Open the files to load, oldest first; the last one is the current file unless that is missing.

    kea-lfc may rename them at any moment. They are opened from the newest to the oldest and must all be in place
    afterwards: then Kea itself could have loaded this set.
    """
    for _attempt in range(10):
        current, rotated = Tail.open(files.current), Tail.open(files.rotated)
        older = Tail.open(files.completed) or Tail.open(files.previous)
        tails = [tail for tail in (older, rotated, current) if tail]
        if all(tail.is_at(tail.path) for tail in tails) and _complete(files, tails):
            return tails
        for tail in tails:
            tail.close()
    raise TemporaryError(f"{files.current} and its companions change faster than they can be opened")


def _complete(files: LeaseFiles, tails: List[Tail]) -> bool:
    """Return whether no further file that counts has appeared since these were opened."""
    opened = {tail.path for tail in tails}
    names = [files.current, files.rotated, files.completed]
    if files.completed not in opened:
        names.append(files.previous)
    return all(name in opened or not os.path.exists(name) for name in names)
