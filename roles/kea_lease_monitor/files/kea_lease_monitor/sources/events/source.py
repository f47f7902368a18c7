# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The source for leases in PostgreSQL: the trigger's rows are the truth, notifications only wake us (DESIGN 4)."""

from __future__ import annotations

import functools
import re
from typing import Any, Dict, FrozenSet, List, Optional, Sequence, Tuple

from kea_lease_monitor import telemetry
from kea_lease_monitor.batch import Batch
from kea_lease_monitor.clock import Clock
from kea_lease_monitor.database import Link, Session
from kea_lease_monitor.errors import PositionLostError
from kea_lease_monitor.kea import changes, identifiers, lifetime
from kea_lease_monitor.kea.sql import events as sql
from kea_lease_monitor.kea.sql import leases
from kea_lease_monitor.lease import LeaseEvent
from kea_lease_monitor.position import EventPosition, Position, Snapshot
from kea_lease_monitor.prepared import Prepared
from kea_lease_monitor.section import Section
from kea_lease_monitor.sources.base import Source
from kea_lease_monitor.sources.events.upkeep import RETENTION, Options, Upkeep

_POLL = 5.0
"""Seconds between two reads when nothing woke us. With the deadline of a statement, also how a dead link is noticed."""

_PAUSE = 0.002
"""Seconds between reads while transactions that were in progress at the last wake-up still are; it doubles."""

_HURRY = 2.0
"""Seconds after a wake-up beyond which such a transaction is not one of Kea's, and the pause grows up to the poll."""

_PAUSES = ((0.1, 0.008), (_HURRY, 0.05))
"""Seconds since the wake-up, and until then the longest pause: nearly all of Kea's transactions end in the first."""

_REWIND = 60.0
"""Seconds; far longer than PostgreSQL may keep a rolled back transaction to itself (wal_writer_delay, three times)."""

_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")


def parse(section: Section) -> Options:
    options = Options(
        section.text("schema", Options().schema),
        section.text("channel", Options().channel),
        section.number("max_rows", Options().max_rows, 1000, 2**31 - 1),
    )
    for key, value in (("schema", options.schema), ("channel", options.channel)):
        if not _NAME.fullmatch(value):
            raise section.error(key, f"lower-case letters, digits and _ are needed, not {value!r}")
    section.done()
    return options


class EventsSource(Source):
    """For ``passed`` see Upkeep."""

    def __init__(self, name: str, link: Link, options: Options, passed: Dict[str, int], clock: Clock) -> None:
        self._link = link
        self._options = options
        self._upkeep = Upkeep(name, options, passed, clock)
        self._clock = clock
        self._due = clock.monotonic()
        self._sessions = 0
        self._system = ""
        self._families: Sequence[int] = ()
        self._fresh = False
        self._woken = False
        self._settling = False
        self._unfinished: Optional[FrozenSet[int]] = None
        self._older: Optional[FrozenSet[int]] = None
        self._scan_due = self._due
        self._pause = _PAUSE
        self._woken_at = self._due

    def fileno(self) -> Optional[int]:
        return self._link.fileno()

    def due(self) -> float:
        return self._due

    def close(self) -> None:
        self._link.close()

    def stand_by(self, position: Position) -> None:
        if isinstance(position, EventPosition):
            self._upkeep.passed(position)

    def start(self, everything: bool) -> Position:
        with self._link.session() as session:
            self._prepare(session)
            # Before the snapshot and before any lease is read: what is lost from here on is found by the next look.
            health = self._upkeep.begin(session)
            seen, taken_at = self._snapshot(session)
            self._families = health.families
            self._older = None
            scanned = -1 if everything else None
            return EventPosition(self._system, taken_at, seen, None, 0, 0, scanned, health.lost, health.triggers)

    def read(self, after: Position, limit: int) -> Batch:
        if not isinstance(after, EventPosition):
            raise PositionLostError("the stored position is of another source")
        self._due = self._clock.monotonic() + _POLL
        with self._link.session() as session:
            self._prepare(session)
            self._woken = session.woken() or self._woken
            batch = self._batch(session, after, limit)
            self._plan(session)
            return batch

    def _batch(self, session: Session, after: EventPosition, limit: int) -> Batch:
        if after.system != self._system:
            raise PositionLostError("the database is another one, or was failed over")
        # These two ask nothing of the event table, so that they make good for it while it cannot be read.
        if after.scanned is not None:
            return self._scan(session, after, limit)
        self._upkeep.look(session, after)
        if self._fresh or self._clock.time() - after.taken_at > RETENTION / 2:
            self._check_age(session, after)
        if self._fresh:
            rewound = self._rewound(session, after)
            self._fresh = False
            if rewound != after:
                # Handed over by itself, because the caller keeps it even if a sink fails in the next batch.
                return Batch((), rewound, False)
        batch = self._read_rows(session, after, limit)
        self._upkeep.prune(session, after)
        return batch

    def _prepare(self, session: Session) -> None:
        """LISTEN comes before any read of a new session: what is committed in between is then read or announced.

        In a queue that is filling nobody is woken, but who begins to listen reads all of its 8 GB first.
        """
        if self._sessions != self._link.sessions:
            self._sessions = self._link.sessions
            self._system = str(session.rows(sql.IDENTITY)[0][0])
            self._families = ()
            self._fresh = True
            self._settling = False
        if self._link.listening and self._upkeep.queue_full:
            session.rows("UNLISTEN *")
            self._link.listening = False
        if self._link.listening or self._upkeep.queue_filling(session):
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
        """Whether some monitor may have pruned rows behind this position while we were away."""
        now, taken_at = self._snapshot(session)
        if now.xmax < after.seen.xmax:
            raise PositionLostError("the database was restored to an earlier state")
        if taken_at - after.taken_at > RETENTION / 2:
            standing = self._ask(session, sql.NOTHING_PRUNED, xmin=str(after.seen.xmin))
            if not standing[0][0]:
                raise PositionLostError("event rows may have been pruned meanwhile")

    def _rewound(self, session: Session, after: EventPosition) -> EventPosition:
        """After a restart of the server the last rows once more.

        A crash forgets the numbers of transactions that were rolled back just before it and gives them out again;
        the snapshot of the position would take their rows for rows already read.
        """
        since = after.taken_at - _REWIND
        found = self._ask(session, sql.SINCE_RESTART, since=since, taken_at=after.taken_at)
        if not found:
            return after
        xid, seen = found[0][0], after.seen
        if xid is not None and xid < seen.xmax:
            seen = Snapshot(min(seen.xmin, xid), xid, tuple(number for number in seen.xip if number < xid))
        return after._replace(seen=seen, target=None, xid=0, id=0)

    def _must_wait(self, session: Session) -> bool:
        """Before all leases are read, let the transactions end that are older than the count of lost events.

        The trigger may have counted for one of them that could not write its event, and whose lease nobody sees yet.
        """
        running = frozenset(row[0] for row in session.rows(sql.RUNNING))
        if self._older is None:
            self._older, self._scan_due = running, self._clock.monotonic() + _HURRY
        self._older &= running
        return bool(self._older) and self._clock.monotonic() < self._scan_due

    def _scan(self, session: Session, after: EventPosition, limit: int) -> Batch:
        if after.scanned == -1 and self._must_wait(session):
            return Batch((), after, False)
        place = after.scanned or 0
        families = self._followed(session)
        statement = leases.IN_PORTIONS + leases.SCAN[leases.table_behind(place, families)]
        values = {"address": identifiers.of_ordinal(place), "limit": limit, "infinite": lifetime.INFINITE}
        rows = session.rows(statement, values)
        now = self._clock.time()
        events = []
        for row in rows:
            try:
                lease = leases.lease_of(row)
            except ValueError as error:
                telemetry.row_rejected(f"scan:{row[0]}", str(error))
                continue
            events.append(LeaseEvent(changes.of_reading(None, lease, now), lease, f"scan:{row[0]}", None))
        scanned = leases.end_of(rows, limit, place, families)
        return Batch(tuple(events), after._replace(scanned=scanned), False)

    def _followed(self, session: Session) -> Sequence[int]:
        """Whose leases are read in this session. When that changes, the look at the triggers notices."""
        if not self._families:
            self._families = self._upkeep.health(session).families
        return self._families

    def _read_rows(self, session: Session, after: EventPosition, limit: int) -> Batch:
        if after.target is None:
            self._schedule(session)
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
        if after.target is None:
            after = after._replace(target=Snapshot.parse(target), taken_at=taken_at)
        events = tuple(event for event in map(_event, rows) if event)
        if len(rows) == limit:
            xid, number = rows[-1][:2]
            return Batch(events, after._replace(xid=xid, id=number), False)
        return Batch(events, after._replace(seen=after.target or after.seen, target=None, xid=0, id=0), True)

    def _schedule(self, session: Session) -> None:
        """After a wake-up, read again until the transactions that may have relied on it have ended.

        Whoever found the debouncing lock taken sends no notification; but it had its transaction number before the
        lock's holder, whose notification woke us, released that lock. pg_current_snapshot() does not show such a
        transaction when it is the newest of all, pg_locks does. The set is taken one pause after the wake-up,
        because a notification can be seen an instant before its sender lets go of the lock.
        """
        now = self._clock.monotonic()
        if self._woken:
            self._woken, self._settling, self._unfinished = False, True, None
            self._pause, self._woken_at = _PAUSE, now
        elif self._settling:
            running = frozenset(row[0] for row in session.rows(sql.RUNNING))
            self._unfinished = running if self._unfinished is None else self._unfinished & running
            self._settling = bool(self._unfinished)
            longest = next((pause for end, pause in _PAUSES if now < self._woken_at + end), _POLL)
            self._pause = min(2 * self._pause, longest)

    def _plan(self, session: Session) -> None:
        """A wake-up that came along with the answer to a statement makes no descriptor readable."""
        self._woken = session.woken() or self._woken
        now = self._clock.monotonic()
        if self._woken:
            self._due = now
        elif self._settling:
            self._due = min(self._due, now + self._pause)


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
