# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Health of one subscription: its status, its retries and its counts."""

from __future__ import annotations

from typing import Optional, Sequence

from kea_lease_monitor import telemetry
from kea_lease_monitor.backoff import Backoff, Retry
from kea_lease_monitor.clock import Clock
from kea_lease_monitor.lease import LeaseEvent


class Health:
    """Every change of the status is recorded and reported here."""

    def __init__(self, name: str, clock: Clock) -> None:
        self._name = name
        self._clock = clock
        self._backoff = Backoff(clock.random)
        self.standing_by = False
        self.ready = False
        """Whether the subscription has caught up since its turn began."""
        self.retry: Optional[Retry] = None
        """Set while the last step failed."""
        self.events = 0
        """Number of events delivered since the start."""
        self.missing = ""
        """What the source lacks, so that there are no leases to read; empty if it lacks nothing."""
        self.since = clock.time()
        """Start of the present status, epoch seconds."""

    @property
    def status(self) -> str:
        """Return standby, waiting, starting, retrying or running."""
        if self.standing_by:
            return "standby"
        if self.missing and not self.retry:
            return "waiting"
        if not self.ready:
            return "starting"
        return "retrying" if self.retry else "running"

    @property
    def error(self) -> str:
        """Return the error of the last step, or what the source lacks; empty if all is well."""
        return self.retry.error if self.retry else self.missing

    def stand_by(self, standing_by: bool) -> None:
        """Record whether another monitor acts."""
        if standing_by == self.standing_by:
            return
        if standing_by:
            telemetry.standing_by(self._name)
        self.standing_by, self.since = standing_by, self._clock.time()

    def wait_for(self, missing: str) -> None:
        """Record what the source lacks."""
        if bool(missing) != bool(self.missing):
            self.since = self._clock.time()
        self.missing = missing

    def delivered(self, events: Sequence[LeaseEvent], caught_up: bool) -> None:
        """Record that every sink has acted on ``events``."""
        self.events += len(events)
        caught_up = caught_up and not self.missing
        now = self._clock.time()
        oldest = min((event.recorded_at for event in events if event.recorded_at), default=0.0)
        telemetry.delivered(self._name, len(events), caught_up, now, oldest)
        if caught_up and not self.ready:
            self.ready, self.since = True, now
            telemetry.ready(self._name)

    def fail(self, error: str, wait: int = 0) -> None:
        """Record a failed step and set when to retry it, in ``wait`` seconds at the earliest."""
        if not self.retry:
            self.since = self._clock.time()
        attempt = self.retry.attempt + 1 if self.retry else 1
        now = self._clock.monotonic()
        retry = self._backoff.retry(now, attempt, error)
        self.retry = retry._replace(due=max(retry.due, now + wait))
        telemetry.retrying(self._name, attempt, self.retry.due - now, error)

    def succeed(self) -> None:
        """Record a step that succeeded."""
        if self.retry:
            telemetry.recovered(self._name, self.retry.attempt)
            self.retry, self.since = None, self._clock.time()
