# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module kea_manifest with files, databases and a real PostgreSQL; units and packages are tested on hosts."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Iterator

import pytest
from support.modules import run_module, snapshot
from support.postgres import Cluster, postgres_cluster


class Site:
    """A directory that stands for a host."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.store = root / "store"
        self.config = root / "kea.conf"
        self.config.write_text("found")
        self.config.chmod(0o640)
        os.chown(self.config, 7, 8)
        self.added = root / "unit"
        self.home = root / "home"
        self.things = {"file": [str(self.config), str(self.home), str(self.added)]}

    def do(self, state: str, check: bool = False, **options: Any) -> dict[str, Any]:
        return run_module("kea_manifest", check, state=state, directory=str(self.store), **options)

    def deploy(self, text: str = "made") -> None:
        self.do("intended", things=self.things)
        self.config.write_text(text)
        self.home.mkdir(exist_ok=True)
        self.added.write_text(text)
        self.do("made")

    def is_as_found(self) -> bool:
        found = self.config.stat()
        whole = (self.config.read_text(), found.st_uid, found.st_gid, found.st_mode & 0o7777)
        return whole == ("found", 7, 8, 0o640) and not self.added.exists() and not self.home.exists()


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_what_was_deployed_twice_goes_back_to_what_was_found(site: Site) -> None:
    site.deploy()
    site.deploy("made again")
    checked = site.do("restored", check=True)
    assert checked["plan"] == [
        {"kind": "file", "name": str(site.added), "action": "remove", "why": "deployed"},
        {"kind": "file", "name": str(site.home), "action": "remove", "why": "deployed"},
        {"kind": "file", "name": str(site.config), "action": "restore", "why": "deployed"},
    ]
    assert checked["plan_lines"] == [
        f"file {site.added}: is removed",
        f"file {site.home}: is removed",
        f"file {site.config}: is put back as it was found",
    ]
    assert site.config.read_text() == "made again"
    assert site.do("restored")["changed"]
    assert site.is_as_found()
    again = site.do("restored")
    assert (again["changed"], again["plan"]) == (False, [])


def test_nothing_is_written_in_check_mode(site: Site) -> None:
    assert site.do("intended", check=True, things=site.things)["changed"]
    assert not site.store.exists()


def test_a_second_deployment_of_the_same_changes_nothing(site: Site) -> None:
    site.deploy()
    before = site.do("checked")["entries"]
    assert not site.do("intended", things=site.things)["changed"]
    assert not site.do("made")["changed"]
    after = site.do("checked")["entries"]
    assert [{**entry, "in_force": None} for entry in after] == [{**entry, "in_force": None} for entry in before]


def test_only_root_reads_it_and_it_holds_no_content(site: Site) -> None:
    site.config.write_text("a secret")
    site.deploy("another secret")
    assert "secret" not in (site.store / "manifest.json").read_text()
    modes = {path.name: path.stat().st_mode & 0o777 for path in [*site.store.glob("*"), *site.store.glob("files/*")]}
    assert modes.pop("manifest.json.lock")
    assert modes.pop("files") == 0o700
    assert set(modes.values()) == {0o600}
    assert len(modes) == 2, "the manifest, and the one file that was found"


def test_a_failure_goes_back_to_what_was_there_before_this_deployment(site: Site) -> None:
    site.deploy()
    site.config.write_text("by hand")
    site.do("intended", things=site.things)
    site.config.write_text("refused by Kea")
    assert site.do("reverted", things=site.things)["contents"]
    assert site.config.read_text() == "by hand"


def test_another_mode_is_nothing_that_a_service_reads(site: Site) -> None:
    site.do("intended", things=site.things)
    site.config.chmod(0o600)
    reverted = site.do("reverted", things=site.things)
    assert (reverted["changed"], reverted["contents"]) == (True, False)
    assert site.is_as_found()


def test_a_failure_reverts_to_the_state_before_a_killed_deployment(site: Site) -> None:
    site.deploy()
    for half in ("killed", "killed again"):
        site.do("intended", things=site.things)
        site.config.write_text(half)
    again = site.do("intended", things=site.things)
    assert (again["interrupted"], again["changed"]) == (True, False)
    site.do("reverted", things=site.things)
    assert site.config.read_text() == "made"
    site.do("made")
    assert not site.do("intended", things=site.things)["interrupted"]


def test_a_host_that_was_never_deployed_is_refused(site: Site) -> None:
    assert "nothing was ever deployed here" in site.do("checked")["msg"]
    assert "nothing was ever deployed here" in site.do("restored")["msg"]
    assert not site.store.exists() or not list(site.store.glob("*.json"))


def test_a_change_by_a_person_is_shown_and_refused_unless_forced(site: Site) -> None:
    site.deploy()
    site.config.write_text("by hand")
    before = snapshot(site.root / "store" / "files")
    refused = site.do("restored")
    assert refused["failed"]
    assert (
        f"1 of the things that were deployed have been changed since, so nothing was done: file:{site.config}"
        in (refused["msg"])
    )
    assert [one["key"] for one in refused["differences"]] == [f"file:{site.config}"]
    assert site.config.read_text() == "by hand"
    assert snapshot(site.root / "store" / "files") == before
    assert site.do("restored", force=True)["changed"]
    assert site.is_as_found()


def test_what_an_unfinished_deployment_changed_is_its_own(site: Site) -> None:
    site.deploy()
    site.do("intended", things=site.things)
    site.config.write_text("half")
    checked = site.do("checked")
    assert (checked["failed"], checked["differences"]) == (False, [])
    assert checked["unfinished"]
    site.do("restored")
    assert site.is_as_found()


def test_a_first_deployment_that_was_killed_is_undone(site: Site) -> None:
    site.do("intended", things=site.things)
    site.config.write_text("half")
    site.do("restored")
    assert site.is_as_found()


def test_a_deployment_that_was_refused_before_it_changed_anything_was_none(site: Site) -> None:
    site.do("intended", things=site.things)
    assert "nothing was ever deployed here" in site.do("checked")["msg"]
    site.deploy()
    site.do("intended", things=site.things)
    assert site.do("checked")["unfinished"] is None
    site.config.write_text("by hand")
    site.do("made")
    site.config.write_text("by hand, again")
    for _refused in range(2):
        site.do("intended", things=site.things)
        assert [one["key"] for one in site.do("checked")["differences"]] == [f"file:{site.config}"]


def test_what_no_deployment_changed_stays_whoever_changes_it(site: Site) -> None:
    site.do("intended", things=site.things)
    site.do("made")
    site.config.write_text("by hand")
    checked = site.do("checked", force=True)
    entry = {"kind": "file", "name": str(site.config), "action": "keep", "why": "not_deployed"}
    assert entry in checked["plan"]
    assert f"file {site.config}: no deployment changed it" not in checked["plan_lines"]
    site.do("restored", force=True)
    assert site.config.read_text() == "by hand"


def test_a_first_change_that_fails_goes_back_to_what_was_found(site: Site) -> None:
    things = {"file": [str(site.config), str(site.home), str(site.home / "unit")]}
    site.do("intended", things=things)
    site.config.write_text("refused by Kea")
    site.home.mkdir()
    (site.home / "unit").write_text("refused by systemd")
    reverted = site.do("reverted", things=things)
    assert reverted["things"] == [f"file:{site.home / 'unit'}", f"file:{site.home}", f"file:{site.config}"]
    assert site.is_as_found()
    assert not site.do("reverted", things=things)["changed"]
    assert "nothing was ever deployed here" in site.do("checked")["msg"]


def test_a_directory_with_something_unknown_in_it_stays_and_is_named(site: Site) -> None:
    site.deploy()
    (site.home / "mine").write_text("by hand")
    assert site.do("restored")["remains"] == [f"file:{site.home}"]
    assert (site.home / "mine").exists()


def test_data_stays_unless_purge_names_it(site: Site) -> None:
    leases, directory = site.root / "leases.csv", site.root / "reservations"
    site.do("intended", things={"leases": [str(leases)], "reservations": [str(directory)]})
    for name in ("leases.csv", "leases.csv.2"):
        (site.root / name).write_text("leases")
    directory.mkdir()
    (directory / "subnet-1.json").write_text("{}")
    site.do("made")
    kept = site.do("restored")
    assert not kept["changed"]
    assert [(step["action"], step["why"]) for step in kept["plan"]] == [("keep", "data"), ("keep", "data")]
    assert kept["plan_lines"] == [
        f"reservations {directory}: stays, because purge does not name reservations",
        f"leases {leases}: stays, because purge does not name leases",
    ]
    assert site.do("restored", purge=["leases", "reservations"])["changed"]
    assert not list(site.root.glob("leases.csv*")) + list(site.root.glob("reservations"))


def test_a_database_goes_only_with_what_it_holds(site: Site) -> None:
    site.deploy()
    refused = site.do("restored", purge=["database"])
    assert "the database holds leases and reservations" in refused["msg"]
    assert not site.is_as_found()


def test_a_lost_copy_is_noticed_before_anything_takes_its_place(site: Site) -> None:
    site.deploy()
    for copy in (site.store / "files").iterdir():
        copy.write_text("something else")
    assert "what was found is lost" in site.do("restored")["msg"]
    assert site.config.read_text() == "made"


def test_a_manifest_of_tomorrow_is_not_touched(site: Site) -> None:
    site.deploy()
    path = site.store / "manifest.json"
    path.write_text(path.read_text().replace('"version": 1', '"version": 2'))
    before = path.read_bytes()
    for state in ("intended", "made", "reverted", "restored"):
        assert "newer version" in site.do(state, things=site.things)["msg"]
    assert path.read_bytes() == before


def test_what_uses_a_database_stops_before_it_is_dropped(site: Site) -> None:
    """From files to a database: the database is the last thing that the manifest got."""
    unit, cluster = "no-such-monitor.service", "postgresql@99-kea.service"
    for things in ({**site.things, "unit": [unit]}, {"unit": [cluster]}, {"database": ["1/kea"], "role": ["1/kea"]}):
        site.do("intended", things=things)
    site.do("made")
    named = [(step["kind"], step["name"]) for step in site.do("checked")["plan"]]
    assert named[:4] == [("unit", unit), ("database", "1/kea"), ("role", "1/kea"), ("unit", cluster)]
    assert named[4:] == [("file", path) for path in reversed(site.things["file"])]


@pytest.fixture(scope="module")
def postgres() -> Iterator[Cluster]:
    with postgres_cluster() as cluster:
        yield cluster


def test_a_database_and_its_role_are_ours_only_if_they_were_not_there(site: Site, postgres: Cluster) -> None:
    """PGHOST is what tells psql where this cluster is."""
    os.environ["PGHOST"] = str(postgres.directory)
    try:
        postgres.sql('CREATE ROLE "theirs"')
        ours, theirs, base = (f"{postgres.port}/{name}" for name in ("our's", "theirs", 'ba"se'))
        things = {"role": [ours, theirs], "database": [base]}
        site.do("intended", things=things)
        postgres.sql('CREATE ROLE "our\'s"; ')
        postgres.sql('CREATE DATABASE "ba""se" OWNER "our\'s"')
        site.do("made")
        assert not site.do("restored")["changed"]
        with postgres.session('ba"se') as cursor:
            cursor.execute("SET application_name = 'another program'")
            in_use = site.do("restored", purge=["database", "leases", "reservations"])
        assert "is being accessed by other users" in in_use["msg"]
        assert "Sessions that use it: another program as postgres, process " in in_use["msg"]
        purged = site.do("restored", purge=["database", "leases", "reservations"])
        assert purged["things"] == [f"database:{base}", f"role:{ours}"]
        assert postgres.sql("SELECT rolname FROM pg_roles WHERE rolname ~ '^(our|their)'") == "theirs"
        assert postgres.sql("SELECT count(*) FROM pg_database WHERE datname ~ 'ba'") == "0"
    finally:
        del os.environ["PGHOST"]
