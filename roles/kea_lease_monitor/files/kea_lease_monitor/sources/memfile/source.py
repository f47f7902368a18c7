# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The source for Kea's memfile backend: the tail of the lease file, through every rotation.

One rule keeps this simple: whenever it is not certain that the next byte follows the last one, all leases are read
anew (PositionLostError). That repeats effects, which are idempotent, and never misses one.
"""

from __future__ import annotations

import os
from typing import Dict, List, Optional

from kea_lease_monitor import telemetry
from kea_lease_monitor.batch import Batch
from kea_lease_monitor.clock import Clock
from kea_lease_monitor.errors import PositionLostError, TemporaryError
from kea_lease_monitor.kea import changes, csv, lease_files
from kea_lease_monitor.lease import Lease, LeaseEvent
from kea_lease_monitor.position import FilePosition, Position
from kea_lease_monitor.section import Section
from kea_lease_monitor.sources.base import Source
from kea_lease_monitor.sources.ledger import Ledger
from kea_lease_monitor.sources.memfile import present
from kea_lease_monitor.sources.memfile.tail import Row, Tail
from kea_lease_monitor.sources.memfile.watch import Watch

DEFAULT_PATH = "/var/lib/kea/kea-leases4.csv"

_INTERVAL = 1.0
"""Seconds between two looks at the file when nothing woke us: inotify may be full, absent or blind (NFS)."""

_PORTION = 10_000
"""Rows taken in at once while all leases are read; a few tenths of a second."""

_EVERYTHING = FilePosition(0, 0, 0, 0)


def parse(section: Section) -> str:
    path = section.text("path", DEFAULT_PATH)
    section.done()
    if not os.path.isabs(path):
        raise section.error("path", "an absolute path is needed")
    return path


class MemfileSource(Source):
    def __init__(self, path: str, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._watch = Watch(os.path.dirname(path))
        self._due = clock.monotonic()
        self._tail: Optional[Tail] = None
        self._header: Optional[csv.Header] = None
        self._missing = False
        self._reading: Optional[present.Reading] = None
        self._ledger = Ledger()
        self._places: Dict[int, str] = {}
        self._behind = _EVERYTHING
        self._pending: Dict[str, Optional[changes.Trace]] = {}
        self._given: Optional[FilePosition] = None

    def fileno(self) -> Optional[int]:
        return self._watch.fileno()

    def due(self) -> float:
        return self._due

    def start(self, everything: bool) -> Position:
        self._stop_reading()
        companions = lease_files.companions(self._path)
        tail = None if everything else Tail.open(self._path)
        if tail is None:
            return _EVERYTHING
        end = tail.end()
        position = FilePosition(tail.device, tail.inode, end, tail.checksum(end), companions)
        tail.close()
        return position

    def read(self, after: Position, limit: int) -> Batch:
        if not isinstance(after, FilePosition):
            raise PositionLostError("the stored position is of another source")
        self._watch.drain()
        self._due = self._clock.monotonic() + _INTERVAL
        try:
            if after == self._given:
                self._ledger.learn(self._pending)
            self._pending.clear()
            batch = self._read_present(after, limit) if after.inode == 0 else self._read_tail(after, limit)
        except TemporaryError:
            self._begin_anew()
            raise
        self._given = batch.position if isinstance(batch.position, FilePosition) else None
        return batch

    def _begin_anew(self) -> None:
        """After an error what is half read, or half remembered, counts for nothing."""
        self._stop_reading()
        self._drop()
        self._given = None

    def close(self) -> None:
        self._stop_reading()
        self._drop()
        self._ledger.close()
        self._watch.close()

    def _stop_reading(self) -> None:
        if self._reading:
            self._reading.close()
        self._reading = None
        self._places.clear()

    def _read_present(self, after: FilePosition, limit: int) -> Batch:
        if after.offset not in self._places and not self._load():
            return Batch((), _EVERYTHING, self._missing)
        after = after if after.offset in self._places else _EVERYTHING
        now = self._clock.time()
        found = self._ledger.portion(self._places[after.offset], limit)
        end = after.offset + len(found)
        events = tuple(self._met(key, lease, now) for key, lease in found)
        if len(found) < limit:
            return Batch(events, self._behind, False)
        self._places = {after.offset: self._places[after.offset], end: found[-1][0]}
        return Batch(events, after._replace(offset=end), False)

    def _load(self) -> bool:
        """A portion of all leases, so that nothing else waits for a million of them. Whether that was all."""
        if self._reading is None:
            self._ledger.begin()
            self._reading = present.Reading(self._path)
            if self._reading.missing:
                self._report_missing()
                self._stop_reading()
                return False
            self._missing = False
        known = self._reading.portion(_PORTION)
        if known is not None:
            self._ledger.put(known)
            return False
        self._ledger.finish()
        self._behind, self._reading, self._places = self._reading.end, None, {0: ""}
        return True

    def _met(self, key: str, lease: Lease, now: float) -> LeaseEvent:
        kind = changes.of_reading(self._ledger.trace(key), lease, now)
        self._pending[key] = changes.trace(lease)
        return LeaseEvent(kind, lease, f"{self._path}:{lease.address}", None)

    def _report_missing(self) -> None:
        if not self._missing:
            telemetry.file_missing(self._path)
        self._missing = True

    def _read_tail(self, after: FilePosition, limit: int) -> Batch:
        companions = lease_files.companions(self._path)
        tail = self._at(after)
        if self._reading and not self._primed(self._reading):
            return Batch((), after, False)
        if self._places:
            self._places.clear()
            self._ledger.begin()
        rows = self._rows(tail, after, limit)
        if not rows and not tail.is_at(self._path) and os.path.exists(self._path):
            # Looked at before the rename was seen; what was written in between is still to be read.
            rows = self._rows(tail, after, limit)
            if not rows:
                return Batch((), self._successor(tail, after, companions), False)
        if not rows:
            return Batch((), after._replace(companions=companions) if tail.is_at(self._path) else after, True)
        events = tuple(event for event in (self._event(tail, row) for row in rows) if event)
        end = rows[-1].end
        position = FilePosition(tail.device, tail.inode, end, tail.checksum(end), companions)
        return Batch(events, position, len(rows) < limit and tail.is_at(self._path))

    def _rows(self, tail: Tail, after: FilePosition, limit: int) -> List[Row]:
        if self._header is None:
            found = present.header_of(tail)
            if found is None:
                return []
            self._header = found[0]
        # One more for the header, or a full batch would look as if it were the last one.
        return tail.rows(after.offset, limit) if after.offset else tail.rows(0, limit + 1)[1:]

    def _event(self, tail: Tail, row: Row) -> Optional[LeaseEvent]:
        lease = present.parsed(tail, self._header, row) if self._header else None
        if lease is None:
            return None
        key = lease.key
        seen = self._pending[key] if key in self._pending else self._ledger.trace(key)
        kind = changes.of_row(seen, lease)
        self._pending[key] = changes.trace(lease) if lease.valid_lifetime else None
        return LeaseEvent(kind, lease, f"{tail.path}:{row.end}", None)

    def _at(self, after: FilePosition) -> Tail:
        """The open file that the position is in, unless its bytes say that it is another one by now."""
        if self._tail is None or (self._tail.device, self._tail.inode) != (after.device, after.inode):
            self._drop()
            self._tail = self._found(after)
            if after != self._given:
                self._prime(after)
            telemetry.following(self._path)
        if self._tail.checksum(after.offset) != after.checksum:
            raise PositionLostError(f"{self._path} was truncated or written anew")
        return self._tail

    def _found(self, after: FilePosition) -> Tail:
        for path in (self._path, lease_files.rotated(self._path)):
            tail = Tail.open(path)
            if tail and self._is_that_of(after, tail):
                return tail
            if tail:
                tail.close()
        raise PositionLostError(f"{self._path} was rotated meanwhile")

    def _is_that_of(self, after: FilePosition, tail: Tail) -> bool:
        if (tail.device, tail.inode) != (after.device, after.inode):
            return False
        return not tail.is_bare(after.offset) or after.companions == lease_files.companions(self._path)

    def _prime(self, after: FilePosition) -> None:
        """Know the leases before the position, so that the next renewal is not taken for an assignment."""
        self._stop_reading()
        self._ledger.unlearn()
        self._reading = present.Reading(self._path, after)

    def _primed(self, reading: present.Reading) -> bool:
        known = reading.portion(_PORTION)
        if known is not None:
            self._ledger.learn({key: changes.trace(lease) if lease else None for key, lease in known})
            return False
        self._reading = None
        return True

    def _successor(self, tail: Tail, after: FilePosition, companions: int) -> FilePosition:
        """The start of the next file, provided that no other one was between: ours must be the one just renamed."""
        following = Tail.open(self._path)
        if following is None:
            return after
        if not tail.is_at(lease_files.rotated(self._path)):
            following.close()
            raise PositionLostError(f"{self._path} was replaced, or rotated faster than it was read")
        if tail.remainder(after.offset):
            telemetry.row_rejected(f"{tail.path}:{after.offset}", "half a row at the end of a file that is finished")
        telemetry.rotated(self._path)
        # Kept open from here on, because its number alone would not be enough to find it again.
        self._drop()
        self._tail = following
        return FilePosition(following.device, following.inode, 0, 0, companions)

    def _drop(self) -> None:
        if self._tail:
            self._tail.close()
        self._tail = None
        self._header = None
