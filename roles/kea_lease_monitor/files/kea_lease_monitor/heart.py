# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signs of life: heartbeats in the state store, and systemd's readiness and watchdog."""

from __future__ import annotations

import os
import socket
from typing import Dict, List, Optional, Protocol, Sequence

from kea_lease_monitor import __version__, service, telemetry
from kea_lease_monitor.clock import Clock
from kea_lease_monitor.errors import TemporaryError
from kea_lease_monitor.pipeline import Pipeline
from kea_lease_monitor.state.records import Heartbeat

INTERVAL = 5.0
"""Seconds between two heartbeats."""

STALE = 15.0
"""Seconds without a heartbeat after which a monitor counts as dead: three intervals."""

_READY_AFTER = 10.0
"""Seconds after which the service reports readiness although a subscription still waits for its database. systemd would
otherwise kill it."""


class HeartbeatStore(Protocol):
    """What the heart needs of the state store."""

    def beat(self, heartbeats: Sequence[Heartbeat]) -> None: ...

    def heartbeats(self) -> List[Heartbeat]: ...

    def register(self, described: Dict[str, str], kept: Sequence[str], now: float) -> None: ...


class Heart:
    """A task of the loop, so that a loop that hangs sends no heartbeat."""

    def __init__(self, pipelines: Sequence[Pipeline], store: HeartbeatStore, clock: Clock) -> None:
        self._pipelines = pipelines
        self._store = store
        self._clock = clock
        self._monitor = socket.gethostname()
        self._started_at = clock.time()
        self._began = clock.monotonic()
        self._interval = min(INTERVAL, service.watchdog_interval() or INTERVAL)
        self._due = self._began
        self._reported = ""
        self._ready = False
        self._registered = False
        self.last: Sequence[Heartbeat] = ()
        """The last heartbeats, also those that the state store did not take. Other threads may read them."""

    def fileno(self) -> Optional[int]:
        """Return None: the heart waits for no descriptor."""
        return None

    def due(self) -> float:
        """Return when to call ``pump``, by the monotonic clock; 0 is at once."""
        if self._reported != self._status():
            return 0.0
        return self._due if self._ready else min(self._due, self._began + _READY_AFTER)

    def pump(self) -> None:
        """Report readiness, the status and a heartbeat. The loop calls it at each change of a status."""
        now = self._clock.monotonic()
        if not self._ready and (self._all_ready() or now - self._began >= _READY_AFTER):
            self._ready = True
            service.notify("READY=1")
        if self._reported != self._status() or now >= self._due:
            self._reported, self._due = self._status(), now + self._interval
            service.notify(f"WATCHDOG=1\nSTATUS={self._reported}")
            self._beat([self._heartbeat(each, each.health.status) for each in self._pipelines])

    def _all_ready(self) -> bool:
        """Return whether nothing is left to do. systemd must not wait for a lease file that may never exist."""
        healths = [each.health for each in self._pipelines]
        return all(health.ready or health.standing_by or health.missing for health in healths)

    def stop(self) -> None:
        """Report that the monitor stops."""
        service.notify("STOPPING=1")
        self._beat([self._heartbeat(each, "stopped") for each in self._pipelines])

    def _status(self) -> str:
        return ", ".join(f"{each.subscription.name}: {each.health.status}" for each in self._pipelines)

    def _beat(self, heartbeats: List[Heartbeat]) -> None:
        self.last = heartbeats
        try:
            if not self._registered:
                self._register()
            self._store.beat(heartbeats)
            telemetry.beat(self._clock.time())
        except TemporaryError as error:
            telemetry.retrying("heartbeat", 1, self._interval, str(error))

    def _register(self) -> None:
        """Store the names of the subscriptions. Those of other living monitors are not marked as removed."""
        now = self._clock.time()
        alive = [beat for beat in self._store.heartbeats() if beat.beat_at > now - STALE and beat.status != "stopped"]
        others = [beat.subscription for beat in alive if beat.monitor != self._monitor]
        described = {each.subscription.name: each.subscription.description for each in self._pipelines}
        self._store.register(described, others, now)
        self._registered = True

    def _heartbeat(self, pipeline: Pipeline, status: str) -> Heartbeat:
        return Heartbeat(
            monitor=self._monitor,
            subscription=pipeline.subscription.name,
            version=__version__,
            pid=os.getpid(),
            started_at=self._started_at,
            beat_at=self._clock.time(),
            status=status,
            status_since=pipeline.health.since,
            detail=pipeline.health.error,
            events=pipeline.health.events,
        )
