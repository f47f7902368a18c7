# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module kea_config with the real kea-dhcp4, as its user."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.baremetal.kea.plugins.module_utils._config import servers, tls_files
from ansible_collections.baremetal.kea.plugins.module_utils._config.document import MISSING, Document
from support.modules import run_module, snapshot
from support.programs import need

pytestmark = pytest.mark.kea

HAND_WRITTEN = """\
// by hand
{ "Dhcp4": {
    "valid-lifetime": 4000, # seconds
    "subnet4": [ { "id": 1, "subnet": "10.0.1.0/24" } ], // hall A
    "lease-database": { "type": "memfile", "password": "old-pass-word" }
} }
"""


@pytest.fixture
def directory() -> Iterator[Path]:
    """A directory like /etc/kea on a hardened host. Not below pytest's, which the Kea user may not enter."""
    need("kea-dhcp4")
    user = pwd.getpwnam("_kea")
    with tempfile.TemporaryDirectory() as parent:
        os.chown(parent, -1, user.pw_gid)
        os.chmod(parent, 0o710)
        path = Path(parent, "kea")
        path.mkdir(mode=0o750)
        os.chown(path, user.pw_uid, user.pw_gid)
        yield path


@pytest.fixture
def config(directory: Path) -> Path:
    path = directory / "kea-dhcp4.conf"
    path.write_text(HAND_WRITTEN)
    os.chown(path, 0, pwd.getpwnam("_kea").pw_gid)
    path.chmod(0o640)
    return path


def test_check_apply_again_drift_absent_again(config: Path) -> None:
    wanted = {"path": str(config), "settings": {"Dhcp4/valid-lifetime": 5000, "Dhcp4/renew-timer": 7}}

    before = snapshot(config.parent)
    check = run_module("kea_config", check=True, **wanted)
    assert check["changed"]
    assert snapshot(config.parent) == before

    applied = run_module("kea_config", **wanted)
    assert applied["changed"]
    assert applied["diff"] == check["diff"]
    assert applied["changed_paths"] == ["Dhcp4/valid-lifetime", "Dhcp4/renew-timer"]
    assert '"valid-lifetime": 5000, # seconds\n' in config.read_text()
    assert '"renew-timer": 7\n} }\n' in config.read_text()
    after = config.stat()
    assert (after.st_uid, after.st_gid, after.st_mode & 0o7777) == (0, pwd.getpwnam("_kea").pw_gid, 0o640)
    assert Path(applied["backup_file"]).read_text() == HAND_WRITTEN

    settled = snapshot(config.parent)
    assert not run_module("kea_config", **wanted)["changed"]
    assert snapshot(config.parent) == settled

    config.write_text(config.read_text().replace("5000", "1"))
    assert run_module("kea_config", backup=False, **wanted)["changed_paths"] == ["Dhcp4/valid-lifetime"]

    unwanted = {"path": str(config), "absent": ["Dhcp4/renew-timer", "Dhcp4/nothing"], "backup": False}
    absent = run_module("kea_config", **unwanted)
    assert absent["changed_paths"] == ["Dhcp4/renew-timer"]
    assert "backup_file" not in absent
    assert config.read_text() == HAND_WRITTEN.replace("4000", "5000")
    assert not run_module("kea_config", **unwanted)["changed"]


DATABASE = {"type": "postgresql", "name": "kea", "host": "/run/postgresql", "user": "_kea", "password": "new-pass-word"}


def test_databases_go_into_the_same_candidate(config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls_files, "UNITS", str(tmp_path))
    databases = [{"purpose": "lease", **DATABASE}, {"purpose": "hosts", "exclusive": True, **DATABASE}]
    wanted = {"path": str(config), "databases": databases, "settings": {"Dhcp4/valid-lifetime": 5000}}
    before = snapshot(config.parent)
    check = run_module("kea_config", check=True, **wanted)
    assert check["changed"]
    assert snapshot(config.parent) == before
    applied = run_module("kea_config", **wanted)
    assert applied["kea_version"] == "2.2.0"
    assert applied["drop_in"]["before"] == applied["drop_in"]["after"] == ""
    assert "new-pass-word" not in repr(applied)
    found = Document(config.read_text())
    assert found.get(("Dhcp4", "lease-database"))["password"] == "new-pass-word"
    assert [entry["name"] for entry in found.get(("Dhcp4", "hosts-databases"))] == ["kea"]
    assert found.get(("Dhcp4", "valid-lifetime")) == 5000
    assert Path(applied["backup_file"]).read_text() == HAND_WRITTEN
    assert not run_module("kea_config", **wanted)["changed"]
    unwanted = {
        "path": str(config),
        "databases": [{"purpose": "hosts", "state": "absent", **DATABASE}],
        "backup": False,
    }
    assert run_module("kea_config", **unwanted)["changed"]
    assert not run_module("kea_config", **unwanted)["changed"]


def test_the_environment_of_the_unit_is_that_of_all_databases(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tls_files, "UNITS", str(tmp_path))
    far = {**DATABASE, "host": "db.example", "ssl_mode": "require"}

    def set_both(entry: dict[str, str]) -> dict[str, str]:
        databases = [{"purpose": purpose, **entry} for purpose in ("lease", "hosts")]
        databases[1]["exclusive"] = True
        return run_module("kea_config", path=str(config), databases=databases, backup=False)["drop_in"]

    drop_in = set_both(far)
    assert "PGSSLMODE=require" in drop_in["after"]
    assert Path(drop_in["path"]).read_text() == drop_in["after"]
    assert set_both(DATABASE) == {**drop_in, "before": drop_in["after"], "after": ""}
    assert not Path(drop_in["path"]).exists()


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"purpose": "lease"}, "databases[0]: missing required arguments: type"),
        ({**DATABASE, "purpose": "lease", "colour": 1}, "databases[0]: colour. Supported parameters include"),
        ({"purpose": "hosts", "type": "memfile"}, "memfile is for purpose lease only"),
        ({**DATABASE, "purpose": "lease", "host": "db.example", "ssl_mode": "verify-full"}, "needs trust_anchor"),
    ],
)
def test_a_database_that_cannot_be_is_refused(config: Path, entry: dict[str, object], message: str) -> None:
    before = snapshot(config.parent)
    result = run_module("kea_config", path=str(config), databases=[entry], settings={"Dhcp4/valid-lifetime": 5000})
    assert result["failed"]
    assert message in result["msg"]
    assert "new-pass-word" not in repr(result)
    assert snapshot(config.parent) == before


def test_a_new_file_belongs_to_kea_alone(directory: Path) -> None:
    path = directory / "kea-dhcp4.conf"
    wanted = {"path": str(path), "settings": {"Dhcp4/interfaces-config/interfaces": ["lo"]}}
    assert run_module("kea_config", check=True, **wanted)["changed"]
    assert not path.exists()
    assert run_module("kea_config", **wanted)["changed"]
    assert path.read_text() == (
        '{\n  "Dhcp4": {\n    "interfaces-config": {\n      "interfaces": [ "lo" ]\n    }\n  }\n}\n'
    )
    assert (path.owner(), path.group(), path.stat().st_mode & 0o7777) == ("_kea", "_kea", 0o640)
    assert not run_module("kea_config", **wanted)["changed"]


def test_check_mode_predicts_before_kea_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(servers.PROGRAMS, "Dhcp4", "kea-that-is-not-there")
    wanted = {"path": "/nowhere/kea/kea-dhcp4.conf", "settings": {"Dhcp4/valid-lifetime": 1}}
    assert run_module("kea_config", check=True, **wanted)["changed"]
    assert "kea-that-is-not-there is not installed" in run_module("kea_config", **wanted)["msg"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"Dhcp4/no-such-key": 1}, 'got unexpected keyword "no-such-key" in Dhcp4 map'),
        ({"Dhcp4/subnet4[id=1]/pools": [{"pool": "10.9.0.1-10.9.0.2"}]}, "does not match the prefix of a subnet"),
        ({"Dhcp4/hooks-libraries": [{"library": "/nope.so"}]}, "hooks libraries failed to validate"),
        ({"Dhcp4/subnet4[id=1]/reservations": [{"<?include?>": "/nope"}]}, "Can't open include file /nope"),
        ({"Dhcp4/valid-lifetime/x": 1}, "Dhcp4/valid-lifetime is a scalar, not a map"),
    ],
)
def test_a_refused_configuration_changes_nothing(config: Path, settings: dict[str, object], message: str) -> None:
    before = snapshot(config.parent)
    result = run_module("kea_config", path=str(config), settings=settings)
    assert result["failed"]
    assert message in result["msg"]
    assert ".candidate" not in result["msg"]
    assert snapshot(config.parent) == before


def test_a_file_that_cannot_be_read_is_refused_with_its_place(config: Path) -> None:
    config.write_text('{ "Dhcp4": { "a": 1 "b": 2 } }')
    result = run_module("kea_config", check=True, path=str(config), settings={"Dhcp4/c": 1})
    assert result["msg"] == f"{config}: line 1, column 21: a comma is missing"


def test_wanted_and_unwanted_at_once_is_refused(config: Path) -> None:
    result = run_module("kea_config", path=str(config), settings={"Dhcp4/a/b": 1}, absent=["Dhcp4/a"])
    assert result["msg"] == "Dhcp4/a is both in settings and in absent"


def test_an_unreadable_include_is_noticed_because_kea_tests_as_its_own_user(config: Path) -> None:
    included = config.parent / "secret.json"
    included.write_text('"renew-timer": 5')
    included.chmod(0o600)
    settings = {"Dhcp4/user-context": {"a": {"<?include?>": str(included)}}}
    result = run_module("kea_config", path=str(config), settings=settings)
    assert f"Can't open include file {included}" in result["msg"]


def test_an_included_reservation_file_is_set_and_recognised(config: Path) -> None:
    included = config.parent / "subnet-1.json"
    included.write_text("")
    os.chown(included, pwd.getpwnam("_kea").pw_uid, -1)
    settings = {"Dhcp4/subnet4[id=1]/reservations": [{"<?include?>": str(included)}]}
    assert run_module("kea_config", path=str(config), settings=settings)["changed"]
    assert f'"reservations": [ <?include "{included}"?> ]' in config.read_text()
    assert not run_module("kea_config", path=str(config), settings=settings)["changed"]


def test_passwords_are_shown_nowhere(config: Path) -> None:
    entry = {"type": "memfile", "password": "new-pass-word"}
    result = run_module("kea_config", path=str(config), settings={"Dhcp4/lease-database": entry})
    assert result["changed"]
    assert "new-pass-word" in config.read_text()
    assert "pass-word" not in repr(result)


def test_an_unknown_user_is_refused(config: Path) -> None:
    before = snapshot(config.parent)
    result = run_module("kea_config", path=str(config), kea_user="nobody-9", settings={"Dhcp4/valid-lifetime": 1})
    assert result["msg"] == "the user nobody-9 (kea_user) does not exist"
    assert snapshot(config.parent) == before


def test_a_link_stays_a_link(config: Path) -> None:
    link = config.parent.parent / "link.conf"
    link.symlink_to("kea/" + config.name)
    result = run_module("kea_config", path=str(link), settings={"Dhcp4/valid-lifetime": 1})
    assert result["path"] == str(config)
    assert link.is_symlink()
    assert '"valid-lifetime": 1,' in config.read_text()


def test_a_link_in_a_directory_of_keas_user_is_refused(config: Path) -> None:
    shadow = config.parent.parent / "shadow"
    shadow.write_text(HAND_WRITTEN)
    link = config.parent / "link.conf"
    link.symlink_to(shadow)
    before = snapshot(config.parent)
    for check in (True, False):
        message = run_module("kea_config", check=check, path=str(link), settings={"Dhcp4/valid-lifetime": 1})["msg"]
        assert f"{link} is a link that a user other than root may have made" in message
    assert snapshot(config.parent) == before
    assert shadow.read_text() == HAND_WRITTEN


def test_a_full_disk_changes_nothing(directory: Path) -> None:
    subprocess.run([need("mount"), "-t", "tmpfs", "-o", "size=64k,mode=755", "none", directory], check=True)
    try:
        config = directory / "kea-dhcp4.conf"
        config.write_text(HAND_WRITTEN)
        with pytest.raises(OSError, match="No space left"):
            (directory / "filler").write_bytes(bytes(1 << 17))
        before = snapshot(directory)
        result = run_module("kea_config", path=str(config), settings={"Dhcp4/valid-lifetime": 1})
        assert result["msg"].endswith("cannot be written: No space left on device; nothing was changed")
        assert snapshot(directory) == before
    finally:
        subprocess.run([need("umount"), directory], check=True)


def test_a_run_killed_before_the_swap_is_healed_by_the_next(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = {"path": str(config), "settings": {"Dhcp4/valid-lifetime": 5000}}
    child = os.fork()
    if child == 0:
        monkeypatch.setattr(os, "replace", lambda *_names, **_directories: os._exit(9))
        run_module("kea_config", **wanted)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert config.read_text() == HAND_WRITTEN
    assert list(config.parent.glob(".kea-dhcp4.conf.*.candidate"))

    unchanged = {"path": str(config), "settings": {"Dhcp4/valid-lifetime": 4000}}
    assert not run_module("kea_config", check=True, **unchanged)["changed"]
    assert list(config.parent.glob(".*"))
    assert not run_module("kea_config", **unchanged)["changed"]
    assert not list(config.parent.glob(".*")), "it may hold a password, so it goes even when there is nothing to change"

    (config.parent / ".kea-dhcp4.conf.candidate").touch()
    assert run_module("kea_config", **wanted)["changed"]
    assert '"valid-lifetime": 5000' in config.read_text()
    assert not list(config.parent.glob(".*"))


def test_keas_installed_configuration_survives(directory: Path) -> None:
    config = directory / "kea-dhcp4.conf"
    shutil.copyfile("/etc/kea/kea-dhcp4.conf", config)
    original = config.read_text()
    assert run_module("kea_config", path=str(config), settings={"Dhcp4/valid-lifetime": 1234})["changed"]
    assert config.read_text() == original.replace('"valid-lifetime": 3600', '"valid-lifetime": 1234', 1)


def hosts(config: Path) -> list[str]:
    found = Document(config.read_text()).get(("Dhcp4", "hosts-databases"))
    return [] if found is MISSING else [f"{one['host']}/{one['name']}" for one in found]


def test_a_database_that_a_run_added_goes_with_its_name_and_the_site_s_stay(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tls_files, "UNITS", str(tmp_path))
    site = '"hosts-databases": [ { "type": "postgresql", "host": "db9", "name": "theirs" } ], // of the site\n'
    config.write_text(HAND_WRITTEN.replace('"valid-lifetime"', f'{site} "valid-lifetime"', 1))
    found = config.read_text()
    common = {"path": str(config), "record": str(tmp_path / "record.json"), "backup": False}
    common["merge"] = {"renew-timer": 7}

    def run(check: bool = False, *names: str) -> bool:
        databases = [{**DATABASE, "purpose": "hosts", "name": name} for name in names]
        return bool(run_module("kea_config", check=check, databases=databases, **common)["changed"])

    assert run(False, "kea")
    assert hosts(config) == ["db9/theirs", "/run/postgresql/kea"]
    assert not run(False, "kea")
    assert run(True, "other")
    assert run(False, "other")
    assert hosts(config) == ["db9/theirs", "/run/postgresql/other"]
    assert not run(False, "other")
    # What stood there before stays, although it was named meanwhile.
    theirs = {**DATABASE, "host": "db9", "name": "theirs", "purpose": "hosts"}
    run_module("kea_config", databases=[theirs], **common)
    assert hosts(config) == ["db9/theirs"]
    assert run_module("kea_config", databases=[], **common)["changed"] is False
    assert hosts(config) == ["db9/theirs"]
    assert "// of the site" in found
