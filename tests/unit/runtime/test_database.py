# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sessions with PostgreSQL: several hosts, statements that wait, high descriptors."""

from __future__ import annotations

import os
import resource
import socket
import time
from typing import Any, Callable

import psycopg2.extensions
import pytest
from kea_lease_monitor import database, metrics, telemetry
from kea_lease_monitor.database import Link, installed
from kea_lease_monitor.database_settings import DatabaseSettings
from kea_lease_monitor.errors import TemporaryError
from kea_lease_monitor.section import Section
from kea_lease_monitor.waiting import Waiting
from support.wait import until

from runtime.world import Kea, settings


def made(**document: Any) -> DatabaseSettings:
    return DatabaseSettings.parse(Section(document, "database"))


@pytest.mark.slow
def test_a_host_that_does_not_answer_is_skipped(kea: Kea) -> None:
    with socket.create_server(("127.0.0.77", 5432)):
        began = time.monotonic()
        hosts = f"127.0.0.77,{kea.cluster.socket}"
        with Link(made(host=hosts, name=kea.name, connect_timeout=2)).session() as session:
            assert session.rows("SELECT 1") == [(1,)]
    assert time.monotonic() - began < 5


def test_many_hosts_are_tried_before_the_watchdog_expires() -> None:
    assert made(host=",".join("abcdefgh"), connect_timeout=60).parameters()["connect_timeout"] == 5
    assert made(host="a", connect_timeout=3).parameters()["connect_timeout"] == 3


def test_the_server_ends_a_statement_before_the_monitor_drops_the_session(link: Callable[[], Any]) -> None:
    one = link()
    with one.session() as session:
        assert session.rows("SHOW statement_timeout") == [("7s",)]
        session.rows("SET statement_timeout = 50")
        with pytest.raises(TemporaryError, match="statement timeout"):
            session.rows("SELECT pg_sleep(60)")
    one.close()


def test_no_statement_is_compiled(link: Callable[[], Any]) -> None:
    with link().session() as session:
        assert session.rows("SHOW jit") == [("off",)]


def test_a_session_with_a_high_descriptor_works(link: Callable[[], Any]) -> None:
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, limit[1]), limit[1]))
    taken = [os.open("/dev/null", os.O_RDONLY) for _number in range(1030)]
    one = link()
    try:
        with one.session() as session:
            assert session.fileno() > 1023
            assert session.rows("SELECT pg_sleep(0.05), 1")[0][1] == 1
    finally:
        one.close()
        for number in taken:
            os.close(number)
        resource.setrlimit(resource.RLIMIT_NOFILE, limit)


def test_waits_for_a_database_end_when_the_program_stops(link: Callable[[], Any]) -> None:
    one, waiting = link(), Waiting()
    with one.session():
        pass
    began = time.monotonic()
    with installed(waiting), socket.create_server(("127.0.0.77", 5432)):
        waiting.end_within(0.3)
        with pytest.raises(TemporaryError, match="before the end"), one.session() as session:
            session.rows("SELECT pg_sleep(60)")
        with pytest.raises(TemporaryError, match="not made in time"), Link(made(host="127.0.0.77")).session():
            pass
    assert time.monotonic() - began < 10


def test_the_wait_callback_is_installed_only_for_a_while() -> None:
    before = psycopg2.extensions.get_wait_callback()
    with installed(Waiting()):
        assert psycopg2.extensions.get_wait_callback() is not before
    assert psycopg2.extensions.get_wait_callback() is before


def test_an_abandoned_statement_has_no_effect(
    kea: Kea, link: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would take effect after what its successor does."""
    kea.rows("CREATE TABLE effects (x int)")
    blocker = kea.connect()
    blocker.autocommit = False
    blocker.cursor().execute("LOCK effects")
    monkeypatch.setattr(database, "DEADLINE", 0.1)
    with pytest.raises(TemporaryError), link().session() as session:
        session.rows("INSERT INTO effects VALUES (1)")
    running = "SELECT FROM pg_stat_activity WHERE query ~ '^INSERT' AND datname = 'kea' AND pid <> pg_backend_pid()"
    until(lambda: not kea.rows(running), "the end of the INSERT")
    blocker.commit()
    blocker.close()
    assert kea.rows("SELECT * FROM effects") == []


def test_a_session_that_replaces_a_lost_one_is_counted(kea: Kea) -> None:
    def reconnects() -> float:
        return metrics.REGISTRY.get_sample_value("kea_lease_monitor_reconnects_total") or 0.0

    one, before = Link(settings(kea), "", telemetry.reconnected), reconnects()
    with one.session():
        assert reconnects() == before
    kea.rows("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'kea-lease-monitor'")
    with pytest.raises(TemporaryError), one.session() as session:
        session.rows("SELECT 1")
    with one.session():
        assert reconnects() == before + 1
    one.close()
