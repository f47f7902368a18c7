# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The source for leases in PostgreSQL with a trigger: its rows are the truth, notifications only wake the source.

Facts: DESIGN 4.
"""

from __future__ import annotations

import functools
from contextlib import suppress
from typing import Any, Dict, List, Optional, Sequence, Tuple

from kea_lease_monitor import telemetry
from kea_lease_monitor.batch import Batch
from kea_lease_monitor.clock import Clock
from kea_lease_monitor.database import Link, Session
from kea_lease_monitor.errors import PositionLostError, TemporaryError
from kea_lease_monitor.kea.sql import events as sql
from kea_lease_monitor.kea.sql import leases
from kea_lease_monitor.lease import LeaseEvent
from kea_lease_monitor.position import EventPosition, Position, Snapshot
from kea_lease_monitor.prepared import Prepared
from kea_lease_monitor.sources.base import Source, require_clock
from kea_lease_monitor.sources.events.bell import SESSION, Bell
from kea_lease_monitor.sources.events.scan import Scan
from kea_lease_monitor.sources.events.upkeep import RETENTION, Options, Upkeep
from kea_lease_monitor.sources.events.wakeups import Wakeups

_REWIND = 60.0
"""Seconds; far longer than PostgreSQL may delay the record of a rolled back transaction (three wal_writer_delay)."""


class EventsSource(Source):
    """Reads all leases first, then the rows that the trigger writes."""

    renewals = False

    def __init__(self, name: str, link: Link, options: Options, passed: Dict[str, int], clock: Clock) -> None:
        """``name`` is the subscription's; ``link`` opens sessions for this source alone; for ``passed`` see Upkeep."""
        self._link = link
        self._options = options
        self._upkeep = Upkeep(name, options, passed, clock)
        # A reader of one family does not see the events of the other one's readers. One that removes no events is a
        # guest, which may do anything between two reads.
        self._bell = Bell(options.channel, not options.families and options.prunes, clock)
        self._wakeups = Wakeups(self._bell, clock)
        self._scan = Scan(clock)
        self._clock = clock
        self._sessions = 0
        self._system = ""
        self._families: Sequence[int] = ()
        self._fresh = False

    def fileno(self) -> Optional[int]:
        return self._link.fileno()

    def due(self) -> float:
        return self._wakeups.due

    def rest(self) -> None:
        """Wait for wake-ups of Kea's transactions again; see Resting."""
        if self._bell.held and self._link.fileno() is not None:
            # At an error the session is closed, and with it the lock released.
            with suppress(TemporaryError), self._link.session() as session:
                self._wakeups.rest(session)

    def close(self) -> None:
        self._link.close()

    def stand_by(self, position: Position) -> None:
        """Keep no rows before this position for this monitor; see StandingBy."""
        if isinstance(position, EventPosition):
            self._upkeep.passed(position)

    def start(self, everything: bool) -> Position:
        with self._link.session() as session:
            self._prepare(session)
            # All leases take long to read, and tell of no events.
            self._wakeups.rest(session)
            # Before the snapshot and before any lease is read: a later check then finds what is lost from here on.
            health = self._upkeep.begin(session)
            seen, taken_at = self._snapshot(session)
            self._families = health.families
            self._scan.begin()
            scanned = -1 if everything else None
            return EventPosition(self._system, taken_at, seen, None, 0, 0, scanned, health.lost, health.triggers)

    def read(self, after: Position, limit: int) -> Batch:
        if not isinstance(after, EventPosition):
            raise PositionLostError("the stored position is of another source")
        require_clock(after.judged_at, self._clock.time())
        self._wakeups.begin()
        with self._link.session() as session:
            self._prepare(session)
            self._wakeups.take(session)
            batch = self._batch(session, after, limit)
            self._wakeups.plan(session)
            return batch

    def _batch(self, session: Session, after: EventPosition, limit: int) -> Batch:
        if after.system != self._system:
            raise PositionLostError("the database is another one, or was failed over")
        # The scan and the check read nothing from the event table, so they work while that cannot be read.
        if after.scanned is not None:
            return self._scan.read(session, after, limit, self._followed(session))
        self._upkeep.check(session, after)
        if self._fresh or self._clock.time() - after.taken_at > RETENTION / 2:
            self._check_age(session, after)
        if self._fresh:
            rewound = self._rewound(session, after)
            self._fresh = False
            if rewound != after:
                # In a batch of its own, because the caller keeps it even if a sink fails in the next batch.
                return Batch((), rewound, False)
        batch = self._read_rows(session, after, limit)
        self._upkeep.prune(session, after)
        return batch

    def _prepare(self, session: Session) -> None:
        """LISTEN before any read of a new session: what is committed in between is then read or announced.

        While the notification queue fills up, listen to nothing: a new listener first reads all of its 8 GB.
        """
        if self._sessions != self._link.sessions:
            self._sessions = self._link.sessions
            session.rows(SESSION)
            self._system = str(session.rows(sql.IDENTITY)[0][0])
            self._families = ()
            self._fresh = True
            self._wakeups.forget()
        if self._link.listening and self._upkeep.queue_full:
            session.rows("UNLISTEN *")
            self._link.listening = False
        if self._link.listening or self._upkeep.is_queue_filling(session):
            return
        session.rows(f'LISTEN "{self._options.channel}"')
        self._link.listening = True
        telemetry.listening(self._options.channel, self._options.schema)

    def _ask(self, session: Session, statement: str, **parameters: Any) -> List[Tuple[Any, ...]]:
        return session.rows(statement.replace("{schema}", self._options.schema), parameters)

    def _snapshot(self, session: Session) -> Tuple[Snapshot, float]:
        text, taken_at = session.rows(sql.SNAPSHOT)[0]
        return Snapshot.parse(text), taken_at

    def _check_age(self, session: Session, after: EventPosition) -> None:
        """Check that no monitor pruned rows after this position meanwhile. Raises PositionLostError."""
        now, taken_at = self._snapshot(session)
        if now.xmax < after.seen.xmax:
            raise PositionLostError("the database was restored to an earlier state")
        if taken_at - after.taken_at > RETENTION / 2:
            standing = self._ask(session, sql.NOTHING_PRUNED, xmin=str(after.seen.xmin))
            if not standing[0][0]:
                raise PositionLostError("event rows may have been pruned meanwhile")

    def _rewound(self, session: Session, after: EventPosition) -> EventPosition:
        """Return a position before the last rows if the server was restarted since; else the same one.

        A crash forgets the numbers of transactions that were rolled back just before it, and uses them again. Their
        rows would look like rows that were read already.
        """
        since = after.taken_at - _REWIND
        found = self._ask(session, sql.SINCE_RESTART, since=since, taken_at=after.taken_at)
        if not found:
            return after
        xid, seen = found[0][0], after.seen
        if xid is not None and xid < seen.xmax:
            seen = Snapshot(min(seen.xmin, xid), xid, tuple(number for number in seen.xip if number < xid))
        return after._replace(seen=seen, target=None, xid=0, id=0)

    def _followed(self, session: Session) -> Sequence[int]:
        """Return the families whose leases are read in this session. Upkeep.check finds when that changes."""
        if not self._families:
            self._families = self._upkeep.health(session).families
        return self._families

    def _read_rows(self, session: Session, after: EventPosition, limit: int) -> Batch:
        if after.target is None:
            self._wakeups.schedule(session)
        found = _statement(self._options.schema, tuple(self._followed(session))).rows(
            session,
            {
                "families": list(self._families),
                "xmax": str(after.seen.xmax),
                "xip": f"{{{','.join(map(str, after.seen.xip))}}}",
                "target": after.target and str(after.target),
                "xid": str(after.xid),
                "id": after.id,
                "limit": limit,
            },
        )
        target, taken_at, rows = leases.events_of(found)
        self._bell.found(session, len(rows))
        if after.target is None:
            after = after._replace(target=Snapshot.parse(target), taken_at=taken_at)
        events = tuple(event for event in map(_event, rows) if event)
        if len(rows) == limit:
            xid, number = rows[-1][:2]
            return Batch(events, after._replace(xid=xid, id=number), False)
        return Batch(events, after._replace(seen=after.target or after.seen, target=None, xid=0, id=0), True)


@functools.lru_cache(maxsize=None)
def _statement(schema: str, families: Tuple[int, ...]) -> Prepared:
    statement = leases.events(families).replace("{schema}", schema)
    return Prepared(f"events{max(families)}", statement, leases.IN_PORTIONS)


def _event(row: Tuple[Any, ...]) -> Optional[LeaseEvent]:
    try:
        return leases.event_of(row)
    except ValueError as error:
        telemetry.row_rejected(f"{row[0]}.{row[1]}", str(error))
        return None
