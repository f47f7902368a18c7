# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""kea_hosts_constraint: which indexes it treats as its own, and which tables it refuses."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import psycopg2
import pytest
from support.catalogue import COLUMNS, KEA_INDEXES, NAME, UNIQUE, constraints, indexes, make_invalid_index
from support.wait import until

if TYPE_CHECKING:
    from support.database import Database

pytestmark = pytest.mark.postgres


def leave_unattached(database: Database) -> None:
    """Create the index of a run that was interrupted after the build."""
    with database.session(autocommit=False) as other:
        other.execute("LOCK TABLE hosts IN ACCESS SHARE MODE")
        assert database.constraint(lock_timeout=20, lock_retries=0)["sqlstate"] == "55P03"


@pytest.mark.parametrize("name", [NAME, NAME + "_new"])
@pytest.mark.parametrize(
    "shape",
    [
        "CREATE INDEX {name} ON hosts (hostname)",
        "CREATE UNIQUE INDEX {name} ON hosts (host_id, dhcp_identifier)",
        "CREATE UNIQUE INDEX {name} ON hosts (dhcp_identifier, dhcp_identifier_type, dhcp4_subnet_id)",
    ],
)
def test_absent_keeps_a_foreign_index(database: Database, name: str, shape: str) -> None:
    database.execute(shape.format(name=name))
    before = indexes(database)
    assert not database.constraint(state="absent")["changed"]
    assert indexes(database) == before


@pytest.mark.parametrize("name", [NAME, NAME + "_new"])
def test_invalid_index_with_another_definition_is_foreign(database: Database, name: str) -> None:
    make_invalid_index(database, name, "dhcp_identifier, dhcp4_subnet_id")
    before = indexes(database)
    assert not database.constraint(state="absent")["changed"]
    if name != NAME:
        database.execute(f"ALTER TABLE hosts ADD CONSTRAINT {NAME} UNIQUE (dhcp_identifier, dhcp4_subnet_id)")
        before = indexes(database)
    for check in (True, False):
        assert "is taken by something else" in database.constraint(check=check)["msg"]
    assert indexes(database) == before


def test_absent_drops_an_unattached_index(database: Database) -> None:
    before = indexes(database)
    leave_unattached(database)
    assert indexes(database) != before
    checked = database.constraint(check=True, state="absent")
    assert NAME in checked["diff"]["before"]
    assert database.constraint(state="absent")["queries"] == checked["queries"]
    assert indexes(database) == before
    assert not database.constraint(state="absent")["changed"]


def test_absent_drops_the_replacement_of_a_wrong_constraint(database: Database) -> None:
    database.execute(f"ALTER TABLE hosts ADD CONSTRAINT {NAME} UNIQUE (dhcp_identifier, dhcp4_subnet_id)")
    before = indexes(database)
    leave_unattached(database)
    assert len(indexes(database)) == len(before) + 1
    assert database.constraint(state="absent")["changed"]
    assert indexes(database) == before


def test_replacement_becomes_the_constraint_if_the_wrong_one_is_missing(database: Database) -> None:
    """A person dropped the constraint after the interrupted run: the index is not built again, and nothing remains."""
    database.execute(f"ALTER TABLE hosts ADD CONSTRAINT {NAME} UNIQUE (dhcp_identifier, dhcp4_subnet_id)")
    leave_unattached(database)
    database.execute(f"ALTER TABLE hosts DROP CONSTRAINT {NAME}")
    checked = database.constraint(check=True)
    assert [query.split()[0] for query in checked["queries"]] == ["ALTER", "COMMENT"]
    assert database.constraint()["queries"] == checked["queries"]
    assert constraints(database) == {NAME: UNIQUE}
    assert not [name for name in dict(indexes(database)) if name.endswith("_new")]
    assert not database.constraint()["changed"]
    assert database.constraint(state="absent")["changed"]


def test_invalid_replacement_is_rebuilt_under_the_name(database: Database) -> None:
    make_invalid_index(database, NAME + "_new")
    assert [query.split()[0] for query in database.constraint()["queries"]] == ["DROP", "CREATE", "ALTER", "COMMENT"]
    assert constraints(database) == {NAME: UNIQUE}
    assert not [name for name in dict(indexes(database)) if name.endswith("_new")]


@pytest.mark.parametrize(
    ("guard", "definition"),
    [
        (f"ADD CONSTRAINT {NAME} {UNIQUE}", UNIQUE),
        (f"ADD CONSTRAINT by_hand {UNIQUE}", None),
    ],
)
def test_unneeded_leftovers_are_dropped(database: Database, guard: str, definition: str | None) -> None:
    """A second index makes each write slower, and an invalid one guards nothing."""
    make_invalid_index(database, NAME + "_new")
    database.execute(f"ALTER TABLE hosts {guard}")
    checked = database.constraint(check=True)
    assert "unfinished indexes: []" in checked["diff"]["after"]
    assert checked["definition"] == definition
    applied = database.constraint()
    assert applied["queries"] == checked["queries"] == [f'DROP INDEX CONCURRENTLY "public"."{NAME}_new"']
    assert not database.constraint()["changed"]
    assert list(constraints(database).values()) == [UNIQUE]


def test_warning_says_that_a_foreign_index_stays(database: Database) -> None:
    database.execute(f"CREATE UNIQUE INDEX {NAME} ON hosts ({COLUMNS})")
    assert f"{NAME} was not made by this module" in str(database.constraint(state="absent")["warnings"])


@pytest.mark.parametrize(
    "taken",
    [
        f"CREATE TABLE {NAME} (x int)",
        f"CREATE VIEW {NAME} AS SELECT 1",
        f"CREATE SEQUENCE {NAME}",
        f"CREATE INDEX {NAME} ON lease4 (hostname)",
        f"ALTER TABLE hosts ADD CONSTRAINT {NAME} UNIQUE (host_id, dhcp4_subnet_id); CREATE TABLE {NAME}_new (x int)",
        f"ALTER TABLE hosts ADD CONSTRAINT {NAME} UNIQUE (host_id); "
        f"ALTER TABLE hosts ADD CONSTRAINT {NAME}_new UNIQUE (host_id, dhcp4_subnet_id)",
    ],
)
def test_taken_name_is_refused_in_check_mode_too(database: Database, taken: str) -> None:
    database.execute(taken)
    before = indexes(database), constraints(database)
    for check in (True, False):
        result = database.constraint(check=check)
        assert result["failed"], check
        assert "is taken by something else" in result["msg"]
        assert NAME in result["msg"]
    assert (indexes(database), constraints(database)) == before


ODD = {
    "a partitioned table": f"CREATE TABLE odd.hosts (host_id int, {COLUMNS.replace(',', ' int,')} int) "
    "PARTITION BY LIST (host_id)",
    "a view": "CREATE VIEW odd.hosts AS SELECT * FROM public.hosts",
    "a materialized view": "CREATE MATERIALIZED VIEW odd.hosts AS SELECT * FROM public.hosts",
    "a foreign table": "CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w; "
    "CREATE FOREIGN TABLE odd.hosts (host_id int) SERVER s",
    "a table that others inherit from": "CREATE TABLE odd.hosts (LIKE public.hosts); "
    "CREATE TABLE odd.child () INHERITS (odd.hosts)",
    "no table": "CREATE SEQUENCE odd.hosts",
}


@pytest.mark.parametrize("what", ODD)
def test_other_relations_than_plain_tables_are_refused(database: Database, what: str) -> None:
    database.execute("CREATE SCHEMA odd", ODD[what])
    for check in (True, False):
        result = database.constraint(check=check, schema="odd")
        assert result["failed"]
        assert f"odd.hosts is {what}" in result["msg"]
        assert "option schema" in result["msg"]
    assert not database.constraint(schema="odd", state="absent")["changed"]


def commit_when_waited_for(database: Database, other: psycopg2.extensions.cursor) -> None:
    waiting = (
        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '% INDEX CONCURRENTLY%' AND wait_event_type = 'Lock'"
    )
    until(lambda: database.value(waiting), waiting, 30, 0.01)
    other.connection.commit()


def constraint_amid_duplicates(database: Database) -> dict:
    """They are not visible before the run, which waits for the transaction that inserts them."""
    database.execute(*(f"DROP INDEX IF EXISTS {name}" for name in KEA_INDEXES))
    with database.session(autocommit=False) as other:
        for address in (1, 2):
            other.execute(
                "INSERT INTO hosts (dhcp_identifier, dhcp_identifier_type, dhcp4_subnet_id, ipv4_address) "
                f"VALUES ('\\x0a', 0, 7, {address})"
            )
        committer = threading.Thread(target=commit_when_waited_for, args=(database, other))
        committer.start()
        result = database.constraint()
        committer.join()
    return result


def test_duplicates_during_the_build_are_refused(database: Database) -> None:
    before = [index for index in indexes(database) if index[0] not in KEA_INDEXES]
    result = constraint_amid_duplicates(database)
    assert result["sqlstate"] == "23505"
    assert result["duplicates"] == 1
    assert result["samples"] == [{"identifier": "0a", "identifier_type": 0, "subnet_id": 7, "host_ids": [1, 2]}]
    assert "in a subnet, so nothing was changed. " in result["msg"]
    assert indexes(database) == before


def test_duplicates_after_a_dropped_leftover_are_refused(database: Database) -> None:
    """The message then says what was changed."""
    make_invalid_index(database, NAME)
    result = constraint_amid_duplicates(database)
    assert result["duplicates"] == 1
    assert (
        f'only indexes of an interrupted run were dropped (DROP INDEX CONCURRENTLY "public"."{NAME}")' in result["msg"]
    )
    assert NAME not in dict(indexes(database))


@pytest.mark.parametrize(
    "columns",
    [
        "(dhcp_identifier DESC, dhcp_identifier_type, dhcp4_subnet_id)",
        "(dhcp_identifier, dhcp_identifier_type, dhcp4_subnet_id NULLS FIRST)",
        f"({COLUMNS}) INCLUDE (hostname)",
    ],
)
def test_equivalent_may_have_another_order_and_more_columns(database: Database, columns: str) -> None:
    database.execute(f"CREATE UNIQUE INDEX by_hand ON hosts {columns}")
    result = database.constraint()
    assert not result["changed"]
    assert result["equivalents"] == ["by_hand"]
    # It is reported because a plain UPSERT can rely on it.
    for _round in range(2):
        database.execute(
            f"INSERT INTO hosts ({COLUMNS}) VALUES ('\\x01', 0, 1) ON CONFLICT ({COLUMNS}) DO UPDATE SET hostname = 'x'"
        )
    assert database.value("SELECT count(*) FROM hosts") == 1


@pytest.mark.parametrize("weaker", [f"({COLUMNS}, hostname)", f"({COLUMNS}) WHERE dhcp4_subnet_id > 0"])
def test_a_weaker_index_is_no_equivalent(database: Database, weaker: str) -> None:
    database.execute(f"CREATE UNIQUE INDEX by_hand ON hosts {weaker}")
    assert database.constraint()["equivalents"] == []
    assert constraints(database) == {NAME: UNIQUE}
