# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must be looked at now and then while events are read: is anything missing, and does anything grow?"""

from __future__ import annotations

from typing import Any, Dict, FrozenSet, List, NamedTuple, Optional, Tuple

from kea_lease_monitor import telemetry
from kea_lease_monitor.clock import Clock
from kea_lease_monitor.database import Session
from kea_lease_monitor.errors import PositionLostError
from kea_lease_monitor.kea.sql import events
from kea_lease_monitor.position import EventPosition

_LOOK = 5.0
"""Seconds between two looks whether events are missing."""

_INTERVAL = 60.0
"""Seconds between two prunings, and between two readings of all leases while no trigger tells of any."""

RETENTION = 3600.0
"""Seconds that passed rows are kept all the same, for a second monitor that is away for a moment; and rows that nobody
passed, because one who is away for less is not looking for what is missing."""

_PRUNED_AT_ONCE = 20_000

_QUEUE_LIMIT = 0.5
"""Share of the notification queue from which on the trigger sends no wake-up."""


class Health(NamedTuple):
    usage: float
    lost: int
    age: int
    triggers: str
    working: bool
    families: List[int]
    """Whose leases are followed."""


class Options(NamedTuple):
    """``families`` are those that the subscription names; with none it follows what there is."""

    schema: str = "kea_events"
    channel: str = "kea_lease_events"
    max_rows: int = 1_000_000
    """Of events older than an hour; beyond, the oldest go although somebody did not read them."""
    families: FrozenSet[int] = frozenset()


class Upkeep:
    """``passed`` is shared by all subscriptions: transactions below the number each one noted may be pruned."""

    def __init__(self, name: str, options: Options, passed: Dict[str, int], clock: Clock) -> None:
        self._name = name
        self._options = options
        self._passed = passed
        self._clock = clock
        self._look_due = self._prune_due = self._whole_due = clock.monotonic()
        self.queue_full = False
        """A session that listens reads on only when a sender tells it to. When nobody sends any more, ours itself would
        hold the queue, also after the culprit has gone: so it must not listen meanwhile."""
        self._oldest: Tuple[Optional[int], float] = (None, self._look_due)

    def begin(self, session: Session) -> Health:
        """The state of things before all leases are read."""
        self._whole_due = self._clock.monotonic() + _INTERVAL
        return self.health(session)

    def look(self, session: Session, after: EventPosition) -> None:
        """Asks nothing of the event table, and so helps also while that cannot be read. Raises PositionLostError."""
        now = self._clock.monotonic()
        if now < self._look_due:
            return
        self._look_due = now + _LOOK
        health = self.health(session)
        telemetry.queue_usage(health.usage)
        self.queue_full = health.usage >= _QUEUE_LIMIT
        telemetry.horizon(health.age)
        telemetry.trigger(health.lost, health.working)
        if health.lost != after.lost:
            telemetry.events_missing(self._name, health.lost - after.lost)
            raise PositionLostError("the trigger could not write some events")
        if health.triggers != after.triggers:
            raise PositionLostError("the triggers were changed, or disabled for a while")
        if not health.working and now >= self._whole_due:
            raise PositionLostError("no trigger tells of changes, so all leases are read each minute")

    def queue_filling(self, session: Session) -> bool:
        """Looked at anew, before we listen."""
        self.queue_full = session.rows(events.QUEUE_USAGE)[0][0] >= _QUEUE_LIMIT
        return self.queue_full

    def passed(self, position: EventPosition) -> None:
        """Rows before this place are not wanted any more."""
        self._passed[self._name] = position.seen.xmin

    def prune(self, session: Session, after: EventPosition) -> None:
        self.passed(after)
        now = self._clock.monotonic()
        if now < self._prune_due:
            return
        self._watch_horizon(session)
        gone = self._pruned(session, str(min(self._passed.values())))
        cut = self._ask(session, events.CUT, rows=self._options.max_rows, age=RETENTION)
        if cut:
            forced = self._pruned(session, cut[0][0])
            telemetry.pruned_unread(forced)
            gone = max(gone, forced)
        self._prune_due = now if gone == _PRUNED_AT_ONCE else now + _INTERVAL

    def health(self, session: Session) -> Health:
        families = sorted(self._options.families) or [4, 6]
        return Health(*self._ask(session, events.HEALTH, families=families, named=bool(self._options.families))[0])

    def _watch_horizon(self, session: Session) -> None:
        now = self._clock.monotonic()
        oldest = session.rows(events.OLDEST)
        xid, pid = oldest[0] if oldest else (None, 0)
        if xid != self._oldest[0]:
            self._oldest = (xid, now)
        telemetry.horizon_held(pid, now - self._oldest[1] if oldest else 0.0)

    def _pruned(self, session: Session, xmin: str) -> int:
        rows = self._ask(session, events.PRUNE, xmin=xmin, age=RETENTION, limit=_PRUNED_AT_ONCE)
        telemetry.pruned(rows[0][0])
        return int(rows[0][0])

    def _ask(self, session: Session, statement: str, **parameters: Any) -> Any:
        return session.rows(statement.replace("{schema}", self._options.schema), parameters)
