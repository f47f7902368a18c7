# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole rows of one growing file. This module knows neither what a row means nor which file comes next."""

from __future__ import annotations

import os
import zlib
from typing import List, NamedTuple, Optional, Type, TypeVar

from kea_lease_monitor.errors import TemporaryError

CHUNK = 256 * 1024
"""Bytes read at once. A longer row is returned in pieces, and each piece is rejected as a row."""

_REMEMBERED = 256
"""Bytes before the offset that the checksum covers: at least the last row."""


T = TypeVar("T", bound="Tail")


class Row(NamedTuple):
    """A whole line of the file."""

    end: int
    """Offset after the line feed, in bytes."""
    text: bytes
    """The line without its line feed."""


class Tail:
    """An open file, known by device and inode through every rename. All methods raise TemporaryError."""

    def __init__(self, path: str, descriptor: int) -> None:
        """Take over an open descriptor."""
        status = os.fstat(descriptor)
        self.path = path
        self.device = status.st_dev
        self.inode = status.st_ino
        self._descriptor = descriptor

    @classmethod
    def open(cls: Type[T], path: str) -> Optional[T]:
        """Open a file; return None if there is none."""
        try:
            return cls(path, os.open(path, os.O_RDONLY | os.O_CLOEXEC))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise TemporaryError(f"{path} cannot be read: {error.strerror}") from error

    def is_at(self, path: str) -> bool:
        """Return whether this file has the path now."""
        try:
            status = os.stat(path)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise TemporaryError(f"{path} cannot be read: {error.strerror}") from error
        return (status.st_dev, status.st_ino) == (self.device, self.inode)

    def rows(self, offset: int, limit: int) -> List[Row]:
        """Return up to ``limit`` whole rows from ``offset`` on. Half a row at the end is left until it is whole."""
        rows: List[Row] = []
        while len(rows) < limit:
            chunk = self._bytes(offset, CHUNK)
            end = chunk.rfind(b"\n") + 1
            if not end and len(chunk) < CHUNK:
                break
            lines = chunk[: end - 1].split(b"\n") if end else [chunk]
            for text in lines[: limit - len(rows)]:
                offset += len(text) + (1 if end else 0)
                rows.append(Row(offset, text))
        return rows

    def end(self) -> int:
        """Return the offset after the last whole row."""
        offset = os.fstat(self._descriptor).st_size
        while offset > 0:
            begin = max(0, offset - CHUNK)
            found = self._bytes(begin, offset - begin).rfind(b"\n")
            if found >= 0:
                return begin + found + 1
            offset = begin
        return 0

    def checksum(self, offset: int) -> int:
        """Return the CRC-32 of the last bytes before ``offset``."""
        begin = max(0, offset - _REMEMBERED)
        return zlib.crc32(self._bytes(begin, offset - begin))

    def is_bare(self, offset: int) -> bool:
        """Return whether at most the first line, which all lease files share, is before ``offset``."""
        return all(row.end >= offset for row in self.rows(0, 1))

    def remainder(self, offset: int) -> int:
        """Return the number of bytes after ``offset``."""
        return os.fstat(self._descriptor).st_size - offset

    def _bytes(self, offset: int, count: int) -> bytes:
        try:
            return os.pread(self._descriptor, count, offset)
        except OSError as error:
            raise TemporaryError(f"{self.path} cannot be read: {error.strerror}") from error

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)
