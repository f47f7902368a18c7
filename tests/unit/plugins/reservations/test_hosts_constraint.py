# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""kea_hosts_constraint against Kea's real schema."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.baremetal.kea.plugins.module_utils._postgres import session as postgres_session
from support.catalogue import COLUMNS, KEA_INDEXES, NAME, UNIQUE, constraints, indexes, make_invalid_index

if TYPE_CHECKING:
    from support.database import Database

pytestmark = pytest.mark.postgres


def test_the_whole_life(database: Database) -> None:
    as_kea_made_it = indexes(database)

    checked = database.constraint(check=True)
    assert checked["changed"]
    assert constraints(database) == {}
    assert "hosts_dhcp_identifier_subnet_unique: null" in checked["diff"]["before"]
    assert f"{NAME}: {UNIQUE}" in checked["diff"]["after"]

    applied = database.constraint()
    assert applied["changed"]
    assert applied["queries"] == checked["queries"]
    assert applied["queries"][0].startswith("CREATE UNIQUE INDEX CONCURRENTLY")
    assert constraints(database) == {NAME: UNIQUE}
    assert applied["definition"] == UNIQUE
    assert applied["partial_indexes"] == KEA_INDEXES

    again = database.constraint()
    assert not again["changed"]
    assert again["queries"] == []
    assert again["diff"]["before"] == again["diff"]["after"]

    assert database.constraint(check=True, state="absent")["changed"]
    assert constraints(database) == {NAME: UNIQUE}
    assert database.constraint(state="absent")["changed"]
    assert indexes(database) == as_kea_made_it
    assert not database.constraint(state="absent")["changed"]


def test_the_journal_tells_of_the_index_while_it_is_built(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    monkeypatch.setattr(AnsibleModule, "log", lambda _module, text, **_more: lines.append(text))
    database.constraint(check=True)
    assert [line for line in lines if "PostgreSQL runs" in line] == []
    applied = database.constraint()
    begin, end = lines[-2:]
    assert begin == f"PostgreSQL runs {applied['queries'][0]}; Kea serves"
    assert re.fullmatch(r"finished after \d+\.\d s", end)


def test_upsert_without_a_predicate_works(database: Database) -> None:
    database.constraint()
    for _round in range(2):
        database.execute(
            f"INSERT INTO hosts ({COLUMNS}) VALUES ('\\x01', 0, 1) ON CONFLICT ({COLUMNS}) DO UPDATE SET hostname = 'x'"
        )
    assert database.value("SELECT count(*) FROM hosts") == 1


@pytest.mark.parametrize(
    "wrong",
    [
        "UNIQUE (dhcp_identifier, dhcp4_subnet_id)",
        "UNIQUE (dhcp4_subnet_id, dhcp_identifier, dhcp_identifier_type)",
        f"UNIQUE ({COLUMNS}) DEFERRABLE",
        f"UNIQUE NULLS NOT DISTINCT ({COLUMNS})",
        f"UNIQUE ({COLUMNS}) INCLUDE (host_id)",
    ],
)
def test_another_definition_is_replaced(database: Database, wrong: str) -> None:
    database.execute(f"ALTER TABLE hosts ADD CONSTRAINT {NAME} {wrong}")
    checked = database.constraint(check=True)
    assert f"{NAME}: {wrong}" in checked["diff"]["before"]
    applied = database.constraint()
    assert applied["queries"] == checked["queries"]
    assert constraints(database) == {NAME: UNIQUE}
    assert not database.constraint()["changed"]
    # One transaction replaces the constraint after the new index was built.
    assert [query.split()[0] for query in applied["queries"]] == ["CREATE", "ALTER", "ALTER", "COMMENT"]


def test_duplicates_are_refused_with_samples(database: Database) -> None:
    database.execute(*(f"DROP INDEX {name}" for name in KEA_INDEXES))
    for address in range(3):
        database.host(subnet=7, address=address)
    database.host(subnet=8)
    for check in (True, False):
        result = database.constraint(check=check)
        assert result["failed"]
        assert result["sqlstate"] == "23505"
        assert result["duplicates"] == 1
        assert result["samples"] == [
            {"identifier": "020000000001", "identifier_type": 0, "subnet_id": 7, "host_ids": [1, 2, 3]}
        ]
        assert "1 identifiers more than once" in result["msg"]
    assert NAME not in dict(indexes(database))


def test_invalid_index_is_rebuilt(database: Database) -> None:
    make_invalid_index(database, NAME)
    result = database.constraint()
    assert result["queries"][0].startswith("DROP INDEX CONCURRENTLY")
    assert constraints(database) == {NAME: UNIQUE}
    assert not database.constraint()["changed"]


def test_absent_drops_an_invalid_index(database: Database) -> None:
    make_invalid_index(database, NAME)
    assert database.constraint(state="absent")["changed"]
    assert NAME not in dict(indexes(database))


def test_unattached_index_becomes_the_constraint(database: Database) -> None:
    database.execute(f"CREATE UNIQUE INDEX {NAME} ON hosts ({COLUMNS})")
    result = database.constraint()
    assert not any("CREATE" in query for query in result["queries"])
    assert constraints(database) == {NAME: UNIQUE}


@pytest.mark.parametrize(
    "made",
    [
        f"ALTER TABLE hosts ADD CONSTRAINT by_hand UNIQUE ({COLUMNS})",
        "CREATE UNIQUE INDEX by_hand ON hosts (dhcp4_subnet_id, dhcp_identifier, dhcp_identifier_type)",
    ],
)
def test_an_equivalent_under_another_name_is_reported(database: Database, made: str) -> None:
    database.execute(made)
    result = database.constraint()
    assert not result["changed"]
    assert result["equivalents"] == ["by_hand"]
    assert result["definition"] is None
    assert "by_hand on public.hosts already guarantees" in str(result["warnings"])


@pytest.mark.parametrize(
    "taken",
    [
        f"ALTER TABLE hosts ADD CONSTRAINT {NAME} CHECK (host_id > 0)",
        f"CREATE INDEX {NAME} ON hosts (hostname)",
        f"ALTER INDEX key_dhcp4_identifier_subnet_id RENAME TO {NAME}",
    ],
)
def test_a_name_taken_by_something_else_is_refused(database: Database, taken: str) -> None:
    """Kea's own index is one of them, whatever name the task asks for."""
    database.execute(taken)
    result = database.constraint()
    assert result["failed"]
    assert "is taken by something else" in result["msg"]


def test_absent_keeps_foreign_constraints(database: Database) -> None:
    database.execute(f"ALTER TABLE hosts ADD CONSTRAINT {NAME} {UNIQUE}")
    assert not database.constraint()["changed"]
    result = database.constraint(state="absent")
    assert not result["changed"]
    assert "not made by this module" in str(result["warnings"])
    assert constraints(database) == {NAME: UNIQUE}


def test_any_name_is_quoted(database: Database) -> None:
    name, schema = 'o\'ne "100%" {x}', 'ke"a%s'
    database.execute('ALTER SCHEMA public RENAME TO "ke""a%s"')
    assert database.constraint(name=name, schema=schema)["changed"]
    assert not database.constraint(name=name, schema=schema)["changed"]
    assert database.constraint(name=name, schema=schema, state="absent")["changed"]


def test_missing_table_hosts_is_refused(database: Database) -> None:
    result = database.constraint(schema="nowhere")
    assert result["failed"]
    assert result["sqlstate"] == "42P01"
    assert "kea-admin db-init" in result["msg"]
    assert not database.constraint(schema="nowhere", state="absent")["changed"]


def test_old_transaction_delays_only_the_index(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_session, "CONCURRENTLY_LOCK_TIMEOUT", 50)
    with database.session(autocommit=False) as other:
        other.execute("INSERT INTO hosts (dhcp_identifier, dhcp_identifier_type) VALUES ('\\x01', 0)")
        result = database.constraint()
        assert result["sqlstate"] == "55P03"
        assert "the next run rebuilds the index" in result["msg"]
        database.host()
    assert [query.split()[0] for query in database.constraint()["queries"]] == ["DROP", "CREATE", "ALTER", "COMMENT"]


def test_lock_that_is_not_granted_ends_the_run(database: Database) -> None:
    """The error names the blocking session, and the next run continues where this one stopped."""
    with database.session(autocommit=False) as other:
        other.execute("LOCK TABLE hosts IN ACCESS SHARE MODE")
        result = database.constraint(lock_timeout=20, lock_retries=1)
        assert result["failed"]
        assert result["sqlstate"] == "55P03"
        assert "in 2 attempts" in result["msg"]
        assert f"process {other.connection.info.backend_pid}" in result["msg"]
        assert "Run the task again" in result["msg"]
    assert [query.split()[0] for query in database.constraint()["queries"]] == ["ALTER", "COMMENT"]
