# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a run affects other sessions: check mode takes only readers' locks, and only one run changes a database."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Iterator

import pytest
from ansible_collections.baremetal.kea.plugins.module_utils._events import counts
from ansible_collections.baremetal.kea.plugins.module_utils._postgres import preflight
from ansible_collections.baremetal.kea.plugins.module_utils._postgres import session as postgres_session
from support.catalogue import CATALOGUE, NAME
from support.wait import until

if TYPE_CHECKING:
    from support.database import Database

pytestmark = [pytest.mark.postgres, pytest.mark.slow]  # each waits for sessions, for seconds

# Changes after which every kind of statement is needed.
DRIFT = (
    f"ALTER TABLE hosts DROP CONSTRAINT {NAME}, ADD CONSTRAINT {NAME} UNIQUE (dhcp_identifier, dhcp4_subnet_id)",
    "DROP TRIGGER kea_lease_notify_trigger ON lease4",
    "ALTER TABLE lease6 DISABLE TRIGGER kea_lease_notify_trigger",
    "ALTER TABLE kea_events.lease_event DROP hostname",
    "ALTER FUNCTION kea_lease_notify() SET lock_timeout = '20ms'",
)
TABLES = "hosts, lease4, lease6, kea_events.lease_event"
LOCK_TIMEOUT = 500
# What other work of the machine may add. Without the limit the writer waits for the whole test. Both in milliseconds.
NOISE = 5000
RUNS = {"constraint": {}, "notify": {"lease6": True}, "removal": {"state": "absent", "lease6": True}}


@pytest.fixture
def drifted(database: Database) -> Database:
    database.constraint()
    database.notify(lease6=True)
    database.execute(*DRIFT)
    return database


def check(database: Database, run: str) -> dict[str, Any]:
    module = database.constraint if run == "constraint" else database.notify
    return module(check=True, lock_timeout=50, lock_retries=0, **RUNS[run])


@pytest.mark.parametrize("run", RUNS)
def test_check_mode_takes_only_readers_locks(drifted: Database, run: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run all statements in one transaction, so that each lock is still held at the end."""
    modes: list[tuple[str]] = []
    connect = postgres_session.connect

    @contextmanager
    def connect_and_look(params: dict, readonly: bool = False) -> Iterator[Any]:
        with connect(params, readonly) as session:
            session.cursor.connection.autocommit = False
            yield session
            modes.extend(
                session.fetch(
                    "SELECT DISTINCT mode FROM pg_locks WHERE pid = pg_backend_pid() AND locktype <> 'virtualxid'",
                )
            )

    monkeypatch.setattr(postgres_session, "connect", connect_and_look)
    assert check(drifted, run)["changed"]
    assert modes == [("AccessShareLock",)]


@pytest.mark.parametrize("run", RUNS)
def test_check_mode_waits_only_for_access_exclusive_locks(drifted: Database, run: str) -> None:
    """EXCLUSIVE conflicts with every lock except ACCESS SHARE, a reader's lock."""
    with drifted.session(autocommit=False) as other:
        other.execute(f"LOCK TABLE {TABLES} IN EXCLUSIVE MODE")
        assert check(drifted, run)["changed"]


def start(database: Database, module: str, **options: Any) -> subprocess.Popen[str]:
    """Start a run in a process of its own, as Ansible does; it prints its result."""
    login = {"login_unix_socket": database.cluster.directory, "login_db": database.name}
    code = "import json, sys; from support.modules import run_module; "
    code += "print(json.dumps(run_module(sys.argv[1], **json.loads(sys.argv[2]))))"
    command = [sys.executable, "-c", code, module, json.dumps({**login, **options})]
    environment = {"PYTHONPATH": ":".join(sys.path)}
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


def await_session(database: Database, condition: str) -> None:
    """Wait until a session of the module is in this state."""
    ours = "application_name = 'ansible baremetal.kea' AND datname = current_database()"
    query = f"SELECT count(*) FROM pg_stat_activity WHERE {ours} AND {condition}"
    until(lambda: database.value(query), condition, 30, 0.02)


@pytest.mark.parametrize(
    ("module", "table", "statement"),
    [
        ("kea_hosts_constraint", "hosts", "CREATE UNIQUE INDEX"),
        ("kea_lease_notify", "lease4", "CREATE TRIGGER"),
    ],
)
def test_two_runs_at_once_end_in_the_same_state(database: Database, module: str, table: str, statement: str) -> None:
    """The first run is blocked while it builds. The second starts then, waits, and has nothing to change."""
    with database.session(autocommit=False) as other:
        other.execute(f"LOCK TABLE {table} IN ROW EXCLUSIVE MODE")
        first = start(database, module, lock_timeout=20_000)
        await_session(database, f"query LIKE '{statement}%' AND wait_event_type = 'Lock'")
        second = start(database, module, lock_timeout=20_000)
        await_session(database, "query LIKE '%pg_try_advisory_lock%' AND state = 'idle'")
        other.connection.rollback()
    results = [json.loads(process.communicate(timeout=60)[0]) for process in (first, second)]
    assert [result.get("changed") for result in results] == [True, False], results


@pytest.mark.parametrize(
    ("module", "held", "statement", "writer"),
    [
        (
            "kea_hosts_constraint",
            "LOCK TABLE hosts IN ACCESS SHARE MODE",
            "ALTER TABLE",
            "INSERT INTO hosts (dhcp_identifier, dhcp_identifier_type) VALUES ('\\x01', 0)",
        ),
        (
            "kea_lease_notify",
            "LOCK TABLE lease4 IN ROW EXCLUSIVE MODE",
            "CREATE TRIGGER",
            "INSERT INTO lease4 (address, expire, subnet_id, state) VALUES (1, now(), 1, 0)",
        ),
    ],
)
def test_kea_waits_at_most_lock_timeout(
    database: Database, module: str, held: str, statement: str, writer: str
) -> None:
    """A writer waits for the run, which waits for another session; it continues while that session stays."""
    with database.session(autocommit=False) as other, database.session() as kea:
        other.execute(held)
        run = start(database, module, lock_timeout=LOCK_TIMEOUT, lock_retries=1)
        await_session(database, f"query LIKE '{statement}%' AND wait_event_type = 'Lock'")
        start_of_wait = time.monotonic()
        kea.execute(writer)
        waited = (time.monotonic() - start_of_wait) * 1000
        result = json.loads(run.communicate(timeout=60)[0])
        assert waited < LOCK_TIMEOUT + NOISE
        assert result["sqlstate"] == "55P03", result


@pytest.mark.parametrize("state", ["present", "absent"])
def test_reading_a_locked_event_table_is_retried(
    database: Database, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL locks a table to read its definition, too. The lock is released after the first failed attempt."""
    database.notify()
    before = database.fetch(CATALOGUE)
    options = {"state": state, "lock_timeout": 20}
    with database.session(autocommit=False) as other:
        other.execute("LOCK TABLE kea_events.lease_event IN ACCESS EXCLUSIVE MODE")
        for check in (True, False):
            refused = database.notify(check=check, lock_retries=1, **options)
            assert refused["sqlstate"] == "55P03"
            assert "No lock within 20 ms in 2 attempts (lock_retries: 1); nothing was changed" in refused["msg"]
            assert f"process {other.connection.info.backend_pid}" in refused["msg"]
        monkeypatch.setattr(postgres_session.time, "sleep", lambda _seconds: other.connection.rollback())
        assert database.notify(**options).get("changed") == (state == "absent")
    if state == "present":
        assert database.fetch(CATALOGUE) == before


@pytest.mark.parametrize("there", [True, False])
def test_reading_a_locked_table_hosts_is_retried(
    database: Database, there: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if there:
        database.constraint()
    with database.session(autocommit=False) as other:
        other.execute("LOCK TABLE hosts IN ACCESS EXCLUSIVE MODE")
        for check in (True, False):
            refused = database.constraint(check=check, lock_timeout=20, lock_retries=1)
            assert "No lock within 20 ms in 2 attempts (lock_retries: 1); nothing was changed" in refused["msg"]
        monkeypatch.setattr(postgres_session.time, "sleep", lambda _seconds: other.connection.rollback())
        assert database.constraint(lock_timeout=20)["changed"] == (not there)


def test_counting_events_of_a_locked_table_is_retried(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    database.notify()
    count = counts.count_waiting
    with database.session(autocommit=False) as other:

        def lock_and_count(*arguments: Any) -> int:
            if next(locking):
                other.execute("LOCK TABLE kea_events.lease_event IN ACCESS EXCLUSIVE MODE")
            return count(*arguments)

        locking = iter([True, True, False])
        monkeypatch.setattr(counts, "count_waiting", lock_and_count)
        refused = database.notify(state="absent", lock_timeout=20, lock_retries=0)
        assert "No lock within 20 ms in 1 attempts (lock_retries: 0); nothing was changed" in refused["msg"]
        other.connection.rollback()
        monkeypatch.setattr(postgres_session.time, "sleep", lambda _seconds: other.connection.rollback())
        assert database.notify(state="absent", lock_timeout=20)["changed"]
        assert not list(locking)


def test_run_that_holds_the_turn_is_named(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "TURN_PATIENCE", 0.2)
    with database.session() as other:
        other.execute(f"SELECT pg_advisory_lock({preflight.TURN})")
        for run in (database.constraint, database.notify):
            result = run()
            assert f"Another run changes this database (process {other.connection.info.backend_pid}" in result["msg"]
            assert run(check=True)["changed"]
