# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connecting: every failure has one message with SQLSTATE and next step, and no password is ever shown."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from ansible_collections.baremetal.kea.plugins.module_utils._host import state_text
from ansible_collections.baremetal.kea.plugins.module_utils._postgres import login, session
from ansible_collections.baremetal.kea.plugins.module_utils._postgres.errors import PostgresError
from support.catalogue import CATALOGUE
from support.database import KEA, MONITOR, PASSWORD, PASSWORD_ROLE

if TYPE_CHECKING:
    from support.database import Database

pytestmark = pytest.mark.postgres


@pytest.mark.parametrize(
    ("params", "sqlstate", "advice"),
    [
        ({"login_user": PASSWORD_ROLE, "login_password": "a wrong one"}, "28P01", "login_password"),
        ({"login_user": PASSWORD_ROLE}, "28P01", "login_password"),
        ({"login_user": "no such role"}, "28000", "login_user"),
        ({"login_db": "nowhere"}, "3D000", "Create the database"),
        ({"login_unix_socket": "/nonexistent"}, "08001", "login_host"),
        ({"session_role": "no such role"}, "22023", ""),
    ],
)
def test_connection_failure_names_next_step(database: Database, params: dict, sqlstate: str, advice: str) -> None:
    result = database.constraint(**params)
    assert result["failed"]
    assert result["sqlstate"] == sqlstate
    assert f"(SQLSTATE {sqlstate})" in result["msg"]
    assert advice in result["msg"]
    assert "a wrong one" not in json.dumps(result)


def test_a_password_is_never_in_the_result(database: Database) -> None:
    database.constraint()
    result = database.constraint(check=True, login_user=PASSWORD_ROLE, login_password=PASSWORD)
    assert not result["changed"]
    assert PASSWORD not in json.dumps(result)


@pytest.mark.parametrize("secret", ["password", "sslpassword"])
def test_connect_params_refuse_secrets(database: Database, secret: str) -> None:
    assert f"must not hold {secret}" in database.constraint(connect_params={secret: "x"})["msg"]


@pytest.mark.parametrize(
    ("module", "option", "value"),
    [
        ("kea_hosts_constraint", "name", "x\0y"),
        ("kea_hosts_constraint", "login_password", "secret\0"),
        ("kea_hosts_constraint", "connect_params", {"options": "-c \0"}),
        ("kea_lease_notify", "schema", "\0"),
        ("kea_lease_notify", "readers", [MONITOR, "\0"]),
    ],
)
def test_option_with_nul_is_refused_by_name(database: Database, module: str, option: str, value: Any) -> None:
    before = database.fetch(CATALOGUE)
    for check in (True, False):
        # The log of the system takes no such character, and since core 2.22 that stops a module before it begins.
        result = database.module(module, check, **{option: value, "_ansible_no_log": True})
        assert f"The option {option} holds a NUL character" in result["msg"], result
        assert "secret" not in result["msg"]
    assert database.fetch(CATALOGUE) == before


def test_unknown_sqlstate_has_the_general_advice(database: Database) -> None:
    """An event trigger refuses the statement with an SQLSTATE that NEXT_STEPS does not contain."""
    database.execute(
        "CREATE FUNCTION no() RETURNS event_trigger LANGUAGE plpgsql AS "
        "'BEGIN RAISE EXCEPTION ''not today'' USING ERRCODE = ''ZZ001''; END'",
        "CREATE EVENT TRIGGER no ON ddl_command_start WHEN TAG IN ('CREATE SCHEMA') EXECUTE FUNCTION no()",
    )
    result = database.notify()
    assert "PostgreSQL: not today (SQLSTATE ZZ001). Look up the statement in the server's log" in result["msg"]
    assert result["statement"] == 'CREATE SCHEMA "kea_events"'
    assert database.value("SELECT to_regnamespace('kea_events') IS NULL")


def test_connect_params_override_login_options(database: Database) -> None:
    assert database.constraint(login_db="nowhere", connect_params={"dbname": database.name})["changed"]


def test_several_hosts_use_only_the_writable_one(database: Database) -> None:
    several = {"login_host": ",".join([str(database.cluster.directory)] * 2)}
    assert database.constraint(**several)["changed"]
    database.cluster.execute("postgres", f'ALTER DATABASE "{database.name}" SET default_transaction_read_only = on')
    assert not database.constraint()["changed"]
    assert "session is read-only (SQLSTATE 08001)" in database.constraint(**several)["msg"]


def test_session_role_owns_what_is_created(database: Database) -> None:
    assert database.notify(session_role=KEA)["state"]["event_schema"]["owner"] == KEA
    assert not database.notify(session_role=KEA)["changed"]


def connection_options(database: Database) -> dict:
    params = {"login_unix_socket": database.cluster.directory, "login_db": database.name, "login_user": "postgres"}
    return {**{name: option.get("default") for name, option in login.argument_spec().items()}, **params}


def test_idle_transaction_is_ended_and_its_lock_released(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "IDLE_IN_TRANSACTION", 200)
    options = connection_options(database)
    with session.connect(options) as frozen, session.connect({**options, "lock_timeout": 20_000}) as kea:
        frozen.run("BEGIN")
        frozen.run("LOCK TABLE public.hosts")
        kea.run("UPDATE public.hosts SET hostname = ''")  # waits until the server ended the other
        with pytest.raises(PostgresError, match=r"idle-in-transaction|closed the connection"):
            frozen.run("COMMIT")


def test_check_mode_cannot_write(database: Database) -> None:
    with session.connect(connection_options(database), readonly=True) as readonly:
        with pytest.raises(PostgresError) as raised:
            readonly.run("CREATE TABLE public.x ()")
        assert raised.value.sqlstate == "25006"


@pytest.mark.parametrize("params", [{"lock_timeout": 0}, {"lock_retries": -1}])
def test_unbounded_lock_options_are_refused(database: Database, params: dict) -> None:
    assert "at least" in database.constraint(**params)["msg"]


def test_a_missing_library_is_named(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "PSYCOPG2_IMPORT_ERROR", "ImportError: no psycopg2")
    assert "Failed to import the required Python library (psycopg2)" in database.constraint()["msg"]


def test_a_state_reads_like_yaml() -> None:
    state = {"b": None, "a": {"list": ["x", {"k": 1}], "text": "one\ntwo\n", "none": {}, "empty": ""}, "c": True}
    assert state_text.render(state) == (
        'a:\n  empty: ""\n  list:\n    - x\n    -\n      k: 1\n  none: {}\n  text: |\n    one\n    two\n'
        "b: null\nc: true\n"
    )
