# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who else holds a lock of the monitors (case E7): ``check`` names that role."""

from __future__ import annotations

from typing import Any, Iterator

import psycopg2
import pytest
from ansible_collections.baremetal.kea.plugins.module_utils._events import trigger
from kea_lease_monitor.commands import check, cli, holders
from kea_lease_monitor.database import lock_key
from kea_lease_monitor.kea.sql import locks
from kea_lease_monitor.settings import MonitorSettings

from runtime.world import MONITOR, Kea

NAMES = [locks.WAKE_UP, lock_key("kea_lease_monitor/default"), lock_key("kea_lease_monitor/default/1")]


def parsed(kea: Kea, **more: Any) -> MonitorSettings:
    sinks = [{"type": "reservation"}, {"type": "discovery"}]
    return MonitorSettings.parse(
        {
            "database": {"host": kea.cluster.socket, "name": kea.name},
            "source": {"type": "events"},
            "state": {"type": "postgresql"},
            "subscriptions": [{"name": "default", "sinks": sinks}],
            **more,
        }
    )


@pytest.fixture
def stranger(kea: Kea) -> Iterator[Any]:
    """Yield a session of a role that has no right but to connect."""
    kea.rows("CREATE ROLE stranger LOGIN")
    session = psycopg2.connect(host=kea.cluster.socket, dbname=kea.name, user="stranger")
    session.autocommit = True
    yield session.cursor()
    session.close()
    kea.rows("DROP ROLE stranger")


def test_the_trigger_and_the_monitor_mean_the_same_lock() -> None:
    assert locks.WAKE_UP == trigger.WAKE_UP_LOCK


@pytest.mark.parametrize("key", NAMES)
def test_a_stranger_with_a_lock_is_named(kea: Kea, stranger: Any, key: int) -> None:
    settings = parsed(kea)
    assert holders.foreign(settings) == ""
    stranger.execute("SELECT pg_advisory_lock(%s)", (key,))
    assert holders.foreign(settings).startswith("role stranger (process ")
    stranger.execute("SELECT pg_advisory_unlock(%s)", (key,))
    assert holders.foreign(settings) == ""


def test_locks_of_others_and_those_of_kea_and_the_monitors_are_not_reported(kea: Kea, stranger: Any) -> None:
    stranger.execute("SELECT pg_advisory_lock(1), pg_advisory_lock(1, 2)")
    kea.rows("CREATE ROLE kea_itself LOGIN; GRANT INSERT ON lease4 TO kea_itself")
    sessions = [
        psycopg2.connect(host=kea.cluster.socket, dbname=kea.name, user=user) for user in ("kea_itself", MONITOR)
    ]
    for number, session in enumerate(sessions):
        session.cursor().execute("SELECT pg_advisory_lock(%s)", (NAMES[number],))
    assert holders.foreign(parsed(kea)) == ""
    for session in sessions:
        session.close()
    kea.rows("DROP OWNED BY kea_itself; DROP ROLE kea_itself")


def test_without_locks_or_without_the_database_there_is_nothing_to_say(kea: Kea) -> None:
    files = {"source": {"type": "memfile"}, "state": {"path": "/nowhere/state"}, "database": {"host": "/nowhere"}}
    assert holders.foreign(parsed(kea, **files)) == ""
    assert holders.foreign(parsed(kea, database={"host": "/nowhere"})) == ""


@pytest.mark.parametrize("acts", [True, False])
def test_check_names_the_role(
    kea: Kea, stranger: Any, acts: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stranger.execute("SELECT pg_advisory_lock(%s)", (NAMES[1],))
    store = type("Store", (), {"heartbeats": lambda _self: []})()
    monkeypatch.setattr(check.access, "read_settings", lambda _options: parsed(kea))
    monkeypatch.setattr(check.access, "open_store", lambda _state, _config: store)
    if acts:
        monkeypatch.setattr(check, "problem", lambda *_arguments: None)
    assert cli.main(["check"]) == (0 if acts else 1)
    said = capsys.readouterr().out
    assert said.startswith("healthy: default; WARN role stranger" if acts else "unhealthy: ")
    assert "role stranger (process " in said
