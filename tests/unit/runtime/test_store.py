# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The state: contract, versions, refusals."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Callable

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from kea_lease_monitor.app import create_state, open_state
from kea_lease_monitor.errors import SchemaError, TemporaryError
from kea_lease_monitor.state import schema
from kea_lease_monitor.state.store import Bookmark, Store, open_engine
from kea_lease_monitor.state.tables import METADATA

from runtime.contracts import StateContract


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "state.sqlite")


class TestSqlite(StateContract):
    @pytest.fixture
    def state(self, path: str) -> Store:
        return open_state(path)

    @pytest.fixture
    def reopened(self, path: str) -> Callable[[], Store]:
        return lambda: Store(path)


def test_migrations_make_exactly_the_tables_that_are_used(path: str) -> None:
    create_state(path)
    with open_engine(path).connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []


def test_down_and_up_again(path: str) -> None:
    create_state(path)
    engine = open_engine(path)
    schema.downgrade(engine, None)
    assert schema.current(engine) is None
    schema.upgrade(engine)
    assert schema.current(engine) == schema.versions()[-1]


def test_an_empty_database_is_refused_with_the_command(path: str) -> None:
    sqlite3.connect(path).execute("CREATE TABLE other (x)")
    with pytest.raises(SchemaError, match="run: kea-lease-monitor db init"):
        Store(path)


def test_a_newer_schema_is_refused_with_the_command_and_left_alone(path: str) -> None:
    open_state(path).settle(Bookmark("one", "there", "some", 1.0), [])
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(SchemaError, match="db downgrade 0001"):
        Store(path)
    for step in (schema.upgrade, lambda engine: schema.downgrade(engine, None)):
        with pytest.raises(SchemaError):
            step(open_engine(path))
    assert sqlite3.connect(path).execute("SELECT position FROM bookmarks").fetchall() == [("there",)]


def test_a_version_that_never_was_is_refused(path: str) -> None:
    create_state(path)
    with pytest.raises(SchemaError, match="known are: base, 0001"):
        schema.downgrade(open_engine(path), "7")


@pytest.mark.parametrize("content", ["", "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)"])
def test_a_start_mends_a_file_without_tables(path: str, content: str) -> None:
    Path(path).touch()
    sqlite3.connect(path).execute(content)
    assert open_state(path).bookmarks() == []


def test_a_file_that_is_no_database_is_said(path: str) -> None:
    Path(path).write_text("no database " * 100)
    for use in (open_state, create_state, Store):
        with pytest.raises(TemporaryError, match=r"state.sqlite: file is not a database"):
            use(path)


def test_a_state_that_root_makes_belongs_to_the_owner_of_its_directory(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        os.chown(tmp_path, 12345, 12345)
    path = tmp_path / "state.sqlite"
    store = open_state(str(path))
    store.settle(Bookmark("one", "first", "some", 1.0), [])
    owner = tmp_path.stat().st_uid
    assert {each.name: each.stat().st_uid for each in tmp_path.iterdir()} == {
        each.name: owner for each in tmp_path.iterdir()
    }


def test_a_directory_that_is_missing_is_said(tmp_path: Path) -> None:
    with pytest.raises(TemporaryError, match="does not exist"):
        open_state(str(tmp_path / "none" / "state.sqlite"))


def test_a_state_that_is_locked_is_temporary(path: str) -> None:
    store = open_state(path)
    blocker = sqlite3.connect(path, isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    with pytest.raises(TemporaryError, match="locked"):
        store.settle(Bookmark("one", "first", "some", 1.0), [])
    blocker.execute("ROLLBACK")
    store.settle(Bookmark("one", "first", "some", 1.0), [])
