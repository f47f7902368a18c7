# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module kea_schema with the real kea-admin and a PostgreSQL of its own."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.baremetal.kea.plugins.module_utils._config.versions import capabilities
from ansible_collections.baremetal.kea.plugins.module_utils._host import time_zone
from ansible_collections.baremetal.kea.plugins.module_utils._schema import ensure, pgsql
from support.modules import run_module
from support.postgres import Cluster, postgres_cluster
from support.programs import need

pytestmark = [pytest.mark.kea, pytest.mark.postgres, pytest.mark.slow]

PASSWORD = "db-pass-word"
IN_FILES = '"lease-database": {"type": "memfile"}'
HOSTS_IN_DATABASE = '"hosts-databases": [{"type": "postgresql"}]'
CREATE_SCRIPT = Path("/usr/share/kea/scripts/pgsql/dhcpdb_create.pgsql")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    need("kea-admin")
    with postgres_cluster() as running:
        running.sql(f"CREATE ROLE kea LOGIN PASSWORD '{PASSWORD}'")
        yield running


@pytest.fixture
def login(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[dict[str, Any]]:
    """Return options for an empty database, with a role that needs its password."""
    cluster.sql("CREATE DATABASE dhcp OWNER kea")
    yield {**cluster.login, "login_user": "kea", "login_password": PASSWORD, "login_db": "dhcp"}
    cluster.sql("DROP DATABASE dhcp WITH (FORCE)")


def make_schema_12(cluster: Cluster) -> None:
    """Create the schema 12.0: Kea's create script contains all versions in order, so its beginning does that."""
    script = CREATE_SCRIPT.read_text()
    assert "upgrade to version 13." in script, f"{CREATE_SCRIPT} is not that of Kea 2.2"
    before, _after = script.split("-- This line starts the schema upgrade to version 13.")
    cluster.sql(f"SET ROLE kea; {before} COMMIT;", "dhcp")


def test_check_apply_again(cluster: Cluster, login: dict[str, Any]) -> None:
    predicted = {"changed": True, "schema_version": "13.0", "previous_version": None}
    check = run_module("kea_schema", check=True, **login)
    assert check.items() >= predicted.items()
    assert cluster.sql("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'", "dhcp") == "0"

    applied = run_module("kea_schema", **login)
    assert applied.items() >= predicted.items()
    assert PASSWORD not in repr(applied)
    assert cluster.sql("SELECT version, minor FROM schema_version", "dhcp") == "13|0"
    assert cluster.sql("SELECT tableowner FROM pg_tables WHERE tablename = 'lease4'", "dhcp") == "kea"

    for state in ({}, {"state": "upgraded", "dump_dir": "/nowhere"}):
        again = run_module("kea_schema", **login, **state)
        assert again.items() >= {"changed": False, "previous_version": "13.0"}.items()


def test_an_older_schema_is_upgraded_only_when_asked_and_after_a_dump(
    cluster: Cluster, login: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[str] = []
    monkeypatch.setattr(AnsibleModule, "log", lambda _module, text, **_more: lines.append(text))
    make_schema_12(cluster)
    refused = run_module("kea_schema", **login)
    assert "the schema is 12.0, but Kea 2.2.0 needs 13.0" in refused["msg"]
    assert "state: upgraded" in refused["msg"]
    assert refused["outdated"]

    upgraded = {"state": "upgraded", "dump_dir": str(tmp_path), **login}
    check = run_module("kea_schema", check=True, **upgraded)
    assert check.items() >= {"changed": True, "schema_version": "13.0", "previous_version": "12.0"}.items()
    assert not list(tmp_path.iterdir())

    applied = run_module("kea_schema", **upgraded)
    assert applied["previous_version"] == "12.0"
    assert cluster.sql("SELECT version FROM schema_version", "dhcp") == "13"
    dump = Path(applied["dump"])
    assert [line for line in lines if line.startswith("step")] == [
        f"step 1 of 2: dumping dhcp to {dump}",
        "step 2 of 2: kea-admin upgrades the schema from 12.0 to 13.0",
    ]
    assert list(tmp_path.iterdir()) == [dump]
    assert dump.stat().st_mode & 0o777 == 0o600
    listed = subprocess.run([need("pg_restore"), "--list", dump], capture_output=True, text=True, check=True)
    assert "TABLE DATA public lease4 kea" in listed.stdout
    assert not run_module("kea_schema", **upgraded)["changed"]


def test_dump_restores_the_previous_schema_and_its_leases(
    cluster: Cluster, login: dict[str, Any], tmp_path: Path
) -> None:
    make_schema_12(cluster)
    cluster.sql(
        "INSERT INTO lease4 (address, hwaddr, valid_lifetime, expire, subnet_id) VALUES (7, 'x', 60, now(), 1)", "dhcp"
    )
    contents = "SELECT * FROM lease4; SELECT * FROM schema_version; SELECT tablename FROM pg_tables ORDER BY 1"
    before = cluster.sql(contents, "dhcp")
    applied = run_module("kea_schema", state="upgraded", dump_dir=str(tmp_path), **login)
    assert cluster.sql(contents, "dhcp") != before
    cluster.sql("CREATE DATABASE restored OWNER kea")
    try:
        to = ["-h", cluster.directory, "-p", str(cluster.port), "-U", "postgres", "-d", "restored"]
        subprocess.run([need("pg_restore"), "--exit-on-error", *to, applied["dump"]], check=True)
        assert cluster.sql(contents, "restored") == before
    finally:
        cluster.sql("DROP DATABASE restored WITH (FORCE)")


def test_monitor_state_does_not_prevent_the_dump(cluster: Cluster, login: dict[str, Any], tmp_path: Path) -> None:
    make_schema_12(cluster)
    cluster.sql("SET ROLE kea; CREATE SCHEMA kea_lease_monitor", "dhcp")
    cluster.sql("CREATE TABLE kea_lease_monitor.bookmark AS SELECT 7 AS xid", "dhcp")
    assert run_module("kea_schema", state="upgraded", dump_dir=str(tmp_path), **login)["changed"]
    assert cluster.sql("SELECT xid FROM kea_lease_monitor.bookmark", "dhcp") == "7"


def test_nothing_is_upgraded_while_a_kea_may_serve(
    cluster: Cluster, login: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_schema_12(cluster)
    upgraded = {"state": "upgraded", "dump_dir": str(tmp_path), **login}
    where = {"host": str(cluster.directory), "port": cluster.port, "dbname": "dhcp"}
    session = psycopg2.connect(**where, user="kea", password=PASSWORD)
    try:
        for check in (True, False):
            refused = run_module("kea_schema", check=check, **upgraded)
            assert "the role kea has other sessions with the database, from the unix socket" in refused["msg"]
        assert cluster.sql("SELECT version FROM schema_version", "dhcp") == "12"
        assert not list(tmp_path.iterdir())
    finally:
        session.close()
    systemctl = tmp_path / "bin" / "systemctl"
    systemctl.parent.mkdir()
    systemctl.write_text(
        "#!/bin/sh\necho Id=kea-dhcp4-server.service\necho LoadState=loaded\necho ActiveState=active\n"
    )
    systemctl.chmod(0o755)
    monkeypatch.setenv("PATH", f"{systemctl.parent}:{os.environ['PATH']}")
    monkeypatch.setattr(ensure, "CONFIG_DIRECTORY", str(tmp_path))
    # The first is no file: then it is unknown what Kea was started with.
    for config in ("", '"lease-database": {"type": "postgresql"}', f"{IN_FILES}, {HOSTS_IN_DATABASE}"):
        if config:
            (tmp_path / "kea-dhcp4.conf").write_text(f'{{"Dhcp4": {{{config}}}}}')
        assert "kea-dhcp4-server.service still serves clients" in run_module("kea_schema", **upgraded)["msg"]
    assert run_module("kea_schema", check=True, while_serving=True, **upgraded)["changed"]
    for family in (4, 6):
        (tmp_path / f"kea-dhcp{family}.conf").write_text(f'{{"Dhcp{family}": {{{IN_FILES}}}}}')
    assert run_module("kea_schema", **upgraded)["changed"]


def test_time_zones_that_differ_are_refused(cluster: Cluster, login: dict[str, Any]) -> None:
    cluster.sql("ALTER ROLE kea SET timezone TO 'Asia/Tokyo'")
    try:
        for check in (True, False):
            refused = run_module("kea_schema", check=check, **login)
            assert "is another time in the database" in refused["msg"]
            assert 'ALTER ROLE "kea" SET timezone' in refused["msg"]
        assert cluster.sql("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'", "dhcp") == "0"
    finally:
        cluster.sql("ALTER ROLE kea RESET timezone")


def test_zones_may_differ_in_summer_only(monkeypatch: pytest.MonkeyPatch) -> None:
    berlin = [1768474800, 1784109600]
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    assert time_zone.difference(berlin) is None
    monkeypatch.setenv("TZ", "Africa/Lagos")
    time.tzset()
    assert "2026-07-15 12:00:00" in str(time_zone.difference(berlin))
    monkeypatch.undo()
    time.tzset()


def test_without_a_dump_there_is_no_upgrade(cluster: Cluster, login: dict[str, Any]) -> None:
    make_schema_12(cluster)
    refused = run_module("kea_schema", state="upgraded", dump_dir="/nowhere", **login)
    assert refused["msg"].startswith("the database could not be dumped, so it is not upgraded:")
    assert "/nowhere" in refused["msg"]
    assert cluster.sql("SELECT version FROM schema_version", "dhcp") == "12"


def test_failed_upgrade_with_exit_code_0_is_detected(cluster: Cluster, login: dict[str, Any], tmp_path: Path) -> None:
    """kea-admin 2.2 ends with 0 when the statements of the upgrade fail."""
    run_module("kea_schema", **login)
    cluster.sql("UPDATE schema_version SET version = 12", "dhcp")
    result = run_module("kea_schema", state="upgraded", dump_dir=str(tmp_path), **login)
    assert result["failed"]
    assert "left the schema at 12.0 instead of 13.0" in result["msg"]
    assert str(next(tmp_path.iterdir())) in result["msg"]
    assert "ERROR" in result["msg"]


def test_a_newer_schema_is_refused(cluster: Cluster, login: dict[str, Any], tmp_path: Path) -> None:
    run_module("kea_schema", **login)
    cluster.sql("UPDATE schema_version SET version = 14", "dhcp")
    for state in ({}, {"state": "upgraded", "dump_dir": str(tmp_path)}):
        result = run_module("kea_schema", **login, **state)
        assert "the schema is 14.0, newer than the 13.0 of the installed Kea 2.2.0" in result["msg"]
        assert not result["outdated"]


def test_a_foreign_database_is_refused_in_check_mode_too(cluster: Cluster, login: dict[str, Any]) -> None:
    cluster.sql("CREATE TABLE bills (id int); CREATE VIEW debts AS TABLE bills", "dhcp")
    for check in (True, False):
        result = run_module("kea_schema", check=check, **login)
        assert "holds no schema of Kea, but bills, debts" in result["msg"]


def test_a_wrong_password_is_refused_in_check_mode_too(login: dict[str, Any]) -> None:
    for check in (True, False):
        result = run_module("kea_schema", check=check, **{**login, "login_password": "wrong"})
        assert 'password authentication failed for user "kea"' in result["msg"]
        assert "wrong" not in result["msg"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"login_port": 1}, "No such file or directory"),
        ({"login_host": "127.0.0.1", "login_port": 1}, "Connection refused"),
        ({"login_db": "nothing"}, 'database "nothing" does not exist'),
    ],
)
def test_an_unreachable_database(login: dict[str, Any], options: dict[str, Any], message: str) -> None:
    result = run_module("kea_schema", **{**login, **options})
    assert result["failed"]
    assert message in result["msg"]
    predicted = run_module("kea_schema", check=True, **{**login, **options})
    assert predicted["changed"]
    assert "Predicted without asking the database" in repr(predicted["warnings"])


def test_the_connection_as_libpq_variables() -> None:
    options = {
        "login_host": "localhost",
        "login_unix_socket": "",
        "login_port": 5433,
        "login_user": "u",
        "login_db": "d",
    }
    tls = {"ssl_mode": "verify-full", "ca_cert": "/ca", "ssl_cert": "/cert", "ssl_key": "/key"}
    connection = pgsql.connection_of({**options, **tls, "login_password": ""})
    assert pgsql.environment_of(connection).items() >= {
        ("PGPORT", "5433"),
        ("PGSSLMODE", "verify-full"),
        ("PGSSLROOTCERT", "/ca"),
        ("PGSSLCERT", "/cert"),
        ("PGSSLKEY", "/key"),
    }
    assert "PGPASSWORD" not in pgsql.environment_of(connection)
    hosts = [
        ("", "", "/var/run/postgresql"),
        ("localhost", "/s", "/s"),
        ("localhost", "", "localhost"),
        ("h", "/s", "h"),
    ]
    for host, socket, used in hosts:
        changed = {**options, **tls, "login_password": "", "login_host": host, "login_unix_socket": socket}
        connection = pgsql.connection_of(changed)
        assert connection.host == used
        assert "PGTARGETSESSIONATTRS" not in pgsql.environment_of(connection)
    several = pgsql.connection_of({**options, **tls, "login_password": "", "login_host": "a,b"})
    assert pgsql.environment_of(several)["PGTARGETSESSIONATTRS"] == "read-write"


def test_check_mode_predicts_before_anything_is_installed(
    monkeypatch: pytest.MonkeyPatch, login: dict[str, Any]
) -> None:
    monkeypatch.setattr(AnsibleModule, "get_bin_path", lambda *_arguments, **_options: None)
    assert run_module("kea_schema", check=True, **login)["changed"]


def test_unknown_kea_version_is_refused(monkeypatch: pytest.MonkeyPatch, login: dict[str, Any]) -> None:
    monkeypatch.setattr(ensure, "capabilities", lambda _version: capabilities("9.9.9"))
    assert "Kea 9.9.9 is newer than this collection" in run_module("kea_schema", **login)["msg"]


def test_no_command_line_holds_the_password(monkeypatch: pytest.MonkeyPatch, login: dict[str, Any]) -> None:
    commands: list[list[str]] = []
    run_command = AnsibleModule.run_command

    def spy(module: AnsibleModule, command: list[str], **options: Any) -> Any:
        commands.append(command)
        return run_command(module, command, **options)

    monkeypatch.setattr(AnsibleModule, "run_command", spy)
    assert run_module("kea_schema", **login)["changed"]
    assert [command[1] for command in commands if command[0].endswith("kea-admin")] == ["-v", "db-init", "db-version"]
    assert not [word for command in commands for word in command if PASSWORD in word]
