# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules refuse before the first change, in check mode too: missing rights, unknown roles and a standby."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Iterator

import pytest
from support.catalogue import CATALOGUE
from support.database import KEA, MONITOR, Standby
from support.modules import run_module
from support.postgres import running

if TYPE_CHECKING:
    from support.database import Database, KeaCluster

pytestmark = pytest.mark.postgres

STRANGER = 'str"anger'


@pytest.fixture
def stranger(database: Database) -> Iterator[str]:
    database.execute('CREATE ROLE "str""anger" LOGIN')
    yield STRANGER
    database.execute('DROP OWNED BY "str""anger"', f'REVOKE "{KEA}" FROM "str""anger"', 'DROP ROLE "str""anger"')


LACKING = {
    "rights": [
        "ownership of the table public.hosts, which is _kea's",
        "CREATE on the schema public",
        "membership in the role _kea, which is to own what is made",
    ],
    "constraint": [
        "ownership of the table public.hosts, which is _kea's",
        "CREATE on the schema public",
        "SELECT on the table public.hosts",
    ],
    "notify": [
        "CREATE on the database kea",
        "membership in the role _kea, which is to own what is made",
        "CREATE on the schema public",
        "ownership of the table public.lease4, which is _kea's",
        "TRIGGER on the table public.lease4",
    ],
}


@pytest.mark.parametrize("module", LACKING)
def test_every_missing_right_is_named_with_its_grant(database: Database, stranger: str, module: str) -> None:
    run = getattr(database, module)
    before = database.fetch(CATALOGUE)
    for check in (True, False):
        refused = run(check=check, login_user=stranger)
        assert refused["sqlstate"] == "42501"
        assert f"The role {stranger} lacks rights, so nothing was changed" in refused["msg"]
        for right in LACKING[module]:
            assert right in refused["msg"]
    assert database.fetch(CATALOGUE) == before
    mending = re.findall(r"\((GRANT [^)]*)\)", refused["msg"])
    assert len(mending) >= len(LACKING[module])
    database.execute(*mending)
    assert run(login_user=stranger)["changed"]
    assert not run()["changed"]
    # Removing the objects needs no more rights than creating them.
    assert run(login_user=stranger, state="absent")["changed"]


@pytest.mark.parametrize(
    ("change", "lacking"),
    [
        ("ALTER TABLE kea_events.lease_event OWNER TO postgres", "ownership of the event table, which is postgres's"),
        ("ALTER SCHEMA kea_events OWNER TO postgres", "ownership of the event schema, which is postgres's"),
        ("ALTER FUNCTION kea_lease_notify() OWNER TO postgres", "ownership of the function, which is postgres's"),
        (
            "ALTER TABLE lease4 OWNER TO postgres; DROP TRIGGER kea_lease_notify_trigger ON lease4; "
            f'REVOKE TRIGGER ON lease4 FROM "{KEA}"',
            "TRIGGER on the table public.lease4",
        ),
        (
            "ALTER TABLE lease4 OWNER TO postgres, DISABLE TRIGGER kea_lease_notify_trigger",
            "ownership of the table public.lease4, which is postgres's",
        ),
        (
            "DROP FUNCTION kea_lease_notify() CASCADE; ALTER SCHEMA public OWNER TO postgres",
            'CREATE on the schema public (GRANT CREATE ON SCHEMA "public" TO "_kea")',
        ),
        (
            f'ALTER TABLE kea_events.lease_event ADD extra int; REVOKE ALL ON DATABASE {{name}} FROM PUBLIC, "{KEA}"; '
            f'GRANT CONNECT ON DATABASE {{name}} TO "{KEA}"',
            "TEMPORARY on the database {name}",
        ),
    ],
)
def test_correcting_an_object_needs_rights(database: Database, change: str, lacking: str) -> None:
    """The owner of everything has all rights until a person changes an object."""
    database.notify()
    database.execute(change.format(name=database.name))
    before = database.fetch(CATALOGUE)
    refused = database.notify(check=True, login_user=KEA, owner=KEA)
    assert refused["sqlstate"] == "42501"
    assert lacking.format(name=database.name) in refused["msg"]
    assert database.notify(login_user=KEA, owner=KEA)["msg"] == refused["msg"]
    assert database.fetch(CATALOGUE) == before


def test_new_owner_needs_create_on_the_schema(database: Database, stranger: str) -> None:
    """PostgreSQL requires it of the new owner, unless a superuser changes the owner."""
    database.execute('GRANT "str""anger" TO "_kea"')
    refused = database.notify(check=True, login_user=KEA, owner=stranger)
    assert f"CREATE on the schema public for the role {stranger}" in refused["msg"]
    assert database.notify(login_user=KEA, owner=stranger)["msg"] == refused["msg"]
    database.execute('GRANT CREATE ON SCHEMA public TO "str""anger"')
    assert database.notify(login_user=KEA, owner=stranger)["changed"]
    database.notify(state="absent")


def test_reader_without_usage_on_the_schema_is_refused(database: Database) -> None:
    database.execute("REVOKE USAGE ON SCHEMA public FROM PUBLIC")
    for check in (True, False):
        refused = database.notify(check=check, readers=[MONITOR])
        assert f"USAGE on the schema public for the role {MONITOR}" in refused["msg"]
    database.execute(*re.findall(r"\((GRANT [^)]*)\)", refused["msg"]))
    assert database.notify(readers=[MONITOR])["changed"]


def test_unchanged_run_needs_no_rights(database: Database) -> None:
    """Rights are needed only for changes."""
    database.constraint()
    database.notify()
    assert not database.constraint(login_user=MONITOR)["changed"]
    assert not database.notify(login_user=MONITOR)["changed"]


@pytest.mark.parametrize("options", [{"readers": [MONITOR, "unknown"]}, {"owner": "unknown"}])
def test_unknown_role_is_refused_in_check_mode_too(database: Database, options: dict) -> None:
    for check in (True, False):
        refused = database.notify(check=check, **options)
        assert refused["sqlstate"] == "42704"
        assert "There is no role unknown, so nothing was changed" in refused["msg"]
        assert "Create the role first" in refused["msg"]


@pytest.fixture
def standby(cluster: KeaCluster, database: Database) -> Iterator[dict]:
    """Module options that reach a standby, which follows the cluster as it is."""
    del database  # exists already, so the copy has it
    with running(Standby(cluster)) as follower:
        yield {"login_unix_socket": follower.socket}


def test_standby_is_refused(database: Database, standby: dict) -> None:
    login = {**standby, "login_db": database.name}
    for module, options in (
        ("kea_hosts_constraint", {}),
        ("kea_lease_notify", {"readers": [MONITOR]}),
        ("kea_database_rights", {}),
    ):
        for check in (True, False):
            refused = run_module(module, check, **login, **options)
            assert refused["sqlstate"] == "25006", refused
            assert "The server is a standby, so nothing was changed" in refused["msg"]
            assert "connect to the primary" in refused["msg"]
        unchanged = run_module(module, **login, **options, state="absent")
        assert not unchanged["changed"]


def test_member_without_inherit_is_refused_with_its_grant(database: Database, stranger: str) -> None:
    """It could give a schema to the owner, and could not use the schema afterwards."""
    if database.value("SELECT current_setting('server_version_num')::int") < 160000:
        database.execute('ALTER ROLE "str""anger" NOINHERIT', f'GRANT "{KEA}" TO "str""anger"')
    else:
        database.execute(f'GRANT "{KEA}" TO "str""anger" WITH INHERIT FALSE')
    database.execute(f'GRANT CREATE ON DATABASE {database.name} TO "str""anger"')
    database.execute('GRANT ALL ON SCHEMA public TO "str""anger"', 'GRANT ALL ON lease4 TO "str""anger"')
    before = database.fetch(CATALOGUE)
    for check in (True, False):
        refused = database.notify(check=check, login_user=stranger, readers=[])
        assert "membership in the role _kea, which is to own what is made" in refused["msg"]
    assert database.fetch(CATALOGUE) == before
    # As Kea's role it has all rights.
    assert database.notify(check=True, login_user=stranger, readers=[], session_role=KEA)["changed"]
    database.execute(*re.findall(r"\((GRANT [^)]*)\)", refused["msg"]))
    assert database.notify(login_user=stranger, readers=[])["changed"]
    database.notify(state="absent")
