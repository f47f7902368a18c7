# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module kea_info: with nothing there, with a running Kea, with a database."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.baremetal.kea.plugins.module_utils import _info
from ansible_collections.baremetal.kea.plugins.module_utils._config import database
from ansible_collections.baremetal.kea.plugins.module_utils._config import tls as config_tls
from ansible_collections.baremetal.kea.plugins.module_utils._host import packages as host_packages
from ansible_collections.baremetal.kea.plugins.module_utils._kea import control
from ansible_collections.baremetal.kea.plugins.module_utils._lfc import units
from ansible_collections.baremetal.kea.plugins.module_utils._moves import journal
from ansible_collections.baremetal.kea.plugins.module_utils._reservations import constraint
from support.certificates import Authority
from support.kea import KeaServer, serving
from support.modules import run_module
from support.postgres import Cluster, postgres_cluster
from support.programs import need

pytestmark = [pytest.mark.kea, pytest.mark.postgres]

# What `systemctl show` of systemd 252 prints.
UNITS = """\
Id=isc-kea-dhcp4-server.service
LoadState=not-found
ActiveState=inactive
UnitFileState=

Id=kea-dhcp4-server.service
LoadState=loaded
ActiveState=active
UnitFileState=enabled
NeedDaemonReload=no
ActiveEnterTimestampMonotonic=1000000
"""


@pytest.fixture
def systemctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in, because no systemd runs where unit tests do."""
    program = tmp_path / "bin" / "systemctl"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{UNITS}END\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    return program


@pytest.fixture
def kea(tmp_path: Path) -> Iterator[Path]:
    """The configuration of a running kea-dhcp4 that serves no interface."""
    server = KeaServer(tmp_path, config=tmp_path / "kea-dhcp4.conf", socket=tmp_path / "control")
    lease_database = {"type": "memfile", "persist": False, "password": "pass-word"}
    server.configure({"lease-database": lease_database, "interfaces-config": {"interfaces": []}})
    server.config.write_text("// by hand\n" + server.config.read_text())
    with serving(server):
        yield server.config


def test_nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AnsibleModule, "get_bin_path", lambda *_arguments, **_options: None)
    monkeypatch.setattr(_info, "MONITOR_ROOT", "/nowhere")
    monkeypatch.setattr(database, "HOOK_DIRECTORIES", ())
    info = run_module("kea_info", path="/nowhere/kea-dhcp4.conf")
    assert not info["changed"]
    nothing = {
        "version": None,
        "capabilities": None,
        "unit": None,
        "serving": False,
        "listening": None,
        "pair_state": None,
        "outdated": False,
        "changed_files": [],
        "edited_files": [],
        "tls_environment": {},
        "ssl_mode": None,
        "hooks": None,
        "reservation_hook": None,
        "admin": None,
        "confined": False,
    }
    assert info["server"] == nothing
    assert info["monitor"] == {
        "release": None,
        "ssl_mode": None,
        "told_of_databases": [],
        "unit": None,
        "reservations": None,
        "user": None,
        "former_applier": None,
    }
    assert info["lfc"] == {"service": None, "timer": None, "last_run": None, "traces": []}
    assert info["config"]["error"] == "No such file or directory"
    assert info["config"]["lease_database"] is None
    assert info["config"]["untouched"] is False
    assert "database" not in info


def test_what_is_left_of_a_timer_is_found(tmp_path: Path, systemctl: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(units, "DIRECTORY", str(tmp_path))
    unit = tmp_path / "kea-lfc.timer"

    def traces(path: str = "/etc/kea/kea-dhcp4.conf") -> list[str]:
        found: list[str] = run_module("kea_info", gather=["lfc"], path=path)["lfc"]["traces"]
        return [one for one in found if one.startswith(str(tmp_path))]

    assert traces() == []
    unit.symlink_to("/nowhere")  # even a link that leads nowhere is there
    assert traces() == [str(unit)]
    assert traces("/etc/kea/kea-dhcp6.conf") == []


def test_the_user_of_the_monitor(monkeypatch: pytest.MonkeyPatch, systemctl: Path) -> None:
    monkeypatch.setattr(_info, "USER", "daemon")
    user = run_module("kea_info", gather=["monitor"])["monitor"]["user"]
    assert user == {"home": "/usr/sbin", "shell": "/usr/sbin/nologin"}


def test_clusters_are_those_that_debian_lists() -> None:
    listed = json.loads(subprocess.run(["pg_lsclusters", "--json"], capture_output=True, check=True).stdout)
    expected = [
        {
            "version": str(each["version"]),
            "name": each["cluster"],
            "port": int(each["port"]),
            "online": bool(each["running"]),
        }
        for each in listed
    ]
    assert run_module("kea_info", gather=["clusters"])["clusters"] == expected != []


def test_a_running_server(kea: Path, systemctl: Path) -> None:
    info = run_module("kea_info", check=True, path=str(kea))
    assert info["server"]["version"] == "2.2.0"
    assert info["server"]["capabilities"]["schema"] == "13.0"
    assert info["server"]["unit"] == {"name": "kea-dhcp4-server.service", "active": True, "enabled": True}
    assert info["server"]["serving"] is True
    assert info["config"]["lease_database"] == {"type": "memfile", "persist": False}
    assert info["config"]["control_sockets"][0]["socket-type"] == "unix"
    assert info["config"]["interfaces"] == []
    assert "pass-word" not in repr(info)


def test_a_file_that_is_newer_than_the_server_is_seen(kea: Path, systemctl: Path) -> None:
    found = run_module("kea_info", gather=["server"], path=str(kea))["server"]
    assert (found["outdated"], found["changed_files"]) == (True, [str(kea)])
    os.utime(kea, (1, 1))
    assert run_module("kea_info", gather=["server"], path=str(kea))["server"]["changed_files"] == []
    assert not run_module("kea_info", gather=["server"], path=str(kea))["server"]["outdated"]
    systemctl.write_text(systemctl.read_text().replace("NeedDaemonReload=no", "NeedDaemonReload=yes"))
    assert run_module("kea_info", gather=["server"], path=str(kea))["server"]["outdated"]


def test_a_server_that_does_not_answer_does_not_serve(kea: Path, systemctl: Path) -> None:
    kea.write_text(kea.read_text().replace("/control", "/silent"))
    assert run_module("kea_info", gather=["server"], path=str(kea))["server"]["serving"] is False
    (kea.parent / "silent").touch()
    assert run_module("kea_info", gather=["server"], path=str(kea))["server"]["serving"] is False


def test_a_dead_unit_does_not_serve(kea: Path, systemctl: Path) -> None:
    systemctl.write_text(systemctl.read_text().replace("ActiveState=active", "ActiveState=failed"))
    assert run_module("kea_info", gather=["server"], path=str(kea))["server"]["serving"] is False


@pytest.mark.parametrize(
    ("text", "part", "value"),
    [
        ('{ "Dhcp4": { "hosts-database": { "type": "mysql" } } }', "hosts_databases", [{"type": "mysql"}]),
        ('{ "Dhcp4": { "hosts-databases": [ <?include "/x"?> ] } }', "hosts_databases", [{"<?include?>": "/x"}]),
        ('{ "Dhcp4": <?include "/x"?> }', "hosts_databases", None),
        ('{ "Dhcp4": { "control-sockets": <?include "/x"?> } }', "control_sockets", {"<?include?>": "/x"}),
        ('{ "Dhcp4": {', "error", "line 1, column 13: a name in double quotes or a closing } is expected"),
    ],
)
def test_configurations_of_all_sorts(tmp_path: Path, text: str, part: str, value: object) -> None:
    path = tmp_path / "kea-dhcp4.conf"
    path.write_text(text)
    info = run_module("kea_info", gather=["config", "server"], path=str(path))
    assert info["config"][part] == value


def test_bare_names_of_sockets_are_those_in_the_run_directory() -> None:
    sockets = [{"socket-type": "unix", "socket-name": "s"}, {"socket-type": "unix", "socket-name": "/t"}, {"port": 1}]
    assert control.unix_sockets(sockets) == ["/run/kea/s", "/t"]


@pytest.mark.slow
def test_what_is_to_be_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    states = tmp_path / "extended_states"
    monkeypatch.setattr(host_packages, "EXTENDED_STATES", str(states))
    names = ["kea-dhcp4-server", "kea-admin", "no-such-package"]
    found = run_module("kea_info", gather=["packages"], packages=names)["packages"]
    assert found == {
        "names": names,
        "format": "deb",
        "automatic": [],
        **{key: ["no-such-package"] for key in ("missing", "unlisted", "wanted")},
    }
    states.write_text(
        "Package: kea-dhcp4-server\nArchitecture: amd64\nAuto-Installed: 0\n\n"
        "Package: kea-admin\nArchitecture: amd64\nAuto-Installed: 1\n\n"
    )
    found = run_module("kea_info", gather=["packages"], packages=names)["packages"]
    assert found["automatic"] == ["kea-admin"]
    assert sorted(found["wanted"]) == ["kea-admin", "no-such-package"]
    nothing = run_module("kea_info", gather=["packages"])["packages"]
    assert not any(nothing[key] for key in ("names", "missing", "automatic", "unlisted", "wanted"))


def test_an_unedited_example_is_recognised(tmp_path: Path) -> None:
    assert run_module("kea_info", gather=["config"])["config"]["untouched"] is True
    path = tmp_path / "kea-dhcp4.conf"
    path.write_text("{}")
    assert run_module("kea_info", gather=["config"], path=str(path))["config"]["untouched"] is False


def test_a_move_that_was_interrupted(tmp_path: Path) -> None:
    nothing = {"unfinished": None, "error": None}
    assert _info.move("/kea-dhcp4.conf", str(tmp_path)) == nothing
    journal.Journal(str(tmp_path), 4).open("memfile:/a", "postgresql:/b", "/etc/kea/backup", [])
    unfinished = {"source": "memfile:/a", "target": "postgresql:/b", "backup": "/etc/kea/backup"}
    assert _info.move("/kea-dhcp4.conf", str(tmp_path)) == {"unfinished": unfinished, "error": None}
    assert _info.move("/kea-dhcp6.conf", str(tmp_path)) == nothing, "a move of the other server"
    (tmp_path / "lease-move.json").write_text("{")
    assert "cannot be read" in _info.move("/kea-dhcp4.conf", str(tmp_path))["error"]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with postgres_cluster() as running:
        running.sql("CREATE DATABASE kea")
        yield running


def look(cluster: Cluster, **options: Any) -> dict[str, Any]:
    found: dict[str, Any] = run_module("kea_info", gather=["database"], **{**cluster.login, **options})["database"]
    return found


@pytest.mark.slow
def test_what_the_server_sees_of_each_connection(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "ca")
    server, client = authority.issue("server", host="localhost"), authority.issue("kea", common_name="postgres")
    with postgres_cluster(server) as running:
        running.sql("CREATE DATABASE kea")
        tls = {"sslmode": "verify-full", "sslrootcert": str(authority.own.path)}
        own = {"sslcert": str(client.path), "sslkey": str(client.key)}
        over = {"host": "localhost", "port": running.port, "user": "postgres", "dbname": "kea"}
        sessions = [
            psycopg2.connect(**{**over, "host": str(running.directory)}, application_name="socket"),
            psycopg2.connect(**over, sslmode="disable", application_name="clear"),
            psycopg2.connect(**over, **tls, **own, application_name="tls"),
        ]
        found = {session["application"]: session for session in look(running)["connections"]}
        for session in sessions:
            session.close()
    assert {name: session["encrypted"] for name, session in found.items()} == {
        "socket": False,
        "clear": False,
        "tls": True,
    }
    assert found["socket"]["address"] is None
    assert found["tls"]["protocol"] == "TLSv1.3"
    assert found["tls"]["client_dn"] == "/CN=postgres"
    assert found["tls"]["client_issuer_dn"] == "/CN=ca"
    assert found["tls"]["role"] == "postgres"


OVER_NETWORK = {"type": "postgresql", "host": "db.example.org"}
BY_SOCKET = {"type": "postgresql", "host": "/var/run/postgresql"}


@pytest.mark.parametrize(
    ("settings", "environment", "asked"),
    [
        ({"lease-database": OVER_NETWORK, "hosts-database": BY_SOCKET}, {"PGSSLMODE": "verify-full"}, "verify-full"),
        # Not what Kea 2.2 goes by.
        ({"lease-database": {**OVER_NETWORK, "ssl-mode": "verify-full"}}, {"PATH": "/bin"}, "prefer"),
        ({"lease-database": BY_SOCKET}, {"PGSSLMODE": "verify-full"}, None),
        ({"lease-database": {"type": "memfile"}}, {"PGSSLMODE": "verify-full"}, None),
    ],
)
def test_how_the_running_server_goes_to_its_database(
    systemctl: Path, tmp_path: Path, settings: dict[str, Any], environment: dict[str, str], asked: str | None
) -> None:
    config = tmp_path / "kea-dhcp4.conf"
    config.write_text(json.dumps({"Dhcp4": settings}))
    with subprocess.Popen([need("sleep"), "60"], env={**environment, "PGPASSWORD": "secret"}) as process:
        systemctl.write_text(
            systemctl.read_text().replace("LoadState=loaded", f"LoadState=loaded\nMainPID={process.pid}")
        )
        server = run_module("kea_info", gather=["server"], path=str(config))["server"]
        process.terminate()
    assert server["tls_environment"] == {name: environment[name] for name in environment if name != "PATH"}
    assert server["ssl_mode"] == asked


def test_the_weakest_mode_of_kea_3_1_counts() -> None:
    strict = {**OVER_NETWORK, "ssl-mode": "verify-full"}
    assert config_tls.asked_mode({"PATH": "/bin"}, [strict, BY_SOCKET, None], keys=True) == "verify-full"
    assert config_tls.asked_mode({"PATH": "/bin"}, [strict, OVER_NETWORK], keys=True) == "prefer"
    assert config_tls.asked_mode({"PGSSLMODE": "require"}, [strict, OVER_NETWORK], keys=True) == "require"
    assert config_tls.asked_mode({}, [OVER_NETWORK], keys=False) is None, "its environment is not readable"


def test_how_the_monitor_goes_to_its_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "config.yml"
    monkeypatch.setattr(_info, "MONITOR_CONFIG", str(config))
    for text, asked in (
        ("database: {host: db.example.org, ssl_mode: verify-full}", "verify-full"),
        ("database: {host: db.example.org}", "prefer"),
        ("database: {host: /var/run/postgresql}", None),
        ("source: {type: memfile}", None),
        ("database: [", None),
    ):
        config.write_text(text)
        assert run_module("kea_info", gather=["monitor"])["monitor"]["ssl_mode"] == asked, text


def test_what_the_monitor_was_told_of_databases(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "site-reservations.json"
    monkeypatch.setattr(_info, "SITE_FILE", str(file))
    told = {"subnet": 1, "kind": "hw-address", "identifier": "02:00:00:00:00:01", "database": "postgresql dhcp at /run"}
    contents = {json.dumps([{**told, "database": ""}, {"subnet": 2}, told]): [told], "[": [], "[1]": [], "{}": []}
    for text, expected in contents.items():
        file.write_text(text)
        assert run_module("kea_info", gather=["monitor"])["monitor"]["told_of_databases"] == expected, text
    file.unlink()
    assert run_module("kea_info", gather=["monitor"])["monitor"]["told_of_databases"] == []


@pytest.mark.slow
def test_a_database_before_and_after_the_other_modules(cluster: Cluster) -> None:
    empty = look(cluster)
    assert empty["error"] is None
    assert (empty["schema_version"], empty["hosts_constraint"], empty["lost_events"]) == (None, None, None)

    assert run_module("kea_schema", **cluster.login)["changed"]
    assert run_module("kea_hosts_constraint", **cluster.login)["changed"]
    assert run_module("kea_lease_notify", **cluster.login)["changed"]
    full = look(cluster)
    assert full["error"] is None
    assert full["schema_version"] == "13.0"
    assert full["hosts_constraint"] == constraint.DEFINITION
    assert full["lease_notify"]["trigger"] is not None
    assert (full["lost_events"], full["waiting_events"], full["notification_queue_usage"]) == (0, 0, 0.0)


@pytest.mark.slow
def test_lost_events_are_seen_when_their_table_is_gone(cluster: Cluster) -> None:
    cluster.sql("DROP TABLE kea_events.lease_event; INSERT INTO lease4 (address, subnet_id) VALUES (1, 1)", "kea")
    found = look(cluster)
    assert (found["lost_events"], found["waiting_events"], found["error"]) == (1, None, None)
    assert found["lease_notify"]["trigger"]["enabled"] == "origin"


def test_an_unreachable_database_is_reported_and_no_failure(cluster: Cluster) -> None:
    assert "No such file" in look(cluster, login_port=1)["error"]
    assert 'database "nothing" does not exist' in look(cluster, login_db="nothing")["error"]
