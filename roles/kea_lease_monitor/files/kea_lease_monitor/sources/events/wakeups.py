# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When the event table is read: notifications wake the source, and it reads again until their senders have finished.

While it is busy it holds the lock of the bell and reads at short intervals instead.
"""

from __future__ import annotations

from typing import FrozenSet, Optional

from kea_lease_monitor.clock import Clock
from kea_lease_monitor.database import Session
from kea_lease_monitor.kea.sql import events as sql
from kea_lease_monitor.sources.events.bell import Bell

_POLL = 5.0
"""Seconds between two reads without a wake-up. With the deadline of a statement, this is also how a dead link is
found."""

_PAUSE = 0.002
"""Seconds before the first read for transactions that were in progress at the wake-up; each further pause is twice as
long."""

HURRY = 2.0
"""Seconds after which such a transaction is not one of Kea's. The pause then grows up to the poll."""

_PAUSES = ((0.1, 0.008), (HURRY, 0.05))
"""Seconds since the wake-up, and the longest pause until then. Nearly all of Kea's transactions end in the first."""


class Wakeups:
    """The time of the next read."""

    def __init__(self, bell: Bell, clock: Clock) -> None:
        """The first read is due at once."""
        self._bell = bell
        self._clock = clock
        self.due = clock.monotonic()
        """When to read next, by the monotonic clock."""
        self._woken = False
        self._woken_at = self.due
        self._settling = False
        self._unfinished: Optional[FrozenSet[int]] = None
        self._pause = _PAUSE

    def begin(self) -> None:
        """Begin a read: unless something wakes the source, the next one is a poll."""
        self.due = self._clock.monotonic() + _POLL

    def forget(self) -> None:
        """Wait for no transaction any more: the session is a new one."""
        self._settling = False
        self._bell.forget()

    def take(self, session: Session) -> None:
        """Take the notifications that arrived on this session."""
        self._woken = session.woken() or self._woken

    def schedule(self, session: Session) -> None:
        """After a wake-up, read again until all transactions have ended that may have relied on it.

        A transaction that finds the debouncing lock taken sends no notification. But it had its transaction number
        before the holder of that lock, whose notification woke this source, released the lock. pg_current_snapshot()
        does not show such a transaction if it is the newest of all; pg_locks does. The set is taken one pause after the
        wake-up, because a notification can be seen an instant before its sender releases the lock.
        """
        now = self._clock.monotonic()
        if self._woken:
            self._woken, self._settling, self._unfinished = False, True, None
            self._pause, self._woken_at = _PAUSE, now
        elif self._settling and not self._bell.held:
            running = frozenset(row[0] for row in session.rows(sql.RUNNING))
            self._unfinished = running if self._unfinished is None else self._unfinished & running
            self._settling = bool(self._unfinished)
            longest = next((pause for end, pause in _PAUSES if now < self._woken_at + end), _POLL)
            self._pause = min(2 * self._pause, longest)

    def rest(self, session: Session) -> None:
        """Let the transactions send the wake-ups again. The next read counts as woken, as release says."""
        if self._bell.held:
            self._bell.release(session)
            self._woken = True

    def plan(self, session: Session) -> None:
        """End a read. A notification that arrived with the answer to a statement makes no descriptor readable."""
        self.take(session)
        if self._bell.quiet:
            self.rest(session)
        now = self._clock.monotonic()
        if self._woken:
            self.due = now
        elif self._bell.held:
            self.due = min(self.due, now + _PAUSE)
        elif self._settling:
            self.due = min(self.due, now + self._pause)
