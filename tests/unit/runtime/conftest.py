# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A throw-away PostgreSQL with Kea's schema and the event objects of kea_lease_notify."""

from __future__ import annotations

import io
import logging
import time
from typing import Any, Callable, Iterator

import pytest
from kea_lease_monitor import telemetry
from kea_lease_monitor.database import Link, installed
from kea_lease_monitor.throttle import Throttle
from kea_lease_monitor.waiting import Waiting
from support.paths import KEA_SCHEMA
from support.postgres import Cluster, running

from runtime.world import MONITOR, Kea, grant_rights, install_events, settings


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    server = Cluster()
    with running(server):
        server.administer("CREATE DATABASE template_kea")
        server.load(KEA_SCHEMA, "template_kea")
        server.administer(f'CREATE ROLE "{MONITOR}" LOGIN')
        grant_rights(server.socket, "template_kea")
        install_events(server.socket, "template_kea")
        yield server


@pytest.fixture
def kea(cluster: Cluster) -> Iterator[Kea]:
    cluster.copy_database("kea", "template_kea")
    database = Kea(cluster, "kea")
    yield database
    database.connection.close()
    cluster.administer("DROP DATABASE kea WITH (FORCE)")


@pytest.fixture(autouse=True)
def waiting() -> Iterator[Waiting]:
    """Installed as the composition root does, for this test only."""
    limits = Waiting()
    with installed(limits):
        yield limits


@pytest.fixture
def link(kea: Kea) -> Any:
    """Return a function that makes links of the monitor's role."""

    def make() -> Any:
        return Link(settings(kea))

    return make


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], str]]:
    """Return what was logged so far. Lines that earlier tests logged do not count for the limit."""
    monkeypatch.setattr(telemetry, "_THROTTLE", Throttle(time.monotonic))
    log = io.StringIO()
    handler = logging.StreamHandler(log)
    logger = logging.getLogger("kea_lease_monitor")
    logger.setLevel(logging.DEBUG)
    logger.addHandler(handler)
    yield log.getvalue
    logger.removeHandler(handler)
