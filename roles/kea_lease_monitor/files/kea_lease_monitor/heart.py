# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signs of life: the heartbeat in the state, systemd's readiness and watchdog."""

from __future__ import annotations

import os
import socket
from typing import List, Optional, Sequence

from kea_lease_monitor import __version__, service, telemetry
from kea_lease_monitor.clock import Clock
from kea_lease_monitor.errors import TemporaryError
from kea_lease_monitor.pipeline import Pipeline
from kea_lease_monitor.state.records import Heartbeat
from kea_lease_monitor.state.store import Store

INTERVAL = 5.0
"""Seconds between two heartbeats."""

STALE = 15.0
"""Seconds without a heartbeat after which nobody is taken for alive: three intervals."""

_PATIENCE = 10.0
"""Seconds after which we are up, though a subscription still waits for its database: that is no reason to be killed."""


class Heart:
    """A task of the loop, so that a loop that hangs has no pulse."""

    def __init__(self, pipelines: Sequence[Pipeline], store: Store, clock: Clock) -> None:
        self._pipelines = pipelines
        self._store = store
        self._clock = clock
        self._monitor = socket.gethostname()
        self._started_at = clock.time()
        self._began = clock.monotonic()
        self._interval = min(INTERVAL, service.watchdog_interval() or INTERVAL)
        self._due = self._began
        self._told = ""
        self._ready = False
        self._unregistered = True

    def fileno(self) -> Optional[int]:
        return None

    def due(self) -> float:
        if self._told != self._status():
            return 0.0
        return self._due if self._ready else min(self._due, self._began + _PATIENCE)

    def pump(self) -> None:
        """The loop calls this whenever a status changed, so we are ready as soon as the last subscription is."""
        now = self._clock.monotonic()
        if not self._ready and (
            all(each.ready or each.standing_by for each in self._pipelines) or now - self._began >= _PATIENCE
        ):
            self._ready = True
            service.notify("READY=1")
        if self._told != self._status() or now >= self._due:
            self._told, self._due = self._status(), now + self._interval
            service.notify(f"WATCHDOG=1\nSTATUS={self._told}")
            self._beat([self._heartbeat(each, each.status) for each in self._pipelines])

    def stop(self) -> None:
        service.notify("STOPPING=1")
        self._beat([self._heartbeat(each, "stopped") for each in self._pipelines])

    def _status(self) -> str:
        return ", ".join(f"{each.name}: {each.status}" for each in self._pipelines)

    def _beat(self, heartbeats: List[Heartbeat]) -> None:
        try:
            if self._unregistered:
                self._register()
            self._store.beat(heartbeats)
            telemetry.beat(self._clock.time())
        except TemporaryError as error:
            telemetry.retrying("heartbeat", 1, self._interval, str(error))

    def _register(self) -> None:
        """Tell the state which subscriptions there are; those that another living monitor has are not removed."""
        now = self._clock.time()
        alive = [beat for beat in self._store.heartbeats() if beat.beat_at > now - STALE and beat.status != "stopped"]
        others = [beat.subscription for beat in alive if beat.monitor != self._monitor]
        self._store.register({each.name: each.description for each in self._pipelines}, others, now)
        self._unregistered = False

    def _heartbeat(self, pipeline: Pipeline, status: str) -> Heartbeat:
        return Heartbeat(
            monitor=self._monitor,
            subscription=pipeline.name,
            version=__version__,
            pid=os.getpid(),
            started_at=self._started_at,
            beat_at=self._clock.time(),
            status=status,
            status_since=pipeline.status_since,
            detail=pipeline.retry.error if pipeline.retry else "",
            events=pipeline.events,
        )
