# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Composition root: only this module builds the daemon's objects from the settings."""

from __future__ import annotations

import functools
import importlib
import os
import subprocess
import sys
from typing import Callable, Dict, List, Optional, Sequence

from kea_lease_monitor import __version__, loop, service, telemetry
from kea_lease_monitor.clock import Clock
from kea_lease_monitor.context import Context
from kea_lease_monitor.database import Link
from kea_lease_monitor.errors import ConfigurationError, DamagedError, MonitorError, TemporaryError
from kea_lease_monitor.heart import Heart
from kea_lease_monitor.kea import pools
from kea_lease_monitor.kea.applier import report
from kea_lease_monitor.pipeline import Pipeline
from kea_lease_monitor.settings import Choice, Flow, MonitorSettings
from kea_lease_monitor.sinks.registry import SINKS
from kea_lease_monitor.sources.registry import SOURCES
from kea_lease_monitor.state import damage, schema
from kea_lease_monitor.state.location import StateLocation
from kea_lease_monitor.state.records import Heartbeat
from kea_lease_monitor.state.store import Store
from kea_lease_monitor.waiting import Waiting

Judge = Callable[[Sequence[Heartbeat], Sequence[str], str, float], Optional[str]]
"""Function that finds the first problem in heartbeats of subscriptions (commands.check.problem)."""

_STOP_WITHIN = 0.5
"""Seconds that databases have to answer after a stop signal. The batch in progress is settled within them."""

_CREATE = """import sys
from kea_lease_monitor.state import migrate
from kea_lease_monitor.state import location
migrate.upgrade(location.StateLocation(sys.argv[1]))"""


def create_state(location: StateLocation) -> None:
    """Create the tables of the state, or upgrade them. Raises SchemaError for a newer schema, TemporaryError."""
    # Alembic takes 10 MiB, and a running monitor never needs it.
    importlib.import_module("kea_lease_monitor.state.migrate").upgrade(location)


def open_state(location: StateLocation) -> Store:
    """Open the state; set a damaged file aside and create a missing one first. Raises SchemaError, TemporaryError."""
    damage.set_aside(location)
    if not location.shared and os.path.isdir(os.path.dirname(location.path)) and schema.found(location) is None:
        _create_in_child(location)
        telemetry.state_created(location.path)
    return Store(location)


def _create_in_child(location: StateLocation) -> None:
    """Create the state in a child process, so that Alembic's memory is freed. Raises TemporaryError."""
    command = [sys.executable, "-c", _CREATE, location.path]
    # The child must find what this process found: a release and a checkout keep _kea in different directories.
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603 - ourselves
    if done.returncode:
        raise TemporaryError(done.stderr.strip().rpartition("\n")[2].partition(": ")[2])


class Monitor:
    """The running daemon."""

    def __init__(self, load: Callable[[], MonitorSettings], clock: Clock, waiting: Waiting, judge: Judge) -> None:
        """``load`` reads the configuration, again at each reload. Raises MonitorError."""
        self._load = load
        self._judge = judge
        self._clock = clock
        self._waiting = waiting
        self._tasks: List[loop.Task] = []
        settings = load()
        telemetry.set_up(settings.log_level)
        self._build(settings)
        self._serve(settings)

    def run(self) -> None:
        """Run until a signal stops the daemon. Raises DamagedError if the state is damaged meanwhile."""
        signals = loop.Signals(lambda: self._waiting.end_within(_STOP_WITHIN))
        try:
            loop.run(self._tasks, signals, self._reload, self._clock)
        except DamagedError:
            self._close()
            raise
        telemetry.stopping(signals.stop)
        self._heart.stop()
        self._close()

    def _build(self, settings: MonitorSettings) -> None:
        store = open_state(settings.state)
        passed = {flow.subscription.name: 0 for flow in settings.flows}
        pipelines = [self._pipeline(settings, flow, store, passed) for flow in settings.flows]
        self._close()
        self._store, self._pipelines = store, pipelines
        self._heart = Heart(pipelines, store, self._clock)
        self._tasks[:] = [*pipelines, self._heart]
        show_reservations(settings, self._clock)
        telemetry.started(__version__, tuple(passed))

    def _pipeline(self, settings: MonitorSettings, flow: Flow, store: Store, passed: Dict[str, int]) -> Pipeline:
        name, families = flow.subscription.name, flow.subscription.match.families
        context = Context(name, families, _linked(settings, ""), self._clock, passed)
        sinks = []
        for index, choice in enumerate(sorted(flow.sinks, key=_rank)):
            # Monitors that share the state also take over the right to act, sink by sink.
            lock = f"{settings.state.schema}/{name}/{index}" if settings.state.shared else ""
            sink_context = context._replace(link=_linked(settings, lock))
            sinks.append(SINKS[choice.type].build(choice.options, sink_context))
        source = SOURCES[settings.source.type].build(settings.source.options, context)
        return Pipeline(flow.subscription, source, sinks, store, self._clock)

    def _serve(self, settings: MonitorSettings) -> None:
        if settings.metrics:
            try:
                telemetry.serve(*settings.metrics, self._trouble)
            except OSError as error:
                raise ConfigurationError(f"metrics.listen: {error}") from error

    def _trouble(self) -> str:
        """Return why this monitor is unhealthy; empty if it is healthy. A subscription that stands by is healthy."""
        beats = [beat for beat in self._heart.last if beat.status != "standby"]
        if not self._heart.last:
            return "unhealthy: the monitor has just begun"
        return self._judge(beats, [beat.subscription for beat in beats], "", self._clock.time()) or ""

    def _reload(self) -> None:
        """Apply the configuration again. One that cannot be used changes nothing."""
        service.notify(f"RELOADING=1\nMONOTONIC_USEC={int(self._clock.monotonic() * 1e6)}")
        try:
            settings = self._load()
            self._build(settings)
            telemetry.set_up(settings.log_level)
            telemetry.reloaded()
        except MonitorError as error:
            telemetry.reload_refused(str(error))
        service.notify("READY=1")

    def _close(self) -> None:
        if self._tasks:
            for pipeline in self._pipelines:
                pipeline.stop()
            self._store.close()


def _linked(settings: MonitorSettings, lock: str) -> Callable[[], Link]:
    return lambda: Link(settings.database, lock, telemetry.reconnected)


def show_reservations(settings: MonitorSettings, clock: Clock) -> None:
    """Have the metrics tell of the reservations in files of these subscriptions, and of no other ones."""
    in_files = {flow.subscription.name: flow for flow in settings.flows if flow.reservation_places()}
    telemetry.count_reservations(
        {name: functools.partial(_reservations, settings.pools, flow) for name, flow in in_files.items()},
        {name: functools.partial(_waiting, flow, clock) for name, flow in in_files.items()},
    )


def _reservations(paths: Sequence[str], flow: Flow, state: str) -> float:
    """Return how many reservations in files are in a state, or how many leases are in subnets that are left out.

    ``paths`` are those of the figures of pools.
    """
    if state != "left_out":
        reports = [places.report for places in flow.reservation_places()]
        return report.total(reports, flow.subscription.match.subnets, state)
    left_out = flow.left_out()
    figures = pools.read(paths) if left_out else None
    return float("nan") if left_out and not figures else figures.leased(left_out) if figures else 0.0


def _waiting(flow: Flow, clock: Clock) -> float:
    """Return for how many seconds a change of reservations in files has waited to be in force."""
    return max(report.waiting(places, clock.time()) for places in flow.reservation_places())


def _rank(choice: Choice) -> int:
    return SINKS[choice.type].rank
