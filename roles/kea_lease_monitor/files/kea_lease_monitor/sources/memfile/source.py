# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The source for Kea's memfile backend: it follows the lease file through every rotation.

Whenever it is not certain that the next byte follows the last one, all leases are read again (PositionLostError). That
repeats effects, which are idempotent, and never misses one.
"""

from __future__ import annotations

import os
from typing import Dict, FrozenSet, NamedTuple, Optional

from kea_lease_monitor import telemetry
from kea_lease_monitor.batch import Batch
from kea_lease_monitor.clock import Clock
from kea_lease_monitor.errors import PositionLostError, TemporaryError
from kea_lease_monitor.kea import changes
from kea_lease_monitor.kea.companions import DEFAULT_PATH, LeaseFiles
from kea_lease_monitor.kea.tail import Row, Tail
from kea_lease_monitor.lease import Lease, LeaseEvent
from kea_lease_monitor.position import FilePosition, Position
from kea_lease_monitor.section import Section
from kea_lease_monitor.sources.base import Source, require_clock
from kea_lease_monitor.sources.ledger import Ledger
from kea_lease_monitor.sources.memfile.current import CurrentFile
from kea_lease_monitor.sources.memfile.loader import EVERYTHING, Loader
from kea_lease_monitor.sources.memfile.watch import Watch

_INTERVAL = 1.0
"""Seconds between two reads while inotify is silent: it may be full, absent or blind (NFS)."""


class Options(NamedTuple):
    """The options of this source."""

    path: str = DEFAULT_PATH
    """The lease file."""
    path6: str = ""
    """That of subscriptions to DHCPv6, if ``path`` is that of the DHCPv4 server."""

    @classmethod
    def parse(cls, section: Section) -> Options:
        """Read the source's section. Raises ConfigurationError."""
        options = cls(section.text("path", cls().path), section.optional_text("path6") or "")
        section.done()
        for name, path in zip(cls._fields, options):
            if path and not os.path.isabs(path):
                raise section.error(name, "an absolute path is needed")
        return options

    def of(self, families: FrozenSet[int]) -> str:
        """Return the lease file for a subscription that names these families; see ``problem``."""
        return self.path6 if self.path6 and families == {6} else self.path

    def problem(self, families: FrozenSet[int]) -> str:
        """Return why no file has all leases of a subscription that names these families; empty if one has."""
        if self.path6 and len(families) != 1:
            return "name 4 or 6: each server has its own lease file (source.path and source.path6)"
        return ""


class MemfileSource(Source):
    """Reads all leases first, then the rows that Kea appends."""

    def __init__(self, path: str, clock: Clock) -> None:
        """``path`` is the lease file, which need not exist yet."""
        self._files = LeaseFiles(path)
        self._clock = clock
        self._watch = Watch(os.path.dirname(path))
        self._due = clock.monotonic()
        self._ledger = Ledger()
        self._loader = Loader(self._files, self._ledger)
        self._current = CurrentFile(self._files)
        self._pending: Dict[str, Optional[changes.Trace]] = {}
        self._given: Optional[FilePosition] = None
        self._begun: Optional[FilePosition] = None
        """Position of the last read. From any other one but ``_given``, the ledger knows too much or too little."""

    def fileno(self) -> Optional[int]:
        return self._watch.fileno()

    def due(self) -> float:
        return self._due

    def start(self, everything: bool) -> Position:
        self._loader.stop()
        # A file that was written over in its place may have another header, of another version of Kea.
        self._current.close()
        generation = self._files.generation()
        tail = None if everything else Tail.open(self._files.current)
        if tail is None:
            return EVERYTHING
        end = tail.end()
        position = FilePosition(tail.device, tail.inode, end, tail.checksum(end), generation)
        tail.close()
        return position

    def read(self, after: Position, limit: int) -> Batch:
        if not isinstance(after, FilePosition):
            raise PositionLostError("the stored position is of another source")
        require_clock(after.judged_at, self._clock.time())
        self._watch.drain()
        self._due = self._clock.monotonic() + _INTERVAL
        try:
            if after == self._given:
                self._ledger.learn(self._pending)
            self._pending.clear()
            batch = self._read_present(after, limit) if after.inode == 0 else self._read_tail(after, limit)
        except TemporaryError:
            self._reset()
            raise
        self._begun, self._given = after, batch.position if isinstance(batch.position, FilePosition) else None
        return batch

    def _reset(self) -> None:
        """Discard what is half read, as after an error it may be wrong."""
        self._loader.stop()
        self._current.close()
        self._given = self._begun = None

    def missing(self) -> str:
        """Return that there is no lease file; see Reporting."""
        path = self._files.current
        if os.path.exists(path):
            return ""
        return f"there is no lease file {path}: Kea is not running, has persist: false, or keeps its leases elsewhere"

    def told_until(self) -> float:
        """Return when Kea last wrote the lease file: it may have stopped, or keep its leases elsewhere by now."""
        try:
            return os.stat(self._files.current).st_mtime
        except OSError:
            return 0.0

    def close(self) -> None:
        self._loader.stop()
        self._current.close()
        self._ledger.close()
        self._watch.close()

    def _read_present(self, after: FilePosition, limit: int) -> Batch:
        if not self._loader.knows(after.offset) and not self._loader.load():
            return Batch((), EVERYTHING, self._loader.missing)
        after = after if self._loader.knows(after.offset) else EVERYTHING
        now = self._clock.time()
        judged_at = max(now, after.judged_at)
        found = self._loader.portion(after.offset, limit)
        events = tuple(self._met(key, lease, now) for key, lease in found)
        if len(found) < limit:
            return Batch(events, self._loader.end._replace(judged_at=judged_at), False)
        return Batch(events, after._replace(offset=after.offset + len(found), judged_at=judged_at), False)

    def _met(self, key: str, lease: Lease, now: float) -> LeaseEvent:
        kind = changes.of_reading(None, lease, now)
        self._pending[key] = changes.trace(lease)
        return LeaseEvent(kind, lease, f"{self._files.current}:{lease.address}", None)

    def _read_tail(self, after: FilePosition, limit: int) -> Batch:
        generation = self._files.generation()
        tail = self._tail(after)
        if not self._loader.primed():
            return Batch((), after, False)
        self._loader.forget()
        rows = self._current.rows(after, limit)
        if not rows and not tail.is_at(self._files.current) and os.path.exists(self._files.current):
            # The first read came before the rename was seen. Rows written between the two are still to be read.
            rows = self._current.rows(after, limit)
            if not rows:
                return Batch((), self._current.successor(after, generation), False)
        if not rows:
            reached = after._replace(companions=generation) if tail.is_at(self._files.current) else after
            return Batch((), reached, True)
        events = tuple(event for event in (self._event(row) for row in rows) if event)
        end = rows[-1].end
        position = after._replace(offset=end, checksum=tail.checksum(end), companions=generation)
        return Batch(events, position, len(rows) < limit and tail.is_at(self._files.current))

    def _tail(self, after: FilePosition) -> Tail:
        """Return the open file that the position is in. Raises PositionLostError if it is another one by now."""
        opened = self._current.open(after)
        if after not in (self._given, self._begun):
            # To know the leases before the position: the next renewal must not look like an assignment, and no row
            # after it like a renewal of itself.
            self._loader.prime(after)
        if opened:
            telemetry.following(self._files.current)
        return self._current.checked(after)

    def _event(self, row: Row) -> Optional[LeaseEvent]:
        lease = self._current.lease(row)
        if lease is None:
            return None
        key = lease.key
        seen = self._pending[key] if key in self._pending else self._ledger.trace(key)
        kind = changes.of_row(seen, lease)
        self._pending[key] = changes.trace(lease) if lease.valid_lifetime else None
        return LeaseEvent(kind, lease, self._current.ref(row), None)
