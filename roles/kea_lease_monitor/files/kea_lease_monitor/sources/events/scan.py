# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All current leases, read from Kea's tables in portions."""

from __future__ import annotations

from typing import FrozenSet, Iterator, List, Optional, Sequence

from kea_lease_monitor import telemetry
from kea_lease_monitor.batch import Batch
from kea_lease_monitor.clock import Clock
from kea_lease_monitor.database import Session
from kea_lease_monitor.kea import changes, identifiers
from kea_lease_monitor.kea.sql import events as sql
from kea_lease_monitor.kea.sql import leases
from kea_lease_monitor.lease import LeaseEvent
from kea_lease_monitor.position import EventPosition
from kea_lease_monitor.sources.events.wakeups import HURRY


class Scan:
    """Reads all leases of the followed families, once older transactions have ended."""

    def __init__(self, clock: Clock) -> None:
        """No scan has begun yet."""
        self._clock = clock
        self._due = clock.monotonic()
        self._older: Optional[FrozenSet[int]] = None

    def begin(self) -> None:
        """Begin a scan: the transactions that are in progress now are older than the count of lost events."""
        self._older = None

    def read(self, session: Session, after: EventPosition, limit: int, families: Sequence[int]) -> Batch:
        """Return the next portion; an empty one while older transactions are in progress."""
        if after.scanned == -1 and self._must_wait(session):
            return Batch((), after, False)
        ordinal = after.scanned or 0
        statement = leases.IN_PORTIONS + leases.SCAN[leases.table_after(ordinal, families)]
        rows = session.rows(statement, {"address": identifiers.of_ordinal(ordinal), "limit": limit})
        scanned, now = leases.end_of(rows, limit, ordinal, families), self._clock.time()
        reached = after._replace(scanned=scanned, judged_at=max(now, after.judged_at))
        return Batch(tuple(self._events(rows, now)), reached, False)

    def _must_wait(self, session: Session) -> bool:
        """Return whether to wait for transactions that are older than the count of lost events.

        The trigger may have counted a loss for one of them, and its lease is not visible yet.
        """
        running = frozenset(row[0] for row in session.rows(sql.RUNNING))
        if self._older is None:
            self._older, self._due = running, self._clock.monotonic() + HURRY
        self._older &= running
        return bool(self._older) and self._clock.monotonic() < self._due

    def _events(self, rows: List[leases.Row], now: float) -> Iterator[LeaseEvent]:
        for row in rows:
            ref = f"scan:{row[0]}"
            try:
                lease = leases.lease_of(row)
            except ValueError as error:
                telemetry.row_rejected(ref, str(error))
                continue
            yield LeaseEvent(changes.of_reading(None, lease, now), lease, ref, None)
