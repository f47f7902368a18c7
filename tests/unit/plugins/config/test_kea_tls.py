# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The TLS options of kea_database: keys of the entry, or the environment of the unit where Kea ignores the keys."""

from __future__ import annotations

import os
import pwd
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.baremetal.kea.plugins.module_utils._config import database, mysql_host, tls_files
from ansible_collections.baremetal.kea.plugins.module_utils._config.document import MISSING, Document
from support.certificates import Authority
from support.modules import run_module, snapshot
from support.programs import need

pytestmark = [pytest.mark.kea, pytest.mark.slow]

SERVER = {"type": "postgresql", "name": "kea", "host": "db.example.org", "user": "kea", "password": "pass-word"}
VERIFIED = "host=db.example.org;ssl-verify-server-cert=1"


class Site:
    """A configuration, a directory for units, and certificates that Kea's user may read."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.config = directory / "kea-dhcp4.conf"
        self.config.write_text('{ "Dhcp4": { "valid-lifetime": 4000 } }\n')
        self.drop_in = directory / "units" / "kea-dhcp4-server.service.d" / "baremetal-kea-tls.conf"
        self.authority = Authority(directory, "ca")
        kea = self.authority.issue("kea")
        self.tls = {"trust_anchor": str(self.authority.own.path), "cert_file": str(kea.path), "key_file": str(kea.key)}
        user = pwd.getpwnam("_kea")
        for path in (directory, self.config, *map(Path, self.tls.values())):
            os.chown(path, user.pw_uid, user.pw_gid)
        kea.key.chmod(0o600)

    def set(self, check: bool = False, **options: Any) -> dict[str, Any]:
        wanted = {"path": str(self.config), "backup": False, "purpose": "lease", **SERVER, **options}
        return run_module("kea_database", check=check, **wanted)

    def entry(self, *path: str) -> Any:
        return Document(self.config.read_text()).get(("Dhcp4", *path))

    def environment(self) -> list[str]:
        return [line for line in self.drop_in.read_text().splitlines() if line.startswith("Environment=")]


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    need("kea-dhcp4")
    with tempfile.TemporaryDirectory() as directory:
        monkeypatch.setattr(tls_files, "UNITS", f"{directory}/units")
        yield Site(Path(directory))


def test_check_apply_again_drift_absent_again(site: Site) -> None:
    before = snapshot(site.directory)
    check = site.set(check=True, **site.tls)
    assert check["changed"]
    assert snapshot(site.directory) == before

    applied = site.set(**site.tls)
    assert applied["diff"] == check["diff"]
    assert applied["drop_in"] == check["drop_in"]
    assert site.environment() == [
        "Environment=PGSSLMODE=verify-full",
        f"Environment=PGSSLROOTCERT={site.tls['trust_anchor']}",
        f"Environment=PGSSLCERT={site.tls['cert_file']}",
        f"Environment=PGSSLKEY={site.tls['key_file']}",
    ]
    assert site.drop_in.stat().st_mode & 0o777 == 0o644
    entry = site.entry("lease-database")
    assert not [key for key in entry if key in ("trust-anchor", "cert-file", "key-file", "ssl-mode")]
    assert not site.set(**site.tls)["changed"]

    site.drop_in.write_text("[Service]\n")
    assert site.set(check=True, **site.tls)["changed"]
    assert site.set(**site.tls)["changed"]
    assert len(site.environment()) == 4

    assert site.set(state="absent")["changed"]
    assert not site.drop_in.exists()
    assert not site.set(state="absent")["changed"]


@pytest.mark.parametrize(
    ("options", "mode"),
    [
        (["trust_anchor"], "verify-full"),
        (["cert_file", "key_file"], "require"),
    ],
)
def test_the_default_mode(site: Site, options: list[str], mode: str) -> None:
    site.set(**{name: site.tls[name] for name in options})
    assert site.environment()[0] == f"Environment=PGSSLMODE={mode}"
    site.set(purpose="hosts")
    assert site.set(ssl_mode="prefer")["changed"], "the library's own default needs no environment"
    assert not site.drop_in.exists()
    assert not site.set(ssl_mode="prefer")["changed"]


def test_one_environment_for_all_connections(site: Site) -> None:
    site.set(**site.tls)
    before = site.drop_in.read_text()
    site.set(purpose="hosts")
    assert site.drop_in.read_text() == before, "another entry of the same server does not take it away"
    site.set(purpose="config", host="/var/run/postgresql", password=None)
    assert site.drop_in.read_text() == before
    refused = site.set(purpose="hosts", host="other.example.org", ssl_mode="require")
    assert "one TLS setting for all its connections to PostgreSQL" in refused["msg"]
    assert "db.example.org" in refused["msg"]
    assert site.drop_in.read_text() == before
    assert site.set(ssl_mode="require")["changed"], "the same server may change its mind"
    site.set(state="absent")
    assert site.drop_in.exists(), "the hosts database still goes over the network"
    site.set(purpose="hosts", state="absent")
    assert not site.drop_in.exists()


def test_of_several_hosts_the_one_that_may_be_written_to(site: Site) -> None:
    both, alone = "Environment=PGTARGETSESSIONATTRS=read-write", {"host": "a.example.org,b.example.org"}
    for purpose in ("lease", "hosts"):
        site.set(purpose=purpose, **alone)
    assert site.environment() == [both]
    assert site.entry("lease-database", "host") == alone["host"]
    assert not site.set(**alone)["changed"]

    site.set(**alone, **site.tls)
    assert site.environment()[-1] == both
    assert len(site.environment()) == 5
    before = site.drop_in.read_text()
    assert not site.set(purpose="hosts", **alone)["changed"], "an entry without TLS options leaves those of the other"
    assert site.drop_in.read_text() == before
    for version in ("2.6.3", "3.1.0"):
        predicted = site.set(check=True, kea_version=version, purpose="config", **alone)
        assert (predicted["drop_in"]["after"] == before) == (version == "2.6.3")
        assert both in predicted["drop_in"]["after"]

    site.set(purpose="hosts", state="absent", **alone)
    site.set(**site.tls)
    assert len(site.environment()) == 4, "one host is the primary, or Kea has none"
    site.set(**alone)
    site.set(state="absent", **alone)
    assert not site.drop_in.exists()


def test_kea_3_1_gets_keys_and_no_environment(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "HOOK_DIRECTORIES", (str(site.directory),))
    site.set(**site.tls)
    predicted = site.set(check=True, kea_version="3.1.0", **site.tls)
    assert predicted["drop_in"]["after"] == ""
    entry = Document(predicted["diff"][0]["after"]).get(("Dhcp4", "lease-database"))
    keys = {"trust-anchor": "trust_anchor", "cert-file": "cert_file", "key-file": "key_file"}
    assert {key: entry[key] for key in keys} == {key: site.tls[name] for key, name in keys.items()}
    assert entry["ssl-mode"] == "verify-full"


def test_mysql_gets_keys_and_verifies(site: Site) -> None:
    """Kea asks its client library for no verification; the library takes that from the name of the host."""
    site.set(**site.tls, type="mysql", cipher_list="ECDHE-ECDSA-AES256-GCM-SHA384")
    entry = site.entry("lease-database")
    assert entry["trust-anchor"] == site.tls["trust_anchor"]
    assert entry["cipher-list"] == "ECDHE-ECDSA-AES256-GCM-SHA384"
    assert entry["host"] == VERIFIED
    assert not site.drop_in.exists()
    site.set(type="mysql")
    assert site.entry("lease-database", "cipher-list") is MISSING
    assert site.entry("lease-database", "host") == SERVER["host"]


@pytest.mark.parametrize("options", [{}, {"exclusive": True}])
def test_the_same_mysql_with_and_without_verification(site: Site, options: dict[str, Any]) -> None:
    hosts = {"purpose": "hosts", "type": "mysql", **options}
    other = {**hosts, "name": "other", "exclusive": False}
    for tls, host in (({}, SERVER["host"]), (site.tls, VERIFIED), ({}, SERVER["host"]), (site.tls, VERIFIED)):
        for wanted in (hosts, hosts) if options else (hosts, other):
            assert "msg" not in site.set(**wanted, **tls)
            assert not site.set(**wanted, **tls)["changed"]
        entries = site.entry("hosts-databases")
        assert [(entry["name"], entry["host"]) for entry in entries] == [
            (name, host) for name in (("kea",) if options else ("kea", "other"))
        ]
    site.set(**hosts, state="absent")
    assert site.entry("hosts-databases") is MISSING or site.entry("hosts-databases") == [entries[-1]]


def test_another_client_library_of_mysql_would_not_verify(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mysql_host, "_LIBRARIES", ("/nowhere/libmariadb.so.3",))
    before = snapshot(site.directory)
    assert "libmariadb.so.3" in site.set(**site.tls, type="mysql")["msg"]
    assert snapshot(site.directory) == before
    assert site.set(type="mysql")["changed"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"host": "/var/run/postgresql"}, "no TLS over a unix socket"),
        ({"key_file": None}, "cert_file and key_file are needed together"),
        ({"trust_anchor": None, "ssl_mode": "verify-ca"}, "ssl_mode verify-ca needs trust_anchor"),
        ({"ssl_mode": "disable"}, "ssl_mode disable leaves nothing to do"),
        ({"cipher_list": "HIGH"}, "cipher_list is for mysql"),
        ({"type": "mysql", "host": "db;ssl=0"}, "MySQL's client library would take it for options"),
        ({"type": "mysql", "host": "host=db"}, "MySQL's client library would take it for options"),
        ({"type": "mysql", "ssl_mode": "require"}, "ssl_mode is for postgresql, not for mysql"),
        ({"type": "memfile", "name": None, "host": None, "user": None, "password": None}, "trust_anchor is for mysql"),
        ({"trust_anchor": "/etc/ca of mine.pem"}, "trust_anchor contains a character that breaks"),
        ({"trust_anchor": "/etc/ssl"}, "is a directory, which PostgreSQL's client library cannot use"),
        ({"trust_anchor": "/nowhere.pem"}, "trust_anchor /nowhere.pem does not exist"),
    ],
)
def test_what_cannot_be_had_is_refused(site: Site, options: dict[str, Any], message: str) -> None:
    before = snapshot(site.directory)
    result = site.set(**{**site.tls, **options})
    assert result["failed"]
    assert message in result["msg"]
    assert snapshot(site.directory) == before


def test_unfit_files_are_refused_in_check_mode_too(site: Site) -> None:
    expired, key = site.authority.issue("expired", days=-1), Path(site.tls["key_file"])
    os.chown(expired.path, key.stat().st_uid, key.stat().st_gid)
    os.chown(expired.key, key.stat().st_uid, key.stat().st_gid)
    for check in (True, False):
        for mode, message in ((0o640, "PostgreSQL's client library takes 0600"), (0o604, "can be reached by others")):
            key.chmod(mode)
            assert message in site.set(check=check, **site.tls)["msg"]
        key.chmod(0o600)
        files = {"cert_file": str(expired.path), "key_file": str(expired.key)}
        assert "certificate has expired" in site.set(check=check, **{**site.tls, **files})["msg"]
    os.chown(key, 0, 0)
    assert f"the user _kea of Kea cannot read {key}" in site.set(**site.tls)["msg"]
    assert not site.drop_in.exists()


def test_check_mode_predicts_before_the_files_are_there(site: Site) -> None:
    files = {name: f"/etc/kea/tls/new/{name}" for name in site.tls}
    assert site.set(check=True, **files)["changed"]
    assert "does not exist" in site.set(**files)["msg"]
