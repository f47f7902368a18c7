# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The decisions of the role kea_server, as tables without hosts."""

from __future__ import annotations

import os
import pwd
import subprocess
import tempfile
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from ansible_collections.baremetal.kea.plugins.filter import plan as filters
from ansible_collections.baremetal.kea.plugins.plugin_utils import _server_merge
from support.modules import run_module

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
        "shared_networks": [],
        "settings": {},
        "exclusive": False,
        "pair": {**PAIR, **others.pop("pair", {})},
        "config_group": "",
        **others,
    }


def found(leases: Any = MappingProxyType(FILE), hosts: Any = None, server: Any = None, **config: Any) -> dict[str, Any]:
    server = {"version": "2.6.0", "outdated": False, "tls_environment": {}, **(server or {})}
    hosts_databases = [hosts] if hosts else None
    subnets = config.pop("subnets", [])
    config = {
        "keys": ["subnet4"],
        "lease_database": leases and dict(leases),
        "hosts_databases": hosts_databases,
        **config,
    }
    return {"server": server, "config": config, "subnets": subnets}


def known(number: int, prefix: str, **facts: Any) -> dict[str, Any]:
    """A subnet as kea_info finds it."""
    place = {"file": "/etc/kea/kea-dhcp4.conf", "line": 7, "editable": True, "has_id": True, "reservation_files": []}
    return {"id": number, "subnet": prefix, "leases": 0, "leases_source": "file", **place, **facts}


PAIR = {"mode": "", "this": "", "peers": [], "user": "kea", "password": "", "trust_anchor": "", "shared_leases": False}
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
        ("file", SOCKET, FILE, MYSQL, True),
        ("database", SOCKET, FILE, MYSQL, True),
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
    ("mode", "before", "purposes"),
    [
        ("file", (FILE, None), []),
        ("file", (LOCAL, None), [("lease", None, None)]),
        ("file", (LOCAL, LOCAL), [("lease", None, None), ("hosts", "absent", None)]),
        ("database", (FILE, None), [("hosts", "present", None)]),
        ("events", (FILE, None), [("lease", None, None), ("hosts", "present", "stop-retry-exit")]),
        ("file", (FILE, MYSQL), []),
        ("database", (FILE, MYSQL), [("hosts", "present", None)]),
        ("database", (FILE, {**LOCAL, "name": "theirs"}), [("hosts", "present", None)]),
        ("database", (FILE, {**LOCAL, "host": "db1"}), [("hosts", "present", None)]),
    ],
)
def test_the_databases_of_kea_leave_those_of_the_site(mode: str, before: Any, purposes: list[Any]) -> None:
    databases = make(wanted(mode), found(*before))["databases"]
    assert [(one["purpose"], one.get("state"), one.get("on_fail")) for one in databases] == purposes
    assert not any(one.get("exclusive") for one in databases)


def test_a_database_of_ours_under_other_hosts_is_replaced() -> None:
    databases = make(wanted("database", "db2"), found(FILE, REMOTE))["databases"]
    assert [(one["state"], one["host"]) for one in databases] == [("absent", "db1,db2"), ("present", "db2")]


def test_settings_are_merged_and_each_subnet_includes_its_reservations() -> None:
    site = {"interfaces-config": {"dhcp-socket-type": "udp"}, "valid-lifetime": 60}
    plan = make(wanted(settings=site), found(control_sockets=[UNIX]))
    include = {"<?include?>": "/reservations/applied/subnet-1.json"}
    assert plan["merge"] == {
        "subnet4": [{"id": 1, "subnet": "192.0.2.0/24", "reservations": [include]}],
        "interfaces-config": {"dhcp-socket-type": "udp", "interfaces": ["eth0"]},
        "valid-lifetime": 60,
    }
    assert set(plan["settings"]) == {
        "Dhcp4/interfaces-config/service-sockets-max-retries",
        "Dhcp4/interfaces-config/service-sockets-retry-wait-time",
    }
    plan = make(wanted("database"), found())
    assert plan["merge"]["subnet4"] == [{"id": 1, "subnet": "192.0.2.0/24"}]
    assert plan["settings"]["Dhcp4/control-socket"]["socket-name"] == "/run/kea/kea4-ctrl-socket"


UNIX = {"socket-type": "unix", "socket-name": "/run/kea/own"}
HTTP = {"socket-type": "http", "socket-address": "127.0.0.1", "socket-port": 8000}
ADDED = {"Dhcp4/control-sockets[socket-type=unix]": {"socket-name": "/run/kea/kea4-ctrl-socket"}}
NOTHING: dict[str, Any] = {"interfaces": [], "subnets": []}
KNOWN = [known(7, "10.0.7.0/24"), known(8, "10.0.8.0/24", has_id=False), known(9, "10.0.9.0/24", editable=False)]


@pytest.mark.parametrize(
    ("keys", "sockets", "added"),
    [
        ([], None, {"Dhcp4/control-socket": {"socket-type": "unix", "socket-name": "/run/kea/kea4-ctrl-socket"}}),
        (["control-sockets"], [HTTP], ADDED),
        (["control-sockets"], [], ADDED),
        (["control-sockets"], [HTTP, UNIX], {}),
        (["control-socket"], [UNIX], {}),
        (["control-socket"], [HTTP], {}),  # Kea refuses both keys, and this one is the site's
    ],
)
def test_a_server_without_a_unix_control_socket_gets_one(keys: list[str], sockets: Any, added: dict[str, Any]) -> None:
    plan = make(wanted(**NOTHING), found(keys=keys, control_sockets=sockets, subnets=KNOWN))
    assert plan["settings"] == added
    assert not set(plan["merge"]) & {"control-socket", "control-sockets"}


@pytest.mark.parametrize("now", [found(keys=[]), found(keys=["control-sockets"], control_sockets=[HTTP])])
def test_sockets_of_the_variables_get_a_unix_socket_beside_them(now: dict[str, Any]) -> None:
    plan = make(wanted(interfaces=[], settings={"control-sockets": [HTTP]}), now)
    assert "Dhcp4/control-socket" not in plan["settings"]
    added = {"socket-type": "unix", "socket-name": "/run/kea/kea4-ctrl-socket"}
    assert plan["merge"]["control-sockets"] == [HTTP, added]
    plan = make(wanted(interfaces=[], settings={"control-sockets": [HTTP, UNIX]}), now)
    assert plan["merge"]["control-sockets"] == [HTTP, UNIX]


def test_without_variables_a_server_keeps_its_own_and_every_subnet_gets_reservations() -> None:
    """B1, B3."""
    sockets = [UNIX]
    plan = make(wanted(**NOTHING), found(control_sockets=sockets, subnets=KNOWN))
    assert plan["settings"] == {}
    assert plan["merge"] == {
        "subnet4": [
            {
                "id": 7,
                "reservations": [{"<?include?>": "/reservations/applied/subnet-7.json"}],
                "state": "found",
            },
            {
                "id": 8,
                "subnet": "10.0.8.0/24",
                "reservations": [{"<?include?>": "/reservations/applied/subnet-8.json"}],
                "state": "found",
            },
        ]
    }
    assert plan["subnet_ids"] == [7, 8]
    assert plan["left_out"] == ["10.0.9.0/24 (id 9, /etc/kea/kea-dhcp4.conf)"]
    plan = make(wanted("database", **NOTHING), found(control_sockets=sockets, subnets=KNOWN))
    assert (plan["merge"], plan["settings"], plan["left_out"], plan["subnet_ids"]) == ({}, {}, [], [7, 8, 9])


def test_included_reservations_go_with_the_mode() -> None:
    path = "/reservations/applied/subnet-7.json"
    subnets = [known(7, "10.0.7.0/24", reservation_files=[path, "/etc/kea/site.json"])]
    for named in ([], [{"subnet": "10.0.7.1/24", "renew-timer": 5}]):
        plan = make(wanted("database", interfaces=[], subnets=named), found(FILE, subnets=subnets))
        (subnet,) = plan["merge"]["subnet4"]
        assert subnet["reservations"] == [{"<?include?>": path, "state": "absent"}]


def test_subnets_of_the_variables_include_reservations_by_the_id_of_the_server() -> None:
    networks = [{"name": "a", "subnet4": [{"id": 7}, {"id": 20, "subnet": "10.0.20.0/24"}]}, {"name": "b"}]
    named = [{"subnet": "10.0.8.0/24", "reservations": {"<?include?>": "/x"}}, {"id": 9, "state": "absent"}]
    plan = make(wanted(interfaces=[], subnets=named, shared_networks=networks), found(subnets=KNOWN))
    assert plan["merge"]["subnet4"] == named
    assert [one["reservations"][0]["<?include?>"][-13:] for one in plan["merge"]["shared-networks"][0]["subnet4"]] == [
        "subnet-7.json", "ubnet-20.json",
    ]  # fmt: skip
    assert plan["merge"]["shared-networks"][1] == {"name": "b"}
    assert plan["subnet_ids"] == [7, 8, 20]


def test_ids_that_kea_gave_are_told_to_the_edit() -> None:
    subnets = [known(7, "10.0.7.0/24", has_id=False), known(8, "10.0.8.0/24")]
    assert make(wanted(**NOTHING), found(subnets=subnets))["known_ids"] == [{"subnet": "10.0.7.0/24", "id": 7}]


def test_exclusive_names_only_the_subnets_of_the_variables() -> None:
    plan = make(wanted(exclusive=True, interfaces=[], subnets=[{"id": 7}]), found(subnets=KNOWN))
    assert [one["id"] for one in plan["merge"]["subnet4"]] == [7]
    assert plan["subnet_ids"] == [7]


@pytest.mark.parametrize(
    ("untouched", "settings", "absent", "tee_times"),
    [
        (True, {}, ["Dhcp4/client-classes", "Dhcp4/renew-timer", "Dhcp4/subnet4"], True),
        (True, {"renew-timer": 5}, ["Dhcp4/client-classes", "Dhcp4/renew-timer", "Dhcp4/subnet4"], None),
        (False, {}, [], None),
    ],
)
def test_nothing_of_debians_example_stays_active(
    untouched: bool, settings: dict[str, Any], absent: list[str], tee_times: bool | None
) -> None:
    """B7."""
    keys = ["client-classes", "control-socket", "lease-database", "loggers", "renew-timer", "subnet4"]
    example = found(untouched=untouched, keys=keys, subnets=[known(1, "192.0.2.0/24")] if untouched else [])
    plan = make(wanted(settings=settings), example)
    assert plan["absent"] == absent
    assert plan["settings"].get("Dhcp4/calculate-tee-times") == tee_times
    assert [one["id"] for one in plan["merge"]["subnet4"]] == [1]


@pytest.mark.parametrize(
    ("group", "access"),
    [("", {"group": "_kea", "mode": "0600"}), ("stork-agent", {"group": "stork-agent", "mode": "0640"})],
)
def test_a_group_of_the_site_may_read_the_configuration(group: str, access: dict[str, str]) -> None:
    """B26."""
    asked = wanted(config_group=group)
    assert make(asked, found())["config_access"] == access
    files = filters.server_files(asked, NAMES, found(), "unit")
    assert {"path": "/kea.conf", "owner": "_kea", **access} in files


@pytest.mark.parametrize(
    ("group", "owner", "mode", "changes"),
    [
        ("stork-agent", "_kea", "0750", True),
        ("stork-agent", "_kea", "0755", False),
        ("stork-agent", "_kea", "0700", False),
        # Kea may be there by its group.
        ("stork-agent", "root", "0750", False),
        ("", "_kea", "0750", False),
    ],
)
def test_the_group_gets_the_directory_where_it_is_closed(group: str, owner: str, mode: str, changes: bool) -> None:
    names = {**NAMES, "config": "/etc/kea/kea-dhcp4.conf"}
    now = found(directory={"owner": owner, "mode": mode})
    files = filters.server_files(wanted(config_group=group), names, now, "unit")
    directories = [one for one in files if one["path"] == "/etc/kea"]
    assert directories == ([{"path": "/etc/kea", "state": "directory", "group": group}] if changes else [])


@pytest.mark.parametrize(
    ("mode", "settings", "reserved", "changes"),
    [
        ("file", {"lease-database": {"type": "memfile", "lfc-interval": 0}, "valid-lifetime": 5}, [], False),
        ("file", {"lease-database": {"type": "memfile", "name": "/leases"}}, [], False),
        ("file", {"lease-database": {"type": "memfile", "name": "/elsewhere"}}, [], True),
        ("file", {"lease-database": {"type": "memfile", "persist": False}}, [], True),
        ("file", {"lease-database": {"type": "mysql"}, "subnet4": []}, ["lease-database", "subnet4"], False),
        ("events", {"lease-database": {"type": "memfile"}}, ["lease-database"], False),
        ("file", {"hosts-database": {}}, ["hosts-database"], False),
    ],
)
def test_settings_may_have_options_of_the_lease_file_and_no_other_lease_file(
    mode: str, settings: dict[str, Any], reserved: list[str], changes: bool
) -> None:
    in_force = found({**FILE, "name": "/leases", "persist": True})
    plan = make(wanted(mode, settings=settings), in_force)
    assert (plan["reserved"], plan["lease_file_changes"]) == (reserved, changes)
    assert not make(wanted(mode, settings=settings), BARE)["lease_file_changes"]


def test_an_imported_server_gets_what_it_names_on_a_new_host() -> None:
    settings = {"interfaces-config": {"interfaces": ["eth0"]}}
    plan = make(wanted(interfaces=[], settings=settings), found(keys=[]))
    assert plan["settings"] == {"Dhcp4/control-socket": plan["settings"]["Dhcp4/control-socket"]}
    assert plan["merge"]["interfaces-config"] == {"interfaces": ["eth0"]}


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


def test_kea_is_restarted_when_the_password_for_its_partner_changes() -> None:
    paths = {"changed_paths": ["/etc/kea/kea-dhcp4.ha-password"]}
    assert make(wanted(), found(FILE), files=paths)["needs_restart"]
    assert not make(wanted(family=6), found(FILE), files=paths)["needs_restart"]


@pytest.mark.parametrize(("former", "mode"), [(None, "0750"), ({"name": "kea-reservations.path"}, "2770")])
def test_a_monitor_of_a_former_release_may_write_until_another_one_is_in_force(former: Any, mode: str) -> None:
    files = filters.server_files(wanted(), NAMES, {**found(), "monitor": {"former_applier": former}}, "")
    assert [one["mode"] for one in files if one["path"].startswith("/reservations")] == [mode, "0750", "0640"]


ATTACKS = {
    "write into a file": "echo x >{}/applied/subnet-7.json",
    "create a file": "echo x >{}/applied/subnet-8.json",
    "replace a file": "mv {}/applied/subnet-7.json {}/applied/old",
    "replace the directory (14)": "cd {} && mv applied .old && mkdir applied",
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_member_of_kea_s_group_can_replace_nothing_that_kea_includes_e3(attack: str) -> None:
    kea = pwd.getpwnam("_kea")
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        now = found(FILE)
        asked = wanted(
            "file", reservations_directory=f"{name}/reservations.d", subnets=[{"id": 7, "subnet": "10.0.7.0/24"}]
        )
        files = [one for one in filters.server_files(asked, NAMES, now, "") if one["path"].startswith(name)]
        assert run_module("kea_files", files=[{**one, "owner": "_kea", "group": "_kea"} for one in files])["changed"]
        user = ["setpriv", "--reuid=65534", "--regid=65534", f"--groups={kea.pw_gid}", "--"]
        directory = f"{name}/reservations.d"
        read = subprocess.run([*user, "cat", f"{directory}/applied/subnet-7.json"], check=False)
        done = subprocess.run([*user, "sh", "-c", ATTACKS[attack].replace("{}", directory)], check=False)
        assert (read.returncode, done.returncode != 0) == (0, True)
        assert os.listdir(directory) == ["applied"]
        assert os.listdir(f"{directory}/applied") == ["subnet-7.json"]


HOST_CMDS = "/usr/lib/x86_64-linux-gnu/kea/hooks/libdhcp_host_cmds.so"


@pytest.mark.parametrize(
    ("mode", "installed", "loaded", "asked", "expected"),
    [
        ("file", HOST_CMDS, [], [], [HOST_CMDS]),
        ("file", HOST_CMDS, [HOST_CMDS], [], [HOST_CMDS]),
        ("file", HOST_CMDS, ["/opt/libdhcp_host_cmds.so"], [], None),
        ("file", HOST_CMDS, [], ["libdhcp_host_cmds.so"], ["libdhcp_host_cmds.so"]),
        ("file", HOST_CMDS, ["/opt/libdhcp_ha.so"], ["/a.so"], ["/a.so", HOST_CMDS]),
        ("file", None, [], [], None),
        ("database", HOST_CMDS, [], [], None),
    ],
)
def test_a_kea_that_takes_reservations_by_command_loads_the_hook_for_it(
    mode: str, installed: str | None, loaded: list[str], asked: list[str], expected: list[str] | None
) -> None:
    now = found(server={"reservation_hook": installed}, hooks_libraries=[{"library": path} for path in loaded])
    settings = {"hooks-libraries": [{"library": path} for path in asked]} if asked else {}
    merge = make(wanted(mode, settings=settings), now)["merge"]
    hooks = merge.get("hooks-libraries")
    assert (hooks and [one["library"] for one in hooks]) == expected


OUTPUT = {"output_options": [{"output": "syslog"}]}
QUIET = ["kea-dhcp4.commands", "kea-dhcp4.host-cmds-hooks"]


@pytest.mark.parametrize(
    ("present", "asked", "expected"),
    [
        ([], [], {name: {"output-options": [{"output": "stdout"}]} for name in QUIET}),
        ([{"name": "kea-dhcp4", "severity": "INFO", **OUTPUT}], [], dict.fromkeys(QUIET, OUTPUT)),
        ([], [{"name": "kea-dhcp4", **OUTPUT}], {"kea-dhcp4": OUTPUT, **dict.fromkeys(QUIET, OUTPUT)}),
        ([{"name": "kea-dhcp4", "severity": "WARN", **OUTPUT}], [], {}),
        ([{"name": "kea-dhcp4", **OUTPUT}, {"name": QUIET[0], "severity": "DEBUG"}], [], {QUIET[1]: OUTPUT}),
        ([{"name": QUIET[0], "severity": "WARN", **OUTPUT}], [], dict.fromkeys(QUIET)),
    ],
)
def test_commands_do_not_fill_kea_s_log(
    present: list[dict[str, Any]], asked: list[dict[str, Any]], expected: dict[str, Any]
) -> None:
    now = found(server={"reservation_hook": HOST_CMDS}, loggers=present)
    merge = make(wanted("file", settings={"loggers": asked} if asked else {}), now)["merge"]
    loggers = {one["name"]: one for one in merge.get("loggers", [])}
    assert list(loggers) == list(expected)
    for name, output in expected.items():
        assert output is None or output.items() <= loggers[name].items()
        assert name == "kea-dhcp4" or loggers[name]["severity"] == "WARN"


NAMES6 = {**NAMES, "config": "/kea6.conf"}
SUBNET6 = {"id": 1, "subnet": "2001:db8:1::/64", "pools": [{"pool": "2001:db8:1::10 - 2001:db8:1::ff"}]}
SHARED6 = [{"name": "hall", "subnet6": [{"id": 2, "subnet": "2001:db8:2::/64"}]}]


def wanted6(**others: Any) -> dict[str, Any]:
    return wanted(family="6", subnets=[SUBNET6], shared_networks=SHARED6, **others)


def test_the_server_of_dhcpv6_is_planned_alike() -> None:
    new = found(None, untouched=True, keys=["subnet6", "preferred-lifetime", "loggers"])
    plan = filters.server_plan(wanted6(), NAMES6, new, {}, False)
    assert set(plan["absent"]) == {"Dhcp6/subnet6", "Dhcp6/preferred-lifetime"}
    assert plan["settings"]["Dhcp6/control-socket"]["socket-name"] == "/run/kea/kea6-ctrl-socket"
    assert plan["settings"]["Dhcp6/calculate-tee-times"] is True
    assert "Dhcp6/interfaces-config/service-sockets-max-retries" in plan["settings"]
    include = [{"<?include?>": "/reservations/applied/subnet-1.json"}]
    assert plan["merge"]["subnet6"] == [{**SUBNET6, "reservations": include}]
    (shared,) = plan["merge"]["shared-networks"][0]["subnet6"]
    assert shared["reservations"] == [{"<?include?>": "/reservations/applied/subnet-2.json"}]
    assert plan["subnet_ids"] == [1, 2]
    assert "subnet4" not in plan["merge"]


def test_reservations_given_for_dhcpv6_are_written_into_its_subnets() -> None:
    given = {"subnet-id": 1, "duid": "00:01:00", "ip-addresses": ["2001:db8:1::7"]}
    plan = filters.server_plan(wanted6(reservations=[given]), NAMES6, found(), {}, False)
    assert plan["merge"]["subnet6"][0]["reservations"][0] == {"duid": "00:01:00", "ip-addresses": ["2001:db8:1::7"]}


def test_the_server_of_dhcpv6_takes_reservations_by_command_alike() -> None:
    merge = filters.server_plan(wanted6(), NAMES6, found(server={"reservation_hook": HOST_CMDS}), {}, False)["merge"]
    assert merge["hooks-libraries"] == [{"library": HOST_CMDS}]
    assert [one["name"] for one in merge["loggers"]] == ["kea-dhcp6.commands", "kea-dhcp6.host-cmds-hooks"]


@pytest.mark.parametrize(("mode", "databases"), [("database", 1), ("events", 2)])
def test_the_server_of_dhcpv6_uses_the_database_alike(mode: str, databases: int) -> None:
    own = {"reservations_directory": "/etc/kea/reservations6.d"}
    asked = {**wanted(mode), **own, "family": "6", "subnets": [SUBNET6], "shared_networks": []}
    plan = filters.server_plan(
        asked, NAMES6, found({"type": "memfile", "name": "/var/lib/kea/kea-leases6.csv"}), {}, False
    )
    assert (plan["moves"], plan["reservations_go"], plan["can_move"]) == (True, "database", True)
    assert plan["leases_from"]["type"] == "memfile"
    assert len(plan["databases"]) == databases
    assert "reservations" not in plan["merge"]["subnet6"][0]


def test_the_id_0_of_a_subnet_is_none() -> None:
    known = [{"id": 7, "subnet": "192.0.2.0/24"}]
    assert _server_merge._number({"id": 0, "subnet": "192.0.2.0/24"}, known) == 7
    assert _server_merge._number({"id": 0, "subnet": "198.51.100.0/24"}, known) is None
