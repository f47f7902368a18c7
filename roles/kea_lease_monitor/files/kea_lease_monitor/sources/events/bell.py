# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The wake-ups while many leases arrive: a reader that is awake sends them in the place of Kea's transactions.

A transaction that notifies makes all others wait that do, so this costs Kea more than the event itself. The trigger
notifies only if it gets the advisory lock WAKE_UP. A busy reader holds that lock, and tells the other readers itself.
docs/harmless.md says why no event stays unread.
"""

from __future__ import annotations

from kea_lease_monitor.clock import Clock
from kea_lease_monitor.database import Session
from kea_lease_monitor.kea.sql.locks import WAKE_UP

MANY = 5
"""Rows in one read that make a reader busy. With fewer, wake-ups are rare enough, and faster than reading at times."""

QUIET = 0.02
"""Seconds without so many rows, after which the reader gives the lock back."""

_HOLD = f"SELECT pg_try_advisory_lock({WAKE_UP})"
_RELEASE = f"SELECT pg_advisory_unlock({WAKE_UP})"
_RING = "SELECT pg_notify(%(channel)s, '') WHERE pg_notification_queue_usage() < 0.5"

SESSION = """
SET synchronous_commit = off; SET tcp_keepalives_idle = 5; SET tcp_keepalives_interval = 2; SET tcp_keepalives_count = 3
"""
"""Settings of a reader's session. Its wake-ups need not wait for the disk. The server finds within 11 seconds that the
reader's host is gone, and releases the lock."""


class Bell:
    """Holds the lock in one session."""

    def __init__(self, channel: str, may_hold: bool, clock: Clock) -> None:
        """``may_hold``: whether this reader sees the events of every other reader, so that it can tell them."""
        self._channel = channel
        self._may_hold = may_hold
        self._clock = clock
        self._busy_until = 0.0
        self.held = False

    def forget(self) -> None:
        """The session is a new one. The server released the lock with the old one."""
        self.held = False

    def found(self, session: Session, rows: int) -> None:
        """Note so many rows of one read: hold the lock if they are many, and tell the other readers while it is held.

        Raises TemporaryError.
        """
        if rows >= MANY and self._may_hold:
            self._busy_until = self._clock.monotonic() + QUIET
            self.held = self.held or bool(session.rows(_HOLD)[0][0])
        if rows and self.held:
            self._ring(session)

    @property
    def quiet(self) -> bool:
        """Whether the reader was not busy for long enough."""
        return self._clock.monotonic() >= self._busy_until

    def release(self, session: Session) -> None:
        """Give the lock back, and then wake the other readers. Raises TemporaryError.

        A transaction that found the lock held has its number by now. So this reader and each that it wakes either sees
        its row, or sees it in progress and reads again: as if that transaction had sent the wake-up.
        """
        self.held = False
        session.rows(_RELEASE)
        self._ring(session)

    def _ring(self, session: Session) -> None:
        session.rows(_RING, {"channel": self._channel})
