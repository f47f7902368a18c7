# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""kea_database_rights: what the monitor's role and other roles can and cannot do in Kea's database (cases E7, E8)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Iterator

import psycopg2
import pytest
from psycopg2 import errors
from support.database import KEA, MONITOR

if TYPE_CHECKING:
    from support.database import Database

pytestmark = pytest.mark.postgres

COLUMNS = "dhcp_identifier, dhcp_identifier_type, dhcp4_subnet_id, ipv4_address, hostname, user_context"
MARKED = '{"kea-lease-monitor": {"ip-address": "10.0.0.1"}}'
FORMER = """
INSERT INTO hosts (dhcp_identifier, dhcp_identifier_type, dhcp4_subnet_id, ipv4_address, hostname)
VALUES ('\\x02', 0, 1, 7, 'bmc')
ON CONFLICT (dhcp_identifier, dhcp_identifier_type, dhcp4_subnet_id)
      WHERE dhcp4_subnet_id IS NOT NULL AND dhcp4_subnet_id <> 0
DO UPDATE SET ipv4_address = EXCLUDED.ipv4_address, hostname = coalesce(EXCLUDED.hostname, hosts.hostname)
RETURNING dhcp_identifier, xmax = 0
"""
"""The UPSERT of release 1.0.0, to which a host may be rolled back."""


@pytest.fixture
def stranger(database: Database) -> Iterator[str]:
    database.execute("CREATE ROLE stranger LOGIN")
    yield "stranger"
    database.execute("DROP OWNED BY stranger", "DROP ROLE stranger")


def host(database: Database, context: str, number: int = 1) -> int:
    database.execute(f"INSERT INTO hosts ({COLUMNS}) VALUES ('\\x0{number}', 0, 1, {number}, '', '{context}')")
    found: int = database.value(f"SELECT host_id FROM hosts WHERE ipv4_address = {number}")
    return found


def run(database: Database, *statements: str, user: str = MONITOR) -> None:
    with database.session(user) as cursor:
        for statement in ("BEGIN", *statements, "COMMIT"):
            cursor.execute(statement)


def may_connect(database: Database, user: str) -> bool:
    try:
        with database.session(user):
            return True
    except psycopg2.OperationalError:
        return False


def test_the_whole_life(database: Database, stranger: str) -> None:
    checked = database.rights(check=True)
    assert checked["changed"], checked
    assert may_connect(database, stranger), "check mode changes nothing"
    applied = database.rights()
    assert applied["queries"] == checked["queries"]
    again = database.rights()
    assert not again["changed"], again["queries"]
    assert not may_connect(database, stranger)
    assert may_connect(database, MONITOR)
    assert may_connect(database, KEA)
    assert database.rights(check=True, state="absent")["changed"]
    assert database.rights(state="absent")["changed"]
    assert may_connect(database, stranger)
    assert database.value("SELECT count(*) FROM pg_proc WHERE proname = 'kea_forget_reservations'") == 0
    with pytest.raises(errors.InsufficientPrivilege):
        run(database, "SELECT host_id FROM hosts")
    assert not database.rights(state="absent")["changed"]
    assert database.rights()["changed"]


DRIFTS = [
    f'GRANT UPDATE ON hosts TO "{MONITOR}"',
    f'GRANT UPDATE (dhcp4_boot_file_name) ON hosts TO "{MONITOR}"',
    f'REVOKE INSERT (hostname) ON hosts FROM "{MONITOR}"',
    f'GRANT SELECT ON ipv6_reservations TO "{MONITOR}"',
    "GRANT EXECUTE ON FUNCTION kea_forget_reservations(bigint[]) TO PUBLIC",
    "ALTER FUNCTION kea_forget_reservations(bigint[]) SECURITY INVOKER",
    "ALTER FUNCTION kea_forget_reservations(bigint[]) RESET search_path",
    "ALTER FUNCTION kea_forget_reservations(bigint[]) OWNER TO postgres",
    "CREATE OR REPLACE FUNCTION kea_forget_reservations(bigint[]) RETURNS SETOF bigint LANGUAGE sql SECURITY DEFINER"
    " SET search_path = pg_catalog, pg_temp AS 'DELETE FROM public.hosts RETURNING host_id::bigint'",
    "DROP FUNCTION kea_forget_reservations(bigint[])",
    "DO $$ BEGIN EXECUTE format('GRANT CONNECT ON DATABASE %I TO PUBLIC', current_database()); END $$",
]


@pytest.mark.parametrize("drift", DRIFTS)
def test_every_drift_is_corrected(database: Database, drift: str) -> None:
    state = database.rights()["state"]
    database.execute(drift)
    assert database.rights()["changed"]
    found = database.rights()
    assert not found["changed"]
    for one in (state, found["state"]):
        one["forget"].pop("comment")  # a function that was dropped no longer tells whether PUBLIC could connect
    assert found["state"] == state


@pytest.mark.parametrize(
    "statement",
    [
        "LOCK TABLE hosts IN SHARE MODE",
        "LOCK TABLE hosts IN ACCESS EXCLUSIVE MODE",
        "LOCK TABLE ipv6_reservations IN SHARE MODE",
        "UPDATE hosts SET dhcp4_boot_file_name = 'evil'",
        "UPDATE hosts SET dhcp4_next_server = 1",
        "UPDATE hosts SET dhcp_identifier = '\\x00'",
        "INSERT INTO hosts (dhcp_identifier, dhcp_identifier_type, dhcp4_server_hostname) VALUES ('\\x00', 0, 'evil')",
        "SELECT auth_key FROM hosts",
        "DELETE FROM hosts",
        "TRUNCATE hosts",
        "UPDATE ipv6_reservations SET host_id = 1",
        "DELETE FROM ipv6_reservations",
        "INSERT INTO dhcp4_options (code) VALUES (67)",
        "SELECT setval('hosts_host_id_seq', 2147483647)",
    ],
)
def test_what_a_monitor_that_was_taken_over_cannot_do(database: Database, statement: str) -> None:
    database.rights(dhcp6=True)
    with pytest.raises(errors.InsufficientPrivilege):
        run(database, statement)


def test_it_can_read_and_write_what_its_statements_name(database: Database) -> None:
    database.rights(dhcp6=True)
    run(
        database,
        f"INSERT INTO hosts ({COLUMNS}) VALUES ('\\x01', 0, 1, 1, '', '{MARKED}') ON CONFLICT DO NOTHING",
        "UPDATE hosts SET ipv4_address = 2, hostname = 'a', user_context = '' WHERE dhcp4_subnet_id = 1",
        "SELECT host_id FROM hosts FOR UPDATE",
        "INSERT INTO ipv6_reservations (address, prefix_len, type, host_id)"
        " SELECT '2001:db8::1', 128, 0, host_id FROM hosts",
        "UPDATE ipv6_reservations SET address = '2001:db8::2' WHERE reservation_id > 0",
        "SELECT last_value FROM pg_sequences WHERE sequencename = 'hosts_host_id_seq'",
        FORMER,
        FORMER,
    )


def test_without_dhcp6_it_has_no_right_there(database: Database) -> None:
    database.rights(dhcp6=True)
    database.rights()
    with pytest.raises(errors.InsufficientPrivilege):
        run(database, "SELECT reservation_id FROM ipv6_reservations")


def test_the_function_removes_just_what_the_monitor_wrote(database: Database) -> None:
    database.rights()
    ours, edited, four, six = (host(database, MARKED, number) for number in (1, 2, 7, 8))
    database.execute(
        f"INSERT INTO dhcp4_options (code, host_id, scope_id) VALUES (66, {four}, 3)",
        f"INSERT INTO dhcp6_options (code, host_id, scope_id) VALUES (59, {six}, 3)",
    )
    others = [
        host(database, context, number)
        for number, context in enumerate(('{"a": "kea-lease-monitor"}', '{"a": {"kea-lease-monitor": 1}}', ""), 3)
    ]
    database.execute(f"UPDATE hosts SET auth_key = 'secret' WHERE host_id = {edited}")
    every = [ours, edited, four, six, *others]
    gone = database.fetch(f"SELECT kea_forget_reservations(ARRAY{every}::bigint[])", MONITOR)
    assert gone == [(ours,)]
    assert database.value("SELECT count(*) FROM hosts") == 6


def test_the_function_cannot_be_led_elsewhere(database: Database) -> None:
    """A schema of the caller's own comes before public, and pg_temp comes last."""
    database.rights()
    ours = host(database, MARKED)
    run(
        database,
        "CREATE TEMPORARY TABLE hosts (host_id bigint, user_context text, auth_key text)",
        "SET search_path = pg_temp, public",
        f"SELECT public.kea_forget_reservations(ARRAY[{ours}])",
    )
    assert database.value("SELECT count(*) FROM hosts") == 0


def test_a_role_that_only_connects_keeps_no_session_and_no_lock(database: Database, stranger: str) -> None:
    """Case E7: such a role took the advisory locks, and all monitors stood by."""
    with database.session(stranger) as cursor:
        cursor.execute("SELECT pg_advisory_lock(1)")
        refused = database.rights()
        assert "stranger (it has sessions)" in refused["msg"]
        assert "kea_db_public_connect" in refused["msg"]
        assert may_connect(database, stranger), "nothing was changed"
        assert not database.rights(public_connect=True).get("failed")
        assert may_connect(database, stranger), "an option keeps it"
    assert database.rights()["changed"]
    assert not may_connect(database, stranger)
    assert database.rights(public_connect=True)["changed"]
    assert may_connect(database, stranger), "and the option brings it back"


USES = {
    "table": ["GRANT SELECT ON lease4 TO stranger"],
    "column": ["GRANT SELECT (hostname) ON hosts TO stranger"],
    "schema": ["CREATE SCHEMA other", "GRANT USAGE ON SCHEMA other TO stranger"],
    "function": ["GRANT EXECUTE ON FUNCTION lease4dumpheader() TO stranger"],
    "object": ["CREATE SCHEMA other AUTHORIZATION stranger"],
    "settings": [
        "DO $$ BEGIN EXECUTE format('ALTER ROLE stranger IN DATABASE %I SET work_mem = 1024',"
        " current_database()); END $$"
    ],
    "membership": ["CREATE ROLE readers", "GRANT readers TO stranger", "GRANT SELECT ON lease4 TO readers"],
}


@pytest.fixture
def uses(request: pytest.FixtureRequest, database: Database, stranger: str) -> Iterator[str]:
    database.execute(*USES[request.param])
    yield stranger
    database.execute("DROP SCHEMA IF EXISTS other CASCADE")
    if request.param == "membership":
        database.execute("DROP OWNED BY readers", "DROP ROLE readers")


@pytest.mark.parametrize("uses", USES, indirect=True)
def test_a_role_that_uses_the_database_is_not_shut_out_unnoticed(database: Database, uses: str) -> None:
    """A dump by cron has no session while the play runs."""
    for check in (True, False):
        refused = database.rights(check=check)
        assert refused.get("failed"), refused
        assert "shut out: stranger (it has rights, objects or settings there). Nothing" in refused["msg"]
        assert "kea_db_public_connect" in refused["msg"]
    assert may_connect(database, uses)
    grants = re.findall(r"GRANT CONNECT ON DATABASE [^.;]+", refused["msg"])
    database.execute(*grants)
    assert database.rights()["changed"]
    assert may_connect(database, uses)


def test_roles_that_keep_connecting_are_not_refused(database: Database, stranger: str) -> None:
    """A member of Kea's role keeps its right, and a superuser needs none."""
    database.execute(
        f'GRANT "{KEA}" TO {stranger}',
        f"GRANT SELECT ON lease4 TO {stranger}, postgres",
        f'GRANT SELECT ON lease4 TO "{MONITOR}"',
    )
    assert database.rights()["changed"]
    assert may_connect(database, stranger)


def test_a_role_with_a_right_of_its_own_stays(database: Database, stranger: str) -> None:
    database.execute(f"GRANT CONNECT ON DATABASE {database.name} TO {stranger}", f"GRANT SELECT ON hosts TO {stranger}")
    with database.session(stranger):
        assert database.rights()["changed"]
    assert may_connect(database, stranger)
    assert database.fetch("SELECT count(*) FROM hosts", stranger) == [(0,)]
    database.rights(state="absent")
    assert may_connect(database, stranger)


def test_the_rights_that_earlier_releases_granted_are_narrowed(database: Database) -> None:
    database.execute(f'GRANT SELECT, INSERT, UPDATE ON hosts, ipv6_reservations TO "{MONITOR}"')
    assert database.rights(dhcp6=True)["changed"]
    with pytest.raises(errors.InsufficientPrivilege):
        run(database, "LOCK TABLE hosts IN SHARE MODE")


def test_rights_are_added_first_and_narrowed_later(database: Database) -> None:
    """A monitor of an earlier release runs until the deployment has replaced it, on all hosts of the database."""
    database.execute(
        f'GRANT SELECT, INSERT, UPDATE ON hosts, ipv6_reservations TO "{MONITOR}"',
        f'GRANT DELETE ON hosts TO "{MONITOR}" WITH GRANT OPTION',
    )
    checked = database.rights(check=True, dhcp6=True, exclusive=False)
    added = database.rights(dhcp6=True, exclusive=False)
    assert added["queries"] == checked["queries"]
    assert not [query for query in added["queries"] if "REVOKE" in query and "TABLE" in query]
    run(database, "SELECT * FROM hosts", "SELECT * FROM ipv6_reservations", "SELECT kea_forget_reservations('{1}')")
    again = database.rights(dhcp6=True, exclusive=False)
    assert (again["changed"], again["kept"]) == (False, True)
    assert database.rights(check=True, dhcp6=True)["changed"]
    assert database.rights(dhcp6=True)["changed"]
    with pytest.raises(errors.InsufficientPrivilege):
        run(database, "SELECT * FROM hosts")
    for exclusive in (False, True):
        again = database.rights(dhcp6=True, exclusive=exclusive)
        assert (again["changed"], again["kept"]) == (False, False)
    assert database.rights(state="absent", exclusive=False)["changed"]
    with pytest.raises(errors.InsufficientPrivilege):
        run(database, "SELECT host_id FROM hosts")


def test_a_database_of_another_role_keeps_its_rights_with_a_warning(database: Database, stranger: str) -> None:
    database.execute(f"ALTER DATABASE {database.name} OWNER TO postgres", f'GRANT CREATE ON SCHEMA public TO "{KEA}"')
    found = database.rights(login_user=KEA)
    assert found["changed"]
    assert "belongs to postgres" in str(found["warnings"])
    assert may_connect(database, stranger)
    again = database.rights(login_user=KEA)
    assert not again["changed"]
    assert again["warnings"]


def test_the_owner_as_the_monitor_keeps_all_rights(database: Database) -> None:
    assert not database.rights(monitor=KEA).get("failed")
    run(database, "UPDATE hosts SET dhcp4_next_server = 1", user=KEA)


def test_unknown_roles_and_missing_tables_are_refused(database: Database) -> None:
    assert "There is no role nobody_here" in database.rights(monitor="nobody_here")["msg"]
    assert "no table elsewhere.hosts" in database.rights(schema="elsewhere")["msg"]
