# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The composition root: settings become objects here and nowhere else."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from typing import Callable, Dict, List

from kea_lease_monitor import __version__, database, loop, service, telemetry
from kea_lease_monitor.clock import Clock
from kea_lease_monitor.database import Link
from kea_lease_monitor.errors import ConfigurationError, MonitorError, TemporaryError
from kea_lease_monitor.heart import Heart
from kea_lease_monitor.pipeline import Pipeline
from kea_lease_monitor.settings import Choice, Flow, Settings
from kea_lease_monitor.sinks.registry import ORDER, SINKS, Needs
from kea_lease_monitor.sources.registry import SOURCES, Surroundings
from kea_lease_monitor.state import schema
from kea_lease_monitor.state.location import Place
from kea_lease_monitor.state.store import Store

_STOP_WITHIN = 0.5
"""Seconds that databases get to answer once we are to stop; the batch in hand is settled with the state in between."""

_CREATE = """import sys
from kea_lease_monitor.state import migrate
from kea_lease_monitor.state import location
migrate.upgrade(location.Place(sys.argv[1]))"""


def create_state(location: Place) -> None:
    """Raises SchemaError when there is a newer one, TemporaryError."""
    # Alembic is 10 MiB that only this needs, once in the life of a state.
    importlib.import_module("kea_lease_monitor.state.migrate").upgrade(location)


def open_state(location: Place) -> Store:
    """Make what is not there: an embedded database file needs no ceremony. Raises SchemaError, TemporaryError."""
    if not location.shared and os.path.isdir(os.path.dirname(location.path)) and schema.found(location) is None:
        _create_apart(location)
        telemetry.state_created(location.path)
    return Store(location)


def _create_apart(location: Place) -> None:
    """In a process of its own, so that Alembic's memory ends with it. Raises TemporaryError."""
    command = [sys.executable, "-c", _CREATE, location.path]
    environment = {**os.environ, "PYTHONPATH": os.path.dirname(os.path.dirname(os.path.abspath(__file__)))}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603 - ourselves
    if done.returncode:
        raise TemporaryError(done.stderr.strip().rpartition("\n")[2].partition(": ")[2])


class Monitor:
    """The running daemon."""

    def __init__(self, load: Callable[[], Settings], clock: Clock) -> None:
        """``load`` reads the configuration, again at each reload. Raises MonitorError."""
        self._load = load
        self._clock = clock
        self._tasks: List[loop.Task] = []
        settings = load()
        telemetry.set_up(settings.log_level)
        self._build(settings)
        self._serve(settings)

    def run(self) -> None:
        signals = loop.Signals(lambda: database.end_within(_STOP_WITHIN))
        database.while_waiting(lambda: service.notify("WATCHDOG=1"))
        loop.run(self._tasks, signals, self._reload, self._clock)
        telemetry.stopping(signals.stop)
        self._heart.stop()
        self._close()

    def _build(self, settings: Settings) -> None:
        store = open_state(settings.state)
        passed = {flow.subscription.name: 0 for flow in settings.flows}
        pipelines = [self._pipeline(settings, flow, store, passed) for flow in settings.flows]
        self._close()
        self._store, self._pipelines = store, pipelines
        self._heart = Heart(pipelines, store, self._clock)
        self._tasks[:] = [*pipelines, self._heart]
        telemetry.started(__version__, tuple(passed))

    def _pipeline(self, settings: Settings, flow: Flow, store: Store, passed: Dict[str, int]) -> Pipeline:
        name, shared = flow.subscription.name, settings.state.shared

        def link() -> Link:
            return Link(settings.database, "", telemetry.reconnected)

        def right(index: int) -> Callable[[], Link]:
            """Monitors that take turns also hand over the right to act, sink by sink."""
            key = f"{settings.state.schema}/{name}/{index}" if shared else ""
            return lambda: Link(settings.database, key, telemetry.reconnected)

        families = flow.subscription.match.families
        around = Surroundings(name, link, passed, self._clock, families)
        ordered = enumerate(sorted(flow.sinks, key=_turn))
        sinks = [SINKS[choice.type].build(choice.options, Needs(right(index), families)) for index, choice in ordered]
        source = SOURCES[settings.source.type].build(settings.source.options, around)
        return Pipeline(flow.subscription, source, sinks, store, self._clock)

    def _serve(self, settings: Settings) -> None:
        if settings.metrics:
            try:
                telemetry.serve(*settings.metrics)
            except OSError as error:
                raise ConfigurationError(f"metrics.listen: {error}") from error

    def _reload(self) -> None:
        """A configuration that cannot be used changes nothing."""
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


def _turn(choice: Choice) -> int:
    return ORDER.index(choice.type)
