# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module kea_database for each version of Kea; the installed kea-dhcp4 tests what it can read."""

from __future__ import annotations

import os
import pwd
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.baremetal.kea.plugins.module_utils._config import database, servers
from ansible_collections.baremetal.kea.plugins.module_utils._config.document import MISSING, Document
from ansible_collections.baremetal.kea.plugins.module_utils._config.path import parse_path
from ansible_collections.baremetal.kea.plugins.module_utils._config.versions import capabilities
from support.modules import run_module, snapshot
from support.programs import need

pytestmark = [pytest.mark.kea, pytest.mark.slow]

KEEP_SERVING = {"on-fail": "serve-retry-continue", "max-reconnect-tries": 1000000, "reconnect-wait-time": 1000}
KEEP_SILENT = {**KEEP_SERVING, "on-fail": "stop-retry-exit"}
SERVER = {"type": "postgresql", "name": "kea", "host": "/var/run/postgresql", "user": "_kea"}
DHCP6 = {
    "lease": "lease-database",
    "hosts": "hosts-databases[name=kea]",
    "config": "config-control/config-databases[name=kea]",
}


@pytest.fixture
def config() -> Iterator[Path]:
    need("kea-dhcp4")
    user = pwd.getpwnam("_kea")
    with tempfile.TemporaryDirectory() as directory:
        os.chown(directory, user.pw_uid, user.pw_gid)
        path = Path(directory, "kea-dhcp4.conf")
        path.write_text('{ "Dhcp4": { // mine\n  "valid-lifetime": 4000\n} }\n')
        os.chown(path, 0, user.pw_gid)
        path.chmod(0o640)
        yield path


def at(config: Path, path: str) -> Any:
    return Document(config.read_text()).get(parse_path(path))


@pytest.mark.parametrize(
    ("options", "path", "entry"),
    [
        (
            {
                "purpose": "lease",
                "type": "memfile",
                "persist": True,
                "lfc_interval": 1800,
                "name": "/var/lib/kea/l.csv",
            },
            "Dhcp4/lease-database",
            {"type": "memfile", "name": "/var/lib/kea/l.csv", "persist": True, "lfc-interval": 1800},
        ),
        ({"purpose": "lease", **SERVER}, "Dhcp4/lease-database", {**SERVER, **KEEP_SILENT}),
        (
            {"purpose": "hosts", "password": "pass word", "port": 5433, "readonly": True, **SERVER},
            "Dhcp4/hosts-databases[type=postgresql]",
            {**SERVER, "port": 5433, "password": "pass word", **KEEP_SERVING, "readonly": True},
        ),
        (
            {"purpose": "config", **SERVER, "max_reconnect_tries": 0, "reconnect_wait_time": 0},
            "Dhcp4/config-control/config-databases[name=kea]",
            {**SERVER, "on-fail": "serve-retry-continue", "max-reconnect-tries": 0, "reconnect-wait-time": 0},
        ),
    ],
)
def test_check_apply_again_drift_absent_again(
    config: Path, options: dict[str, Any], path: str, entry: dict[str, Any]
) -> None:
    wanted = {"path": str(config), "backup": False, **options}
    before = snapshot(config.parent)
    check = run_module("kea_database", check=True, **wanted)
    assert check["changed"]
    assert snapshot(config.parent) == before

    applied = run_module("kea_database", **wanted)
    assert applied["diff"] == check["diff"]
    assert applied["kea_version"] == "2.2.0"
    assert at(config, path) == entry
    assert "pass word" not in repr(applied)
    assert '{ "Dhcp4": { // mine\n  "valid-lifetime": 4000,\n' in config.read_text()
    assert not run_module("kea_database", **wanted)["changed"]

    settled = config.read_text()
    drifted = Document(settled).put((*parse_path(path), "connect-timeout"), 99).text
    config.write_text(drifted.replace('"type"', '/* ours */ "type"'))
    assert run_module("kea_database", **wanted)["changed"]
    assert config.read_text() == settled.replace('"type"', '/* ours */ "type"')

    absent = {**wanted, "state": "absent"}
    assert run_module("kea_database", **absent)["changed"]
    assert at(config, path) is MISSING
    assert not run_module("kea_database", **absent)["changed"]


def test_from_the_lease_file_to_a_server_and_back(config: Path) -> None:
    memfile = {"path": str(config), "backup": False, "purpose": "lease", "type": "memfile", "persist": True}
    server = {"path": str(config), "backup": False, "purpose": "lease", **SERVER}
    run_module("kea_database", **memfile)
    run_module("kea_database", **server)
    assert at(config, "Dhcp4/lease-database") == {**SERVER, **KEEP_SILENT}
    assert not run_module("kea_database", **{**memfile, "state": "absent"})["changed"], "that is another database"
    run_module("kea_database", **memfile)
    assert at(config, "Dhcp4/lease-database") == {"type": "memfile", "persist": True}


def test_several_hosts_databases_keep_their_order(config: Path) -> None:
    config.write_text('{ "Dhcp4": { "valid-lifetime": 1, "hosts-database": { "type": "mysql", "name": "old" } } }')
    hosts = {"path": str(config), "backup": False, "purpose": "hosts"}
    run_module("kea_database", **hosts, type="mysql", name="old", user="u")
    assert at(config, "Dhcp4/hosts-database/user") == "u", "the one key stays the one key"
    run_module("kea_database", **hosts, **SERVER)
    assert at(config, "Dhcp4/hosts-database") is MISSING
    assert [entry["name"] for entry in at(config, "Dhcp4/hosts-databases")] == ["old", "kea"]
    run_module("kea_database", **hosts, type="mysql", name="old", user="v")
    assert [entry["user"] for entry in at(config, "Dhcp4/hosts-databases")] == ["v", "_kea"]
    run_module("kea_database", **hosts, type="mysql", name="old", state="absent")
    assert [entry["name"] for entry in at(config, "Dhcp4/hosts-databases")] == ["kea"]
    run_module("kea_database", **hosts, type="postgresql", name="kea", state="absent")
    assert at(config, "Dhcp4/hosts-databases") is MISSING


def test_a_changed_host_or_name_replaces_the_old_entry(config: Path) -> None:
    text = """{ "Dhcp4": { "valid-lifetime": 1, "hosts-databases": [
      { "type": "mysql", "name": "site" },
      { /* ours */ "type": "postgresql", "name": "kea", "host": "old.example.org", "user": "_kea" },
      { "type": "postgresql", "name": "older", "host": "older.example.org" } ] } }"""
    hosts = {"path": str(config), "backup": False, "purpose": "hosts"}
    assert run_module("kea_database", **hosts, **SERVER, exclusive=True)["changed"]
    assert at(config, "Dhcp4/hosts-databases") == [{**SERVER, **KEEP_SERVING}]
    config.write_text(text)
    for change in ({"host": "new.example.org"}, {"name": "new"}):
        entry = {**SERVER, "host": "new.example.org", **change}
        before = config.read_text()
        assert run_module("kea_database", check=True, **hosts, **entry, exclusive=True)["changed"]
        assert config.read_text() == before
        assert run_module("kea_database", **hosts, **entry, exclusive=True)["changed"]
        mysql, ours = at(config, "Dhcp4/hosts-databases")
        assert mysql == {"type": "mysql", "name": "site"}
        assert ours == {**entry, **KEEP_SERVING}
        assert "/* ours */" in config.read_text()
        assert not run_module("kea_database", **hosts, **entry, exclusive=True)["changed"]
    absent = {**hosts, "type": "postgresql", "name": "renamed", "state": "absent"}
    assert not run_module("kea_database", **absent)["changed"]
    assert run_module("kea_database", **absent, exclusive=True)["changed"]
    assert at(config, "Dhcp4/hosts-databases") == [{"type": "mysql", "name": "site"}]
    assert not run_module("kea_database", **absent, exclusive=True)["changed"]


def test_the_one_hosts_database_of_another_host_is_turned_too(config: Path) -> None:
    single = (
        '{ "Dhcp4": { "valid-lifetime": 1, "hosts-database": { "type": "postgresql", "name": "k", "host": "o" } } }'
    )
    config.write_text(single)
    hosts = {"path": str(config), "backup": False, "purpose": "hosts", **SERVER, "exclusive": True}
    assert run_module("kea_database", **hosts)["changed"]
    assert at(config, "Dhcp4/hosts-database") is MISSING
    assert at(config, "Dhcp4/hosts-databases") == [{**SERVER, **KEEP_SERVING}]
    config.write_text(single)
    assert run_module("kea_database", **hosts, state="absent")["changed"]
    assert at(config, "Dhcp4") == {"valid-lifetime": 1}


@pytest.mark.parametrize("purpose", ["lease", "hosts", "config"])
@pytest.mark.parametrize("kind", ["postgresql", "mysql"])
def test_kea_dhcp6_has_databases_too(config: Path, purpose: str, kind: str) -> None:
    """It is kea-dhcp6 that accepts the file."""
    need("kea-dhcp6")
    path = config.rename(config.with_name("kea-dhcp6.conf"))
    path.write_text('{ "Dhcp6": { "valid-lifetime": 4000 } }')
    server = {**SERVER, "type": kind, "host": "db.example.org"}
    wanted = {"path": str(path), "backup": False, "purpose": purpose, **server}
    applied = run_module("kea_database", **wanted)
    entry = {**server, **(KEEP_SILENT if purpose == "lease" else KEEP_SERVING)}
    assert at(path, f"Dhcp6/{DHCP6[purpose]}") == entry
    assert applied["drop_in"]["path"].startswith("/etc/systemd/system/kea-dhcp6-server.service.d/")
    assert not run_module("kea_database", **wanted)["changed"]
    assert run_module("kea_database", **wanted, state="absent")["changed"]
    assert Document(path.read_text()).get(("Dhcp6",)) == {"valid-lifetime": 4000}
    path.write_text('{ "Dhcp6": { "subnet4": [] } }')
    assert "subnet4" in run_module("kea_database", **wanted)["msg"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tcp_user_timeout": 5}, "Kea 2.2.0 does not know tcp_user_timeout for postgresql"),
        ({"retry_on_startup": True}, "Kea 2.2.0 does not know retry_on_startup for postgresql"),
        ({"read_timeout": 5}, "read_timeout is for mysql, not for postgresql"),
        ({"lfc_interval": 5}, "lfc_interval is for memfile, not for postgresql"),
        ({"readonly": True}, "readonly is for purpose hosts, not for lease"),
        (
            {"type": "memfile", "host": None, "user": None, "on_fail": "serve-retry-exit"},
            "does not know on_fail for mem",
        ),
        ({"type": "memfile", "host": None, "user": None, "purpose": "hosts"}, "memfile is for purpose lease only"),
        ({"password": "it's"}, "password holds a quote"),
        ({"password": "a\\b"}, "password holds a quote"),
        ({"name": "a b"}, "name holds a blank"),
        ({"host": "a\tb"}, "host holds a blank"),
        ({"host": "a,b", "type": "mysql"}, "several hosts are for postgresql"),
        ({"name": None}, "name is missing"),
        ({"port": 70000}, "port 70000 is not between"),
        ({"max_reconnect_tries": 0}, "work only together"),
        ({"kea_version": "3.0.0", "password": "keatest"}, "Kea 3.0.0 refuses this password"),
        ({"kea_version": "1.9.0"}, "older than 2.2.0"),
        ({"kea_version": "3.0.0"}, "needs the hook libdhcp_pgsql.so, which is not installed"),
        ({"path": "/nowhere/kea-dhcp4.conf"}, "No such file or directory"),
    ],
)
def test_what_is_refused_changes_nothing(config: Path, options: dict[str, Any], message: str) -> None:
    before = snapshot(config.parent)
    result = run_module("kea_database", **{"path": str(config), "purpose": "lease", **SERVER, **options})
    assert result["failed"]
    assert message in result["msg"]
    assert snapshot(config.parent) == before


def test_newer_keas_get_more_words_and_the_hook(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """These versions are not installed here, so check mode shows their configuration."""
    hook = tmp_path / "libdhcp_pgsql.so"
    hook.touch()
    monkeypatch.setattr(database, "HOOK_DIRECTORIES", (str(tmp_path),))
    config = tmp_path / "kea-dhcp4.conf"
    options = {"path": str(config), "purpose": "lease", **SERVER, "tcp_user_timeout": 5}
    for version in ("2.6.3", "3.0.3"):
        result = run_module("kea_database", check=True, kea_version=version, **options)
        written = Document(result["diff"]["after"])
        entry = {**SERVER, **KEEP_SILENT, "retry-on-startup": True, "tcp-user-timeout": 5}
        assert written.get(("Dhcp4", "lease-database")) == entry
        hooks = written.get(("Dhcp4", "hooks-libraries"))
        assert hooks == ([{"library": str(hook)}] if version == "3.0.3" else MISSING)


def test_a_hook_that_is_there_from_elsewhere_is_enough() -> None:
    document = Document('{ "Dhcp4": { "hooks-libraries": [ { "library": "libdhcp_pgsql.so" }, <?include "x"?> ] } }')
    assert database.put_hook(document, "Dhcp4", "postgresql", "/usr/lib/x/libdhcp_pgsql.so") is document
    assert "libdhcp_mysql.so" in database.put_hook(document, "Dhcp4", "mysql", "/y/libdhcp_mysql.so").text


def test_the_hook_is_found_where_the_distribution_puts_hooks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(database.HOOKS, "postgresql", "libdhcp_pgsql_cb.so")
    found = database.find_hook("postgresql")
    assert found is not None
    assert Path(found).is_file()


def test_check_mode_predicts_before_kea_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(servers.PROGRAMS, "Dhcp4", "kea-that-is-not-there")
    options = {"path": "/nowhere/kea-dhcp4.conf", "purpose": "lease", **SERVER}
    assert run_module("kea_database", check=True, **options)["changed"]
    assert "Kea is not installed" in run_module("kea_database", **options)["msg"]


def test_a_password_that_every_user_can_read_is_warned_about(config: Path) -> None:
    options = {"path": str(config), "purpose": "lease", **SERVER, "password": "geheim"}
    assert "warnings" not in run_module("kea_database", **options)
    config.chmod(0o644)
    assert "warnings" not in run_module("kea_database", **options), "its directory is closed"
    config.parent.chmod(0o755)
    (warning,) = run_module("kea_database", **options)["warnings"]
    assert "can be read by every user" in repr(warning)


def test_keys_that_no_option_stands_for_stay() -> None:
    text = '{ "Dhcp4": { "lease-database": { "type": "postgresql", "their-own": "word", "port": 1 } } }'
    after = database.put_entry(Document(text), "Dhcp4", "lease", {"type": "postgresql", "name": "kea"})
    assert after.text == text.replace('"port": 1', '"name": "kea"')


def test_with_several_hosts_kea_lets_go_of_one_that_is_suddenly_gone() -> None:
    given = {**dict.fromkeys(database.OPTIONS), **SERVER, "purpose": "lease", "host": "a,b"}
    knows = {version: database.entry_of(given, capabilities(version)) for version in ("2.2.0", "2.6.0", "3.0.0")}
    assert [entry.get("tcp-user-timeout") for entry in knows.values()] == [None, 5, 5]
    assert [entry["connect-timeout"] for entry in knows.values()] == [3, 3, 3]
    assert database.entry_of({**given, "tcp_user_timeout": 0}, capabilities("2.6.0"))["tcp-user-timeout"] == 0
    assert "tcp-user-timeout" not in database.entry_of({**given, "host": "a"}, capabilities("2.6.0"))


def test_every_option_is_written_in_keas_spelling() -> None:
    given = dict.fromkeys(database.OPTIONS) | {"type": "postgresql", "name": "k", "purpose": "hosts"}
    entry = database.entry_of({**given, "connect_timeout": 3, "user": ""}, capabilities("2.6.0"))
    assert entry == {"type": "postgresql", "name": "k", **KEEP_SERVING, "retry-on-startup": True, "connect-timeout": 3}
