# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lease file that a position is in, found and left through rotations."""

from __future__ import annotations

from typing import List, Optional

from kea_lease_monitor import telemetry
from kea_lease_monitor.errors import PositionLostError
from kea_lease_monitor.kea import rows
from kea_lease_monitor.kea.companions import LeaseFiles
from kea_lease_monitor.kea.tail import Row, Tail
from kea_lease_monitor.lease import Lease
from kea_lease_monitor.position import FilePosition
from kea_lease_monitor.sources.memfile import present


class CurrentFile:
    """The file that is being read; it stays open when it is renamed. All methods raise TemporaryError."""

    def __init__(self, files: LeaseFiles) -> None:
        """No file is open yet."""
        self._files = files
        self._tail: Optional[Tail] = None
        self._header: Optional[rows.Header] = None
        self._begin = 0

    def open(self, after: FilePosition) -> bool:
        """Open the file that the position is in. Return False if it was open already. Raises PositionLostError."""
        if self._tail and (self._tail.device, self._tail.inode) == (after.device, after.inode):
            return False
        self.close()
        self._tail = self._found(after)
        return True

    def checked(self, after: FilePosition) -> Tail:
        """Return the open file. Raises PositionLostError if its bytes before the position are not those read."""
        tail = self._opened()
        if tail.checksum(after.offset) != after.checksum:
            raise PositionLostError(f"{self._files.current} was truncated or rewritten")
        return tail

    def rows(self, after: FilePosition, limit: int) -> List[Row]:
        """Return up to ``limit`` rows after the position, without the header."""
        tail = self._opened()
        if self._header is None:
            found = present.header_of(tail)
            if found is None:
                return []
            self._header, self._begin = found
        return tail.rows(max(after.offset, self._begin), limit)

    def lease(self, row: Row) -> Optional[Lease]:
        """Return the lease in a row; None for a row that Kea skips or rejects as well."""
        return present.parsed(self._opened(), self._header, row) if self._header else None

    def ref(self, row: Row) -> str:
        """Return the name of a row, for logs and dead letters."""
        return f"{self._opened().path}:{row.end}"

    def successor(self, after: FilePosition, generation: int) -> FilePosition:
        """Go on to the next file, and return the position at its start; ``after`` if there is none yet.

        Raises PositionLostError unless the open file is the one that was just renamed: another one was between then.
        """
        tail, following = self._opened(), Tail.open(self._files.current)
        if following is None:
            return after
        if not tail.is_at(self._files.rotated):
            following.close()
            raise PositionLostError(f"{self._files.current} was replaced, or rotated faster than it was read")
        if tail.remainder(after.offset):
            telemetry.row_rejected(f"{tail.path}:{after.offset}", "half a row at the end of a file that is finished")
        telemetry.rotated(self._files.current)
        # It stays open, because its inode number alone would not be enough to find it again.
        self.close()
        self._tail = following
        return FilePosition(following.device, following.inode, 0, 0, generation, after.judged_at)

    def close(self) -> None:
        """Close the file, if one is open."""
        if self._tail:
            self._tail.close()
        self._tail = None
        self._header = None

    def _opened(self) -> Tail:
        if self._tail is None:
            raise PositionLostError(f"{self._files.current} is not open")
        return self._tail

    def _found(self, after: FilePosition) -> Tail:
        for path in (self._files.current, self._files.rotated):
            tail = Tail.open(path)
            if tail and self._is_that_of(after, tail):
                return tail
            if tail:
                tail.close()
        raise PositionLostError(f"{self._files.current} was rotated meanwhile")

    def _is_that_of(self, after: FilePosition, tail: Tail) -> bool:
        """Return whether a file is the one that the position is in. An inode number may have been used again since.

        If only the first line stands before the position, its bytes do not tell: all lease files begin with that line.
        """
        if (tail.device, tail.inode) != (after.device, after.inode):
            return False
        return not tail.is_bare(after.offset) or after.companions == self._files.generation()
