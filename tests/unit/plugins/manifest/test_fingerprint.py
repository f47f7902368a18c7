# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What changed on a host since its last deployment, with files and a real PostgreSQL; units are tested on hosts."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest
from ansible_collections.baremetal.kea.plugins.module_utils import _info
from ansible_collections.baremetal.kea.plugins.module_utils._manifest import catalogue, fingerprint
from ansible_collections.baremetal.kea.plugins.module_utils._manifest.document import Manifest
from support.modules import run_module
from support.postgres import Cluster, postgres_cluster

INPUTS = "a digest"
UNCHANGED = {"known": True, "same_inputs": True, "changed": [], "databases": [], "error": None}
UNKNOWN = {**fingerprint.UNKNOWN, "error": None}


class Site:
    """A directory that stands for a host, and its manifest."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.store = root / "store"
        self.config = root / "kea-dhcp4.conf"
        self.config.write_text('{"Dhcp4": {}}')
        self.things: dict[str, list[str]] = {"file": [str(self.config)]}

    def do(self, state: str, **options: Any) -> dict[str, Any]:
        return run_module("kea_manifest", state=state, directory=str(self.store), **options)

    def deploy(self, inputs: str | None = INPUTS) -> None:
        self.do("intended", things=self.things)
        self.do("made", **({"inputs": inputs} if inputs else {}))

    def changes(self, inputs: str = INPUTS) -> dict[str, Any]:
        found: dict[str, Any] = run_module("kea_info", gather=["changes"], inputs=inputs)["changes"]
        return found

    def unchanged(self) -> bool:
        return self.changes() == {**UNCHANGED, "deployed": Manifest(str(self.store)).deployed}


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    one = Site(tmp_path)
    monkeypatch.setattr(_info, "Manifest", lambda: Manifest(str(one.store)))
    return one


def test_a_host_that_was_never_deployed_is_not_known(site: Site) -> None:
    assert site.changes() == UNKNOWN


def test_nothing_changed(site: Site) -> None:
    site.deploy()
    assert site.unchanged()
    assert not site.changes("another digest")["same_inputs"]


def test_without_inputs_nothing_is_known(site: Site) -> None:
    site.deploy(inputs=None)
    assert not site.changes()["known"]


def test_a_deployment_that_did_not_finish_is_not_known(site: Site) -> None:
    site.deploy()
    site.do("intended", things=site.things)
    assert not site.changes()["known"]
    site.deploy()
    assert site.unchanged()


def test_after_a_roll_back_nothing_is_known(site: Site) -> None:
    site.deploy()
    site.do("restored")
    assert site.changes() == UNKNOWN


def test_a_manifest_of_an_earlier_release_is_read(site: Site) -> None:
    site.deploy()
    path = site.store / "manifest.json"
    document = json.loads(path.read_text())
    del document["fingerprint"]
    path.write_text(json.dumps(document))
    assert not site.changes()["known"]


def test_files_and_what_kea_includes(site: Site) -> None:
    included = site.root / "subnets.json"
    included.write_text("[]")
    site.config.write_text(f'{{"Dhcp4": {{"subnet4": <?include "{included}"?>}}}}')
    site.deploy()
    site.config.chmod(0o600)
    included.write_text("[ ]")
    assert site.changes()["changed"] == [f"file:{site.config}", f"included file:{included}"]


def test_each_file_below_etc_and_opt_and_no_data_of_programs(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    program, data = site.root / "opt" / "release", site.root / "data"
    for one in (program, data):
        one.mkdir(parents=True)
        (one / "file").write_text("first")
    link = program / "link"
    link.symlink_to("file")
    monkeypatch.setattr(fingerprint, "_OF_PROGRAMS", (str(site.root / "opt"),))
    reserved = site.root / "opt" / "reservations.d"
    reserved.mkdir()
    site.things = {"tree": [str(program), str(data)], "reservations": [str(reserved)]}
    site.deploy()
    (data / "file").write_text("second")
    (reserved / "of-a-subnet.json").write_text("[]")
    assert site.unchanged()
    changes: list[Callable[[], Any]] = [
        lambda: (program / "file").write_text("second"),
        lambda: (program / "file").chmod(0o600),
        lambda: link.unlink() or link.symlink_to("elsewhere"),
        (program / "more").mkdir,
    ]
    for change in changes:
        change()
        assert site.changes()["changed"] == [f"tree:{program}"]
        site.deploy()
    data.chmod(0o700)
    assert site.changes()["changed"] == [f"tree:{data}"]


def test_no_link_in_place_of_a_directory_is_followed(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """As Kea's user may put one into /etc/kea."""
    own, foreign = site.root / "etc" / "tls-pair", site.root / "foreign"
    for one in (own, foreign):
        one.mkdir(parents=True)
        (one / "file").write_text("first")
    monkeypatch.setattr(fingerprint, "_OF_PROGRAMS", (str(site.root / "etc"),))
    site.things = {"tree": [str(own)]}
    site.deploy()
    os.chown(site.root / "etc", 65534, -1)
    assert site.unchanged()
    own.rename(site.root / "etc" / "former")
    own.symlink_to(foreign)
    with pytest.raises(OSError, match="is a link that a user other than root may have made"):
        list(fingerprint._below(str(own)))
    assert "is a link that a user other than root may have made" in site.changes()["error"]


@pytest.fixture(scope="module")
def postgres() -> Iterator[Cluster]:
    with postgres_cluster() as cluster:
        yield cluster


CHANGES = (
    "CREATE TABLE another (id int)",
    "ALTER TABLE another ADD COLUMN name text",
    "GRANT SELECT (name) ON another TO PUBLIC",
    "ALTER TABLE another ALTER COLUMN name SET DEFAULT 'x'",
    "ALTER TABLE another ADD CONSTRAINT one UNIQUE (id)",
    "CREATE INDEX several ON another (name)",
    "CREATE FUNCTION quiet() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
    "CREATE OR REPLACE FUNCTION quiet() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
    "REVOKE EXECUTE ON FUNCTION quiet() FROM PUBLIC",
    "CREATE TRIGGER tells AFTER INSERT ON another FOR EACH ROW EXECUTE FUNCTION quiet()",
    "ALTER TABLE another DISABLE TRIGGER tells",
    "CREATE SCHEMA elsewhere",
    "GRANT USAGE ON SCHEMA elsewhere TO PUBLIC",
    "REVOKE CONNECT ON DATABASE looked_at FROM PUBLIC",
    "CREATE ROLE stranger",
    "ALTER ROLE stranger LOGIN PASSWORD 'one'",
    "ALTER ROLE stranger PASSWORD 'another'",
    "ALTER ROLE stranger SET search_path = elsewhere",
    "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO stranger",
    "CREATE RULE never AS ON DELETE TO another DO INSTEAD NOTHING",
    "CREATE POLICY mine ON another USING (true)",
)


class Programs:
    """What of a module runs programs."""

    def get_bin_path(self, name: str) -> str | None:
        return shutil.which(name)

    def run_command(self, command: list[str], data: str, cwd: str) -> tuple[int, str, str]:
        done = subprocess.run(command, input=data, cwd=cwd, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout, done.stderr


@pytest.mark.postgres
def test_each_kind_of_change_in_a_database(postgres: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """And rows that come and go in normal use are no change."""
    monkeypatch.setenv("PGHOST", str(postgres.directory))
    postgres.administer("CREATE DATABASE looked_at")
    module, name = Programs(), f"{postgres.port}/looked_at"
    before = catalogue.read(module, name)
    assert before
    for statement in CHANGES:
        postgres.execute("looked_at", statement)
        now = catalogue.read(module, name)
        assert now not in (None, before), statement
        before = now
    postgres.execute("looked_at", "INSERT INTO another VALUES (1, 'a row')")
    assert catalogue.read(module, name) == before


@pytest.mark.postgres
def test_a_change_in_a_database_is_reported(site: Site, postgres: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGHOST", str(postgres.directory))
    name = f"{postgres.port}/postgres"
    site.things = {"database": [name]}
    site.deploy()
    assert site.unchanged()
    postgres.administer("CREATE TABLE more (id int)")
    assert site.changes()["databases"] == [f"database:{name}"]
    site.do("surveyed")
    assert site.unchanged()


@pytest.mark.postgres
def test_a_database_that_cannot_be_read_counts_as_changed(
    site: Site, postgres: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGHOST", str(postgres.directory))
    name = f"{postgres.port}/postgres"
    site.things = {"database": [name]}
    site.deploy()
    monkeypatch.setattr(catalogue, "read", lambda _module, _name: None)
    assert site.changes()["databases"] == [f"database:{name}"]
    site.deploy()
    assert site.changes()["databases"] == [f"database:{name}"]
