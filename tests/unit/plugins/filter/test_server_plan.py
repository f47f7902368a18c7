# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The decisions of the role kea_server, as tables without hosts."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.baremetal.kea.plugins.filter import plan as filters

NAMES = {"config": "/kea.conf", "candidate": "/candidate.conf", "unit_addition": "/unit.d/kea.conf", "user": "_kea"}
SOCKET = "/var/run/postgresql"
FILE = {"type": "memfile"}
LOCAL = {"type": "postgresql", "name": "kea", "host": SOCKET, "port": 5432, "user": "_kea"}
REMOTE = {"type": "postgresql", "name": "kea", "host": "db1,db2", "port": 5432, "user": "kea", "ssl-mode": "require"}
MYSQL = {"type": "mysql", "name": "kea", "host": "db1"}
CERTIFICATES = {"trust_anchor_file": "/ca", "cert_file": "/cert", "key_file": "/key"}
NEW_UNIT = {"changed_paths": ["/unit.d/kea.conf"], "new_paths": ["/new"]}


def wanted(mode: str = "file", host: str = SOCKET, **others: Any) -> dict[str, Any]:
    database = {"host": host, "port": 5432, "name": "kea", "user": "_kea", "password": "", "ssl_mode": ""}
    database.update({"trust_anchor": "", "certificate": "", **others.pop("database", {})})
    return {
        "lease_database": "postgresql" if mode == "events" else "memfile",
        "hosts_database": "none" if mode == "file" else "postgresql",
        "database": database,
        "reservations_directory": "/reservations",
        "interfaces": ["eth0"],
        "subnets": [{"id": 1, "subnet": "192.0.2.0/24"}],
        "settings": {},
        **others,
    }


def found(leases: Any = FILE, hosts: Any = None, server: Any = None, **config: Any) -> dict[str, Any]:
    server = {"version": "2.6.0", "outdated": False, "tls_environment": {}, **(server or {})}
    hosts_databases = [hosts] if hosts else None
    return {"server": server, "config": {"lease_database": leases, "hosts_databases": hosts_databases, **config}}


BARE = found(None, server={"version": None})


def make(asked: dict[str, Any], now: dict[str, Any], check_mode: bool = False, **results: Any) -> dict[str, Any]:
    return filters.server_plan(asked, NAMES, now, results, check_mode)


@pytest.mark.parametrize(
    ("mode", "host", "before", "moves", "go"),
    [
        ("file", SOCKET, (None, None), False, "nowhere"),
        ("file", SOCKET, (FILE, None), False, "nowhere"),
        ("database", SOCKET, (FILE, None), True, "database"),
        ("events", SOCKET, (FILE, None), True, "database"),
        ("events", SOCKET, (FILE, LOCAL), True, "nowhere"),
        ("events", SOCKET, (LOCAL, LOCAL), False, "nowhere"),
        ("events", "db2", (REMOTE, REMOTE), False, "nowhere"),
        ("events", "db3", (REMOTE, REMOTE), True, "nowhere"),
        ("database", SOCKET, (LOCAL, LOCAL), True, "nowhere"),
        ("file", SOCKET, (LOCAL, LOCAL), True, "files"),
        ("file", SOCKET, (FILE, LOCAL), True, "files"),
    ],
)
def test_what_moves(mode: str, host: str, before: Any, moves: bool, go: str) -> None:
    plan = make(wanted(mode, host), found(*before))
    assert (plan["moves"], plan["reservations_go"]) == (moves, go)
    assert plan["edited"] == ("/candidate.conf" if moves else "/kea.conf")


@pytest.mark.parametrize(
    ("mode", "host", "leases", "hosts", "can"),
    [
        ("events", "db3", REMOTE, None, True),
        ("events", "db3", REMOTE, REMOTE, False),
        ("events", "db1", REMOTE, REMOTE, True),
        ("file", SOCKET, REMOTE, REMOTE, True),
        ("file", SOCKET, MYSQL, None, False),
        ("file", SOCKET, FILE, MYSQL, False),
    ],
)
def test_what_can_move(mode: str, host: str, leases: Any, hosts: Any, can: bool) -> None:
    assert make(wanted(mode, host), found(leases, hosts))["can_move"] is can


def test_a_move_needs_a_directory_of_reservations() -> None:
    assert make(wanted("database", reservations_directory=""), found())["reservations_go"] == "nowhere"
    assert make(wanted("file", reservations_directory=""), found(FILE, LOCAL))["reservations_go"] == "nowhere"


@pytest.mark.parametrize(("now", "check"), [(BARE, True), (BARE, False), (found(), True)])
def test_without_kea_and_in_check_mode_the_configuration_itself_is_edited(now: dict[str, Any], check: bool) -> None:
    assert make(wanted("events"), now, check)["edited"] == "/kea.conf"


def test_before_anything_was_looked_at_the_variables_are_known() -> None:
    plan = make(wanted("events", "db1"), {})
    assert (plan["is_installed"], plan["uses_database"], plan["database_is_local"]) == (False, True, False)


@pytest.mark.parametrize(
    ("host", "database", "certificates", "tls"),
    [
        (SOCKET, {}, {}, {}),
        ("db1", {}, {}, {"ssl_mode": "prefer"}),
        ("db1", {"ssl_mode": "require"}, {}, {"ssl_mode": "require"}),
        (
            "db1",
            {"trust_anchor": "CA"},
            CERTIFICATES,
            {"ca_cert": "/ca", "ssl_cert": "/cert", "ssl_key": "/key"},
        ),
    ],
)
def test_reservations_that_enter_the_database_log_in_to_it(
    host: str, database: dict[str, str], certificates: dict[str, str], tls: dict[str, str]
) -> None:
    plan = make(wanted("database", host, database=database), found(), certificates=certificates)
    where = {"login_unix_socket": host} if host == SOCKET else {"login_host": host}
    expected = {**where, "login_port": 5432, "login_user": "_kea", "login_db": "kea", **tls}
    assert plan["login"]["options"] == expected
    assert plan["login"]["become_user"] == ("_kea" if host == SOCKET else "root")


@pytest.mark.parametrize(
    ("environment", "tls"),
    [
        ({}, {"ssl_mode": "require"}),
        ({"PGSSLMODE": "verify-ca", "PGSSLROOTCERT": "/env"}, {"ssl_mode": "verify-ca", "ca_cert": "/env"}),
    ],
)
def test_reservations_that_leave_a_database_log_in_as_kea_does(
    environment: dict[str, str], tls: dict[str, str]
) -> None:
    plan = make(wanted("file"), found(REMOTE, REMOTE, server={"tls_environment": environment}))
    expected = {"login_host": "db1,db2", "login_port": 5432, "login_user": "kea", "login_db": "kea", **tls}
    assert plan["login"] == {"options": expected, "become": False, "become_user": "root"}


@pytest.mark.parametrize(
    ("mode", "leases", "purposes"),
    [
        ("file", FILE, [("hosts", "absent", None)]),
        ("file", LOCAL, [("lease", None, None), ("hosts", "absent", None)]),
        ("database", FILE, [("hosts", "present", None)]),
        ("events", FILE, [("lease", None, None), ("hosts", "present", "stop-retry-exit")]),
    ],
)
def test_the_databases_of_kea(mode: str, leases: Any, purposes: list[Any]) -> None:
    databases = make(wanted(mode), found(leases))["databases"]
    assert [(one["purpose"], one.get("state"), one.get("on_fail")) for one in databases] == purposes
    assert databases[-1]["exclusive"]


def test_settings_join_those_of_the_role() -> None:
    site = {
        "interfaces-config": {"dhcp-socket-type": "udp"},
        "hooks-libraries": [{"library": "/hook.so"}],
        "valid-lifetime": 60,
    }
    settings = make(wanted(settings=site), found(control_sockets=[{"socket-type": "unix"}]))["settings"]
    assert settings == {
        "Dhcp4/subnet4": [
            {
                "id": 1,
                "subnet": "192.0.2.0/24",
                "reservations": [{"<?include?>": "/reservations/applied/subnet-1.json"}],
            }
        ],
        "Dhcp4/interfaces-config": {"dhcp-socket-type": "udp", "interfaces": ["eth0"]},
        "Dhcp4/hooks-libraries[library=/hook.so]": {"library": "/hook.so"},
        "Dhcp4/valid-lifetime": 60,
    }
    settings = make(wanted("database"), found())["settings"]
    assert settings["Dhcp4/subnet4"] == [{"id": 1, "subnet": "192.0.2.0/24"}]
    assert settings["Dhcp4/interfaces-config/interfaces"] == ["eth0"]
    assert settings["Dhcp4/control-socket"]["socket-name"] == "/run/kea/kea4-ctrl-socket"


@pytest.mark.parametrize(
    ("untouched", "settings", "absent"),
    [(True, {}, ["Dhcp4/option-data"]), (False, {}, []), (True, {"option-data": []}, [])],
)
def test_the_options_of_debians_example_go(untouched: bool, settings: dict[str, Any], absent: list[str]) -> None:
    assert make(wanted(settings=settings), found(untouched=untouched))["absent"] == absent


@pytest.mark.parametrize(
    ("outdated", "results", "restart", "leftovers"),
    [
        (False, {}, False, ["/candidate.conf"]),
        (True, {}, True, ["/candidate.conf"]),
        (False, {"config": {"changed": True}}, True, ["/candidate.conf"]),
        (False, {"files": NEW_UNIT}, True, ["/candidate.conf", "/new"]),
        (True, {"files": NEW_UNIT, "moved": {"silence": 0.5}}, False, ["/candidate.conf"]),
        (False, {"files": NEW_UNIT, "moved": {"changed": False}}, True, ["/candidate.conf", "/new"]),
    ],
)
def test_restart_and_leftovers(outdated: bool, results: dict[str, Any], restart: bool, leftovers: list[str]) -> None:
    plan = make(wanted(), found(server={"outdated": outdated}), **results)
    assert (plan["needs_restart"], plan["leftovers"]) == (restart, leftovers)


@pytest.mark.parametrize(
    ("mode", "now", "paths"),
    [
        ("file", BARE, ["/unit.d", "/unit.d/kea.conf"]),
        ("database", found(), ["/kea.conf", "/unit.d", "/unit.d/kea.conf"]),
        (
            "file",
            found(),
            [
                "/reservations",
                "/reservations/applied",
                "/reservations/applied/subnet-1.json",
                "/kea.conf",
                "/unit.d",
                "/unit.d/kea.conf",
            ],
        ),
    ],
)
def test_the_files_of_kea(mode: str, now: dict[str, Any], paths: list[str]) -> None:
    files = filters.server_files(wanted(mode), NAMES, now, "[Unit]")
    assert [one["path"] for one in files] == paths
    assert files[-1]["content"] == "[Unit]"


HOST_CMDS = "/usr/lib/x86_64-linux-gnu/kea/hooks/libdhcp_host_cmds.so"


@pytest.mark.parametrize(
    ("mode", "installed", "loaded", "asked", "expected"),
    [
        ("file", HOST_CMDS, [], [], {"library": HOST_CMDS}),
        ("file", HOST_CMDS, [HOST_CMDS], [], {"library": HOST_CMDS}),
        ("file", HOST_CMDS, ["/opt/libdhcp_host_cmds.so"], [], None),
        ("file", HOST_CMDS, [], ["libdhcp_host_cmds.so"], None),
        ("file", HOST_CMDS, ["/opt/libdhcp_ha.so"], ["/opt/libdhcp_lease_cmds.so"], {"library": HOST_CMDS}),
        ("file", None, [], [], None),
        ("database", HOST_CMDS, [], [], None),
    ],
)
def test_a_kea_that_takes_reservations_by_command_loads_the_hook_for_it(
    mode: str, installed: str | None, loaded: list[str], asked: list[str], expected: Any
) -> None:
    now = found(server={"reservation_hook": installed}, hooks_libraries=[{"library": path} for path in loaded])
    settings = {"hooks-libraries": [{"library": path} for path in asked]}
    plan = make({**wanted(mode), "settings": settings}, now)
    assert plan["settings"].get(f"Dhcp4/hooks-libraries[library={HOST_CMDS}]") == expected
