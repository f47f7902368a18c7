# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The source for leases in PostgreSQL without a trigger: compare the lease tables with what is known, every few
seconds.

A deleted row leaves no trace, so at longer intervals all leases are read, and known leases that are missing count as
deleted. Of several changes between two reads only the last is seen.
"""

from __future__ import annotations

from typing import Dict, FrozenSet, List, NamedTuple, Optional, Tuple

from kea_lease_monitor import telemetry
from kea_lease_monitor.batch import Batch
from kea_lease_monitor.clock import Clock
from kea_lease_monitor.database import Link, Session
from kea_lease_monitor.errors import PositionLostError
from kea_lease_monitor.kea import changes, identifiers
from kea_lease_monitor.kea.sql import events as sql
from kea_lease_monitor.kea.sql import leases
from kea_lease_monitor.lease import EventKind, Lease, LeaseEvent
from kea_lease_monitor.position import PollPosition, Position, Snapshot
from kea_lease_monitor.section import Section
from kea_lease_monitor.sources.base import Source, require_clock
from kea_lease_monitor.sources.ledger import Known, Ledger

_BEYOND = 2**129
"""Greater than every ordinal."""


class Options(NamedTuple):
    """The options of this source."""

    interval: int = 5
    """Seconds between two reads. Each reads through the whole table, because no index tells which rows are new."""
    full_interval: int = 3600
    """Seconds between two searches for deleted leases."""
    families: FrozenSet[int] = frozenset()
    """Families that the subscription names. If it names none, all that this role may read are read."""

    @classmethod
    def parse(cls, section: Section) -> Options:
        """Read the source's section. Raises ConfigurationError."""
        options = cls(
            section.number("interval", cls().interval, 1, 3600),
            section.number("full_interval", cls().full_interval, 60, 604_800),
        )
        section.done()
        return options


class PollingSource(Source):
    """Hands over each lease that differs from what the ledger knows."""

    def __init__(self, link: Link, options: Options, clock: Clock) -> None:
        """``link`` gives this source a database session of its own."""
        self._link = link
        self._options = options
        self._clock = clock
        self._due = clock.monotonic()
        self._whole_due = self._due + options.full_interval
        self._ledger = Ledger()
        self._pending: List[Known] = []
        self._given: Optional[Position] = None
        self._begun: Optional[Position] = None
        self._again = False
        """Whether this pass hands over leases that the ledger knows: their effects may be lost."""
        self._learnt = False
        """Whether all leases were read since this process began: until then the ledger lacks some."""
        self._system = ""
        self._families = ""
        self._session = 0

    def fileno(self) -> Optional[int]:
        return None

    def due(self) -> float:
        return self._due

    def close(self) -> None:
        self._link.close()
        self._ledger.close()

    def has_learnt(self) -> bool:
        return self._learnt

    def start(self, everything: bool) -> Position:
        with self._link.session() as session:
            self._know(session)
            seen, taken_at = self._snapshot(session)
            target = seen if everything else None
            return PollPosition(self._system, taken_at, seen, target, -1, everything, self._families)

    def read(self, after: Position, limit: int) -> Batch:
        if not isinstance(after, PollPosition):
            raise PositionLostError("the stored position is of another source")
        require_clock(after.judged_at, self._clock.time())
        self._due = self._clock.monotonic() + self._options.interval
        if after == self._given:
            self._ledger.put(self._pending)
            self._again = self._again and after.target is not None
        elif after != self._begun:
            # A start, a restart or a replay: not all that the ledger knows was delivered before this position.
            self._again = True
        self._pending = []
        with self._link.session() as session:
            self._check(session, after)
            batch = self._pass(session, after, limit)
        self._begun, self._given = after, batch.position
        return batch

    def _know(self, session: Session) -> bool:
        """Read once for each session what its database is. Return whether that was done before."""
        known, self._session = self._session == self._link.sessions, self._link.sessions
        if not known:
            self._system = str(session.rows(sql.IDENTITY)[0][0])
            readable = "46" if session.rows(leases.READABLE6)[0][0] else "4"
            self._families = "".join(map(str, sorted(self._options.families))) or readable
        return known

    def _check(self, session: Session, after: PollPosition) -> None:
        """Check once for each session that transaction numbers still mean the same. Raises PositionLostError."""
        if self._know(session):
            return
        if after.system != self._system:
            raise PositionLostError("the database is another one, or was failed over")
        if after.families != self._families:
            raise PositionLostError("leases of another family are to be read")
        now, _taken_at = self._snapshot(session)
        if now.xmax < after.seen.xmax:
            raise PositionLostError("the database was restored to an earlier state")
        if session.rows(sql.RESTARTED, {"taken_at": after.taken_at})[0][0]:
            raise PositionLostError("the server was restarted since")

    def _snapshot(self, session: Session) -> Tuple[Snapshot, float]:
        text, taken_at = session.rows(sql.SNAPSHOT)[0]
        return Snapshot.parse(text), taken_at

    def _pass(self, session: Session, after: PollPosition, limit: int) -> Batch:
        if after.target is None:
            target, taken_at = self._snapshot(session)
            whole = self._clock.monotonic() >= self._whole_due
            after = after._replace(target=target, taken_at=taken_at, whole=whole)
        after = after._replace(judged_at=max(after.judged_at, self._clock.time()))
        families = [int(family) for family in after.families]
        rows = self._rows(session, after, limit, leases.table_after(after.address, families))
        end = leases.end_of(rows, limit, after.address, families)
        found = self._found(after, rows, end)
        taken = sorted(found)[:limit]
        events = tuple(event for event in (self._event(key, found[key]) for key in taken) if event)
        if len(found) > limit:
            end = int(taken[-1])
        if end is not None:
            return Batch(events, after._replace(address=end), False)
        if after.whole:
            self._whole_due = self._clock.monotonic() + self._options.full_interval
            self._learnt = True
        seen = after.target or after.seen
        return Batch(events, after._replace(seen=seen, target=None, address=-1, whole=False), True)

    def _rows(self, session: Session, after: PollPosition, limit: int, family: int) -> List[leases.Row]:
        parameters = {
            "address": identifiers.of_ordinal(after.address),
            "everything": after.whole,
            "xmax": after.seen.xmax,
            "xip": list(after.seen.xip),
            "limit": limit,
        }
        return session.rows(leases.POLL[family], parameters)

    def _found(self, after: PollPosition, rows: List[leases.Row], end: Optional[int]) -> Dict[str, Optional[Lease]]:
        """Return the leases in these rows by key, None for a deleted one.

        ``end`` is the ordinal where the rows end, None for the end of the last table.
        """
        found: Dict[str, Optional[Lease]] = {}
        for row in rows:
            if lease := _lease(row):
                found[_key(identifiers.ordinal(lease.address))] = lease
        if after.whole:
            known = self._ledger.between(_key(after.address), _key(_BEYOND if end is None else end))
            found.update({key: None for key in known if key not in found})
        return found

    def _event(self, key: str, lease: Optional[Lease]) -> Optional[LeaseEvent]:
        before = self._ledger.lease(key)
        if lease == before and not self._again:
            return None
        self._pending.append((key, lease))
        ref = f"poll:{identifiers.of_ordinal(int(key))}"
        if lease is None:
            return LeaseEvent(EventKind.DELETED, before, ref, None) if before else None
        trace = changes.trace(before) if before and not self._again else None
        return LeaseEvent(changes.of_reading(trace, lease, self._clock.time()), lease, ref, None)


def _lease(row: leases.Row) -> Optional[Lease]:
    try:
        return leases.lease_of(row)
    except ValueError as error:
        telemetry.row_rejected(f"poll:{row[0]}", str(error))
        return None


def _key(ordinal: int) -> str:
    """Return the ledger's key for an ordinal. Keys sort as the numbers do."""
    return f"{ordinal:039d}" if ordinal >= 0 else ""
