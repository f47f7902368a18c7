# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The state on both databases: contract, versions there and back with data in location, refusals."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from multiprocessing import get_context
from pathlib import Path
from threading import Timer
from typing import Any, Callable, Iterator

import pytest
from alembic import op
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from kea_lease_monitor import database
from kea_lease_monitor.app import create_state, open_state
from kea_lease_monitor.errors import SchemaError, TemporaryError
from kea_lease_monitor.state import migrate, schema
from kea_lease_monitor.state.engine import open_engine
from kea_lease_monitor.state.location import StateLocation
from kea_lease_monitor.state.records import Bookmark, Heartbeat, Settlement
from kea_lease_monitor.state.store import Store
from kea_lease_monitor.state.tables import METADATA
from sqlalchemy import inspect
from support.paths import program_environment
from support.wait import until

from runtime.contracts import StateContract, letter, settle
from runtime.states import state_in
from runtime.world import Kea, settings

RELEASE_1 = Path(__file__).resolve().parent / "assets" / "state-0001.sqlite"
"""Made by the code of release 1.0.0 with its migration 0001: one bookmark, one dead letter, one heartbeat."""

BOOKMARK = Bookmark("one", '["file", 1, 2049, 77, 4096, 99]', "0123456789abcdef", 1700000000.5)
BEAT = Heartbeat("host", "one", "1.1.0", 42, 1700000000.5, 1700000001.5, "running", 1700000000.75, "", 7)


@pytest.fixture
def file(tmp_path: Path) -> StateLocation:
    return StateLocation(str(tmp_path / "state.sqlite"))


@pytest.fixture
def shared(kea: Kea) -> StateLocation:
    """As the role kea_database prepares it: the monitor's own role may make nothing but what is in its schema."""
    kea.rows("CREATE SCHEMA kea_lease_monitor")
    kea.rows('GRANT USAGE, CREATE ON SCHEMA kea_lease_monitor TO "kea-lease-monitor"')
    return StateLocation("", settings(kea), max_chunk_size=100)


@pytest.fixture(params=["file", "shared"])
def location(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(request.param)


class TestSqlite(StateContract):
    @pytest.fixture
    def state(self, file: StateLocation) -> Iterator[Store]:
        store = state_in(Path(file.path).parent)
        yield store
        store.close()

    @pytest.fixture
    def reopened(self, file: StateLocation) -> Callable[[], Store]:
        return lambda: Store(file)


class TestPostgres(StateContract):
    @pytest.fixture
    def state(self, shared: StateLocation) -> Iterator[Store]:
        create_state(shared)
        store = Store(shared)
        yield store
        store.close()

    @pytest.fixture
    def reopened(self, shared: StateLocation) -> Callable[[], Store]:
        return lambda: Store(shared)


def catalogue(location: StateLocation) -> Any:
    """Every table with its columns, keys and indexes, as the database itself tells them."""
    engine = open_engine(location)
    with engine.connect() as connection:
        told = inspect(connection)
        found = {
            name: (
                [{**column, "type": str(column["type"])} for column in told.get_columns(name)],
                told.get_pk_constraint(name),
                told.get_indexes(name),
            )
            for name in sorted(told.get_table_names())
        }
    engine.dispose()
    return found


def test_migrations_create_exactly_the_tables_that_are_used(location: StateLocation) -> None:
    create_state(location)
    engine = open_engine(location)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
    engine.dispose()


def test_down_and_up_again_with_data_in_place(location: StateLocation) -> None:
    """Each version is left and reached again; what it knows about is never lost."""
    create_state(location)
    known = ["base", *schema.versions()]
    before = catalogue(location)
    store = Store(location)
    settle(store, BOOKMARK, (letter(1),))
    store.beat([BEAT])
    store.add_request("one", "x", 1.0)
    kept = store.dead_letters()
    store.close()
    assert [step.version for step in migrate.downgrade(location, "0001").steps] == known[:1:-1]
    assert schema.found(location) == "0001"
    assert "requests" not in catalogue(location)
    with pytest.raises(SchemaError, match=r"has schema 0001, 000\d is needed; run: kea-lease-monitor db upgrade --yes"):
        Store(location)
    migrate.upgrade(location)
    assert catalogue(location) == before
    again = Store(location)
    assert (again.bookmarks(), again.dead_letters(), again.heartbeats()) == ([BOOKMARK], kept, [BEAT])
    assert again.request("one") is None, "the older version knows of none"
    again.close()
    for version in reversed(known[:-1]):
        migrate.downgrade(location)
        assert (schema.found(location) or "base") == version
    for version in known[1:]:
        migrate.upgrade(location, version)
        assert schema.found(location) == version
    assert catalogue(location) == before


def test_the_database_of_release_1_is_refused_then_upgraded_and_downgraded(file: StateLocation) -> None:
    shutil.copy(RELEASE_1, file.path)
    with pytest.raises(SchemaError, match=r"has schema 0001, 000\d is needed; run: kea-lease-monitor db upgrade --yes"):
        open_state(file)
    assert schema.found(file) == "0001", "nothing was touched"
    before = catalogue(file)
    migrate.upgrade(file)
    store = Store(file)
    assert store.bookmark("one") == BOOKMARK
    [kept] = store.dead_letters("one")
    assert (kept.reason, kept.ref) == ("address_taken", "ref-1")
    assert store.heartbeats()[0].events == 7
    store.close()
    migrate.downgrade(file, "0001")
    assert catalogue(file) == before
    with sqlite3.connect(file.path) as connection:
        assert connection.execute("SELECT subscription, updated_at FROM bookmarks").fetchall() == [
            ("one", 1700000000.5)
        ]


def test_a_plan_lists_the_steps_and_changes_nothing(location: StateLocation) -> None:
    assert [step.version for step in migrate.plan_upgrade(location).steps] == schema.versions()
    assert schema.found(location) is None
    assert location.shared or not os.path.exists(location.path)
    create_state(location)
    assert migrate.plan_upgrade(location).steps == []
    plan = migrate.plan_downgrade(location, "0001")
    assert plan.steps[-1] == ("0002", "Which subscriptions there are and were, and what people ask of them.")
    assert schema.found(location) == schema.versions()[-1]


def test_two_concurrent_upgrades_run_once(location: StateLocation) -> None:
    """In processes of their own, as on a host: how to wait for PostgreSQL is set for a whole process."""
    if not location.shared:
        Path(location.path).touch()
    with ProcessPoolExecutor(2, get_context("fork")) as pool:
        results = list(pool.map(migrate.upgrade, [location] * 2))
    assert sorted(len(plan.steps) for plan in results) == [0, len(schema.versions())]


def test_an_upgrade_waits_for_a_slow_one(file: StateLocation) -> None:
    """As on a busy machine, where the steps of another one take more than the second that the daemon waits."""
    Path(file.path).touch()
    with closing(sqlite3.connect(file.path, isolation_level=None, check_same_thread=False)) as slow:
        slow.execute("PRAGMA journal_mode=WAL")
        slow.execute("BEGIN IMMEDIATE")
        end = Timer(1.5, slow.rollback)
        end.start()
        assert migrate.upgrade(file).steps
        assert end.finished.is_set()
        end.join()


def test_an_upgrade_waits_for_the_lock(shared: StateLocation, kea: Kea, monkeypatch: pytest.MonkeyPatch) -> None:
    kea.rows("SELECT pg_advisory_lock(%s)", migrate._LOCK)
    monkeypatch.setattr("kea_lease_monitor.database.DEADLINE", 0.3)
    with pytest.raises(TemporaryError, match="no answer"):
        migrate.upgrade(shared)
    assert schema.found(shared) is None


def test_a_failed_step_is_rolled_back(location: StateLocation, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also in SQLite, whose driver else commits before each CREATE TABLE."""
    with monkeypatch.context() as patch:
        patch.setattr("alembic.op.create_table", _second_fails())
        with pytest.raises(ZeroDivisionError):
            migrate.upgrade(location)
    assert schema.found(location) is None
    migrate.upgrade(location)


def _second_fails() -> Callable[..., Any]:
    real, calls = op.create_table, []

    def create(*arguments: Any, **options: Any) -> Any:
        calls.append(1)
        return real(*arguments, **options) if len(calls) < 5 else 1 // 0

    return create


def test_kea_s_own_tools_still_find_the_database_empty(shared: StateLocation, kea: Kea) -> None:
    """kea-admin db-init counts the relations that it sees without a schema (kea-facts 1.6)."""
    seen = "SELECT count(*) FROM pg_class WHERE relkind IN ('r', 'v', 'S') AND pg_table_is_visible(oid)"
    before = kea.rows(seen)
    create_state(shared)
    assert kea.rows(seen) == before
    assert kea.rows("SELECT count(*) > 3 FROM pg_tables WHERE schemaname = 'kea_lease_monitor'") == [(True,)]


def test_a_role_that_may_not_create_a_schema_gets_an_error(kea: Kea) -> None:
    with pytest.raises(TemporaryError, match="permission denied for database kea"):
        create_state(StateLocation("", settings(kea)))


def test_an_empty_database_is_refused_with_the_command(location: StateLocation) -> None:
    if not location.shared:
        sqlite3.connect(location.path).execute("CREATE TABLE other (x)")
    with pytest.raises(SchemaError, match="run: kea-lease-monitor db init"):
        Store(location)


def test_a_newer_schema_is_refused_with_the_command_and_left_alone(location: StateLocation) -> None:
    create_state(location)
    store = Store(location)
    settle(store, BOOKMARK)
    store.close()
    engine = open_engine(location)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    engine.dispose()
    needed = schema.versions()[-1]
    for step in (Store, migrate.upgrade, migrate.downgrade, migrate.plan_upgrade, migrate.plan_downgrade):
        with pytest.raises(SchemaError, match=f"db downgrade --yes --to {needed}"):
            step(location)
    assert schema.found(location) == "9999"
    assert catalogue(location)["bookmarks"]


@pytest.mark.parametrize("version", ["7", "9999", "base"])
def test_an_unknown_version_is_refused(location: StateLocation, version: str) -> None:
    create_state(location)
    with pytest.raises(SchemaError, match="known are: 0001"):
        migrate.upgrade(location, version)
    if version != "base":
        with pytest.raises(SchemaError, match="known are: base, 0001"):
            migrate.downgrade(location, version)


@pytest.mark.slow
@pytest.mark.parametrize("content", ["", "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)"])
def test_a_start_creates_the_tables_of_an_empty_file(file: StateLocation, content: str) -> None:
    Path(file.path).touch()
    sqlite3.connect(file.path).execute(content)
    assert open_state(file).bookmarks() == []


def test_a_state_that_root_creates_belongs_to_the_owner_of_its_directory(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        os.chown(tmp_path, 12345, 12345)
    store = open_state(StateLocation(str(tmp_path / "state.sqlite")))
    settle(store, BOOKMARK)
    owner = tmp_path.stat().st_uid
    assert {each.name: each.stat().st_uid for each in tmp_path.iterdir()} == {
        each.name: owner for each in tmp_path.iterdir()
    }


def test_a_missing_directory_is_reported(tmp_path: Path) -> None:
    with pytest.raises(TemporaryError, match="does not exist"):
        open_state(StateLocation(str(tmp_path / "none" / "state.sqlite")))


@pytest.mark.slow
def test_a_locked_state_is_a_temporary_error(file: StateLocation) -> None:
    store = open_state(file)
    blocker = sqlite3.connect(file.path, isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    with pytest.raises(TemporaryError, match="locked"):
        settle(store, BOOKMARK)
    blocker.execute("ROLLBACK")
    settle(store, BOOKMARK)


def test_a_lost_session_is_a_temporary_error_and_ends_the_term(shared: StateLocation, kea: Kea) -> None:
    create_state(shared)
    store, other = Store(shared), Store(shared)
    term = store.claim("one")
    assert (term is None, other.claim("one"), other.claim("two") is None) == (False, None, False)
    key = database.lock_key("kea_lease_monitor/one") & 0xFFFFFFFF
    kea.rows("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objid = %s", key)
    until(lambda: other.claim("one"), "it takes over at once")
    with pytest.raises(TemporaryError):
        settle(store, BOOKMARK)
    assert store.claim("one") is None
    with pytest.raises(TemporaryError, match="another monitor may have taken over"):
        store.settle(Settlement(BOOKMARK), term or 0)
    settle(other, BOOKMARK)
    other.close()
    until(lambda: store.claim("one"), "it is ours again")
    assert store.claim("one") != term
    store.close()


COUNTED = """
CREATE TABLE counts (act text, rows bigint);
GRANT INSERT ON counts TO "kea-lease-monitor";
CREATE FUNCTION counted() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO public.counts SELECT TG_TABLE_NAME || ' ' || TG_OP, count(*) FROM written HAVING count(*) > 0;
    RETURN NULL;
END $$"""


def test_no_statement_writes_more_rows_than_it_may(shared: StateLocation, kea: Kea) -> None:
    create_state(shared)
    kea.rows(COUNTED)
    for table, act, rows in (
        ("dead_letters", "INSERT", "NEW"),
        ("dead_letters", "DELETE", "OLD"),
        ("heartbeats", "INSERT", "NEW"),
    ):
        kea.rows(
            f"CREATE TRIGGER counted_{act} AFTER {act} ON kea_lease_monitor.{table} REFERENCING {rows} TABLE AS written"
            " FOR EACH STATEMENT EXECUTE FUNCTION counted()"
        )
    store = Store(shared)
    settle(store, BOOKMARK, tuple(letter(number % 250) for number in range(350)))
    numbers = tuple(each.id for each in store.dead_letters())
    store.beat([BEAT._replace(subscription=f"s{number}") for number in range(250)])
    settle(store, BOOKMARK, redelivered=numbers[:150])
    assert store.drop_dead_letters(numbers) == 200
    store.close()
    most = kea.rows("SELECT act, sum(rows)::int, max(rows) <= 100 FROM counts GROUP BY act ORDER BY act")
    assert most == [
        ("dead_letters DELETE", 350, True),
        ("dead_letters INSERT", 350, True),
        ("heartbeats INSERT", 250, True),
    ]


def test_a_state_that_cannot_be_created_is_a_temporary_error(tmp_path: Path) -> None:
    """It is made by a process of its own, whose words are not to be lost."""
    (tmp_path / "state.sqlite").symlink_to(tmp_path / "none" / "state.sqlite")
    with pytest.raises(TemporaryError, match="cannot be written: No such file or directory"):
        open_state(StateLocation(str(tmp_path / "state.sqlite")))


@pytest.mark.slow
def test_the_daemon_never_imports_alembic(tmp_path: Path) -> None:
    """10 MiB for its whole life."""
    program = (
        "import sys; from kea_lease_monitor.app import open_state;"
        "from kea_lease_monitor.state.location import StateLocation;"
        "open_state(StateLocation(sys.argv[1])).bookmarks(); sys.exit('alembic' in sys.modules)"
    )
    environment = program_environment()
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "state.sqlite")], env=environment, check=True)
