# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Regular checks while events are read: whether events are missing, and what must be pruned."""

from __future__ import annotations

import re
from typing import Any, Dict, FrozenSet, List, NamedTuple, Optional, Tuple

from kea_lease_monitor import telemetry
from kea_lease_monitor.clock import Clock
from kea_lease_monitor.database import Session
from kea_lease_monitor.errors import PositionLostError
from kea_lease_monitor.kea.sql import events
from kea_lease_monitor.position import EventPosition
from kea_lease_monitor.section import Section

_CHECK = 5.0
"""Seconds between two checks whether events are missing."""

_INTERVAL = 60.0
"""Seconds between two prunings, and between two reads of all leases while no trigger works."""

RETENTION = 3600.0
"""Minimum age in seconds before an event row is pruned, read or not: a monitor that was away for less resumes from its
bookmark, and does not check whether rows are missing."""

_UNREADABLE = "Leases of DHCPv6 have events, and are left out: the database role may not read lease6. Grant it SELECT"

_PRUNED_AT_ONCE = 20_000
"""Rows deleted by one statement."""

_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")

_QUEUE_LIMIT = 0.5
"""Used share of the notification queue above which the trigger sends no wake-ups."""


class Health(NamedTuple):
    """The columns of the statement HEALTH."""

    usage: float
    """Used share of the notification queue."""
    lost: int
    """Events that the trigger could not write, since the counter was created."""
    age: int
    """Transaction numbers between the horizon and the newest transaction."""
    triggers: str
    """State of the triggers; it changes whenever one is created, dropped, disabled or enabled."""
    working: bool
    """Whether the triggers record every change."""
    families: List[int]
    """Families whose leases are followed."""
    unreadable: bool
    """Whether leases of DHCPv6 have events, and are not followed because this role may not read their table."""


class Options(NamedTuple):
    """The options of this source."""

    schema: str = "kea_events"
    channel: str = "kea_lease_events"
    max_rows: int = 1_000_000
    """Events older than an hour that are kept. The oldest of more are deleted even if a monitor has not read them."""
    families: FrozenSet[int] = frozenset()
    """Families that the subscription names. If it names none, all that have events are followed."""
    prunes: bool = True
    """Whether rows that were read are removed. No key sets it: a reader besides the monitor leaves them to that one."""

    @classmethod
    def parse(cls, section: Section) -> Options:
        """Read the source's section. Raises ConfigurationError."""
        options = cls(
            section.text("schema", cls().schema),
            section.text("channel", cls().channel),
            section.number("max_rows", cls().max_rows, 1000, 2**31 - 1),
        )
        for key, value in (("schema", options.schema), ("channel", options.channel)):
            if not _NAME.fullmatch(value):
                raise section.error(key, f"lower-case letters, digits and _ are needed, not {value!r}")
        section.done()
        return options


class Upkeep:
    """Checks and prunes the event table for one subscription."""

    def __init__(self, name: str, options: Options, passed: Dict[str, int], clock: Clock) -> None:
        """``name`` is the subscription's. ``passed`` is shared by all subscriptions of this process: transactions below
        the lowest of its numbers may be pruned."""
        self._name = name
        self._options = options
        self._passed = passed
        self._clock = clock
        self._check_due = self._prune_due = self._whole_due = clock.monotonic()
        self.queue_full = False
        """Whether the notification queue is filling up. A session that listens then must stop: it goes on reading only
        when another session sends, so without senders it would itself keep the queue full."""
        self._oldest: Tuple[Optional[int], float] = (None, self._check_due)
        self._told_unreadable = False
        self._counted: Optional[int] = None
        """The trigger's count of lost events as far as the metric has it; None before the first check."""

    def begin(self, session: Session) -> Health:
        """Return the health before all leases are read."""
        self._whole_due = self._clock.monotonic() + _INTERVAL
        health = self.health(session)
        # Events may be lost between the check that had all leases read and this count, which the next check goes by.
        self._count(health, health.lost)
        return health

    def check(self, session: Session, after: EventPosition) -> None:
        """Check from time to time whether events are missing. Raises PositionLostError if they are.

        It reads nothing from the event table, so it also works while that cannot be read.
        """
        now = self._clock.monotonic()
        if now < self._check_due:
            return
        self._check_due = now + _CHECK
        health = self.health(session)
        telemetry.queue_usage(health.usage)
        self.queue_full = health.usage >= _QUEUE_LIMIT
        telemetry.horizon(health.age)
        self._count(health, after.lost)
        if health.lost != after.lost:
            telemetry.events_missing(self._name, health.lost - after.lost)
            raise PositionLostError("the trigger could not write some events")
        if health.triggers != after.triggers:
            raise PositionLostError("the triggers were changed, or disabled for a while")
        if not health.working and now >= self._whole_due:
            raise PositionLostError("no trigger tells of changes, so all leases are read each minute")

    def _count(self, health: Health, before: int) -> None:
        """Add the lost events that are new to the metric; ``before`` is what it had when this process began."""
        counted = before if self._counted is None else self._counted
        self._counted = health.lost
        telemetry.trigger(self._name, health.lost - counted, health.working)

    def is_queue_filling(self, session: Session) -> bool:
        """Return whether the notification queue is filling up now; to be read before LISTEN."""
        self.queue_full = session.rows(events.QUEUE_USAGE)[0][0] >= _QUEUE_LIMIT
        return self.queue_full

    def passed(self, position: EventPosition) -> None:
        """Note that this subscription needs no rows before this position."""
        self._passed[self._name] = position.seen.xmin

    def prune(self, session: Session, after: EventPosition) -> None:
        """Delete from time to time the rows that all subscriptions have read, and those in excess of ``max_rows``."""
        self.passed(after)
        now = self._clock.monotonic()
        if now < self._prune_due or not self._options.prunes:
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
        """Return what HEALTH finds now. Leases that are left out are told once."""
        families = sorted(self._options.families) or [4, 6]
        found = Health(*self._ask(session, events.HEALTH, families=families, named=bool(self._options.families))[0])
        if found.unreadable and not self._told_unreadable:
            telemetry.warning("leases_unreadable", _UNREADABLE, subscription=self._name)
        self._told_unreadable = found.unreadable
        return found

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
