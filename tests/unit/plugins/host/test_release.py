# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases named after their content: complete or missing at every moment, changed by one rename."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.baremetal.kea.plugins.module_utils._errors import KeaError
from ansible_collections.baremetal.kea.plugins.module_utils._host import release
from ansible_collections.baremetal.kea.plugins.module_utils._host.release import Releases, pack, release_name, unpack
from ansible_collections.baremetal.kea.plugins.module_utils._lfc import timer, units
from ansible_collections.baremetal.kea.plugins.module_utils._monitor.service import Monitor

SHARED = str(Path(release.__file__).resolve().parents[1] / "_kea")
ROLES = Path(release.__file__).resolve().parents[3] / "roles"
RUNTIME = ROLES / "kea_lease_monitor/files"
ASSETS = Path(__file__).resolve().parents[2] / "runtime" / "assets"
INITIAL = "lib/kea_lease_monitor/__init__.py"


class Labels:
    """A module that keeps the paths to which it gives the type of SELinux's policy."""

    def __init__(self) -> None:
        self.paths: list[str] = []

    def set_default_selinux_context(self, path: str, changed: bool) -> bool:
        self.paths.append(path)
        return changed


LABELS: Any = Labels()


@pytest.fixture
def files() -> dict[str, bytes]:
    return {"kea_lease_monitor.py": b"", "kea-lease-monitor": b"#!/bin/sh", INITIAL: b'__version__ = "1.2.3"\n'}


@pytest.fixture
def releases(tmp_path: Path) -> Releases:
    return Releases(str(tmp_path))


def install(releases: Releases, files: dict[str, bytes]) -> str:
    name = release_name(files)
    releases.install(LABELS, name, files)
    releases.activate(name)
    return name


def test_the_same_content_is_packed_the_same_whatever_its_times(tmp_path: Path) -> None:
    (tmp_path / "kea_lease_monitor.py").write_text("x")
    first = pack(str(tmp_path), SHARED)
    os.utime(tmp_path / "kea_lease_monitor.py", (1, 1))
    assert pack(str(tmp_path), SHARED) == first


@pytest.mark.parametrize("cache", ["kea_lease_monitor/__pycache__", ".mypy_cache/3.10"])
def test_caches_of_tools_are_not_packed(tmp_path: Path, cache: str) -> None:
    for directory in ("source", "shared"):
        (tmp_path / directory / cache).mkdir(parents=True)
        (tmp_path / directory / cache / "x").write_bytes(b"x")
    assert unpack(pack(str(tmp_path / "source"), str(tmp_path / "shared"))) == {}


def test_the_shared_package_is_packed_from_the_collection_itself() -> None:
    # In a process of its own: once an action plugin is imported, Ansible treats this process as a controller.
    name = "ansible_collections.baremetal.kea.plugins.action.kea_lease_monitor"
    script = f"import sys; sys.path[:0] = sys.argv[1:]; from {name} import SHARED; print(SHARED)"
    command = [sys.executable, "-c", script, *sys.path]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert os.path.realpath(done.stdout.strip()) == SHARED


@pytest.mark.slow
@pytest.mark.parametrize("program", ["kea_lease_monitor", "kea_lfc_timer"])
def test_a_program_imports_the_shared_package_from_its_own_release(releases: Releases, program: str) -> None:
    files = unpack(pack(str(ROLES / program / "files"), SHARED))
    releases.install(LABELS, "release", files)
    library = os.path.join(releases.path("release"), "lib")
    assert not list(Path(library).rglob("__pycache__"))
    script = "import sys; sys.path.insert(0, sys.argv[1]); import _kea.lifetime, _kea.lfc; print(_kea.lfc.__file__)"
    command = [sys.executable, "-I", "-B", "-c", script, library]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd="/")
    assert done.stdout.strip() == os.path.join(library, "_kea", "lfc.py")


@pytest.mark.slow
def test_the_name_of_a_release_follows_the_shared_package(tmp_path: Path) -> None:
    shared = tmp_path / "_kea"
    shutil.copytree(SHARED, shared)
    before = release_name(unpack(pack(str(RUNTIME), str(shared))))
    (shared / "lifetime.py").write_text("changed")
    assert release_name(unpack(pack(str(RUNTIME), str(shared)))) != before


def test_the_runtime_of_the_role_is_a_release() -> None:
    files = unpack(pack(str(RUNTIME), SHARED))
    assert INITIAL in files
    assert release_name(files).count("-") == 1


def test_a_directory_without_the_monitor_is_refused(files: dict[str, bytes]) -> None:
    del files[INITIAL]
    with pytest.raises(KeaError, match=r"^src: .* must be there"):
        release_name(files)


def test_the_name_follows_the_content(files: dict[str, bytes]) -> None:
    name = release_name(files)
    assert name.startswith("1.2.3-")
    assert release_name({**files, "lib/more.py": b""}) != name


def test_a_release_is_installed_whole_and_readable_by_others(releases: Releases, files: dict[str, bytes]) -> None:
    previous = os.umask(0o077)
    try:
        name = install(releases, files)
    finally:
        os.umask(previous)
    assert releases.is_whole(name, files)
    assert releases.current() == name
    command = Path(releases.path(name)) / "kea-lease-monitor"
    assert command.stat().st_mode & 0o777 == 0o755
    assert (Path(releases.path(name)) / INITIAL).parent.stat().st_mode & 0o777 == 0o755


def test_a_changed_release_is_not_complete_and_is_repaired(releases: Releases, files: dict[str, bytes]) -> None:
    name = install(releases, files)
    (Path(releases.path(name)) / INITIAL).write_text("altered")
    assert not releases.is_whole(name, files)
    releases.install(LABELS, name, files)
    assert releases.is_whole(name, files)


def test_compiled_files_do_not_make_a_release_altered(releases: Releases, files: dict[str, bytes]) -> None:
    name = install(releases, files)
    cached = Path(releases.path(name)) / "lib/kea_lease_monitor/__pycache__"
    cached.mkdir()
    (cached / "x.pyc").write_bytes(b"x")
    assert releases.is_whole(name, files)


def test_a_killed_installation_leaves_no_release(
    releases: Releases, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def kill(*_args: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(release.durable, "sync", kill)
        patch.setattr(os, "rename", kill)
        with pytest.raises(Killed):
            releases.install(LABELS, release_name(files), files)
    assert releases.names() == []
    assert releases.is_whole(install(releases, files), files)
    assert [entry.name for entry in (Path(releases.root) / "releases").iterdir()] == releases.names()


def test_only_commands_get_the_type_of_programs_and_before_they_are_in_place(
    releases: Releases, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    labels: Any = Labels()
    renamed: list[str] = []
    rename = os.rename

    def note(source: str, target: str) -> None:
        assert labels.paths == [os.path.join(source, "kea-lease-monitor")]
        renamed.append(target)
        rename(source, target)

    monkeypatch.setattr(os, "rename", note)
    releases.install(labels, "release", files)
    assert renamed == [releases.path("release")]


@pytest.mark.parametrize("program", ["kea_lease_monitor", "kea_lfc_timer"])
def test_the_rule_of_selinux_is_for_just_the_programs_that_systemd_starts(program: str) -> None:
    rule = yaml.safe_load((ROLES.parent / "playbooks/vars/names.yml").read_text())["kea__programs"]
    root = {"kea_lease_monitor": "/opt/baremetal", "kea_lfc_timer": units.ROOT}[program]
    command = {"kea_lease_monitor": release.COMMAND, "kea_lfc_timer": timer.COMMAND}[program]
    names = unpack(pack(str(ROLES / program / "files"), SHARED))
    paths = [os.path.join(Releases(root).path(name), path) for name in ("1.2.0-3f", ".new-1.2.0-3f") for path in names]
    assert [path for path in paths if re.fullmatch(rule, path)] == [
        path for path in paths if path.endswith(f"/{command}")
    ]


def test_old_releases_are_removed_except_the_one_in_force(releases: Releases, files: dict[str, bytes]) -> None:
    first = install(releases, files)
    for number in range(5):
        name = release_name({**files, "lib/more.py": b"%d" % number})
        releases.install(LABELS, name, {**files, "lib/more.py": b"%d" % number})
        os.utime(releases.path(name), (number + 10**9, number + 10**9))
    os.utime(releases.path(first), (1, 1))
    releases.prune()
    assert first in releases.names()
    assert len(releases.names()) == release.KEPT + 1


def test_remove_all(releases: Releases, files: dict[str, bytes]) -> None:
    install(releases, files)
    releases.remove_all()
    assert releases.names() == []
    assert releases.current() is None


def test_the_schema_of_a_release_is_its_last_migration(releases: Releases, files: dict[str, bytes]) -> None:
    folder = "lib/kea_lease_monitor/state/migrations/versions"
    files.update({f"{folder}/{name}": b"" for name in ("v0001.py", "v0002.py", "__init__.py", "v0003.pyc")})
    assert releases.schema(install(releases, files)) == "0002"
    assert releases.schema("none") == ""


class Host:
    """Runs the releases' own commands; systemctl is only recorded."""

    def __init__(self, root: Path, config: Path) -> None:
        self.params = {
            "root": str(root),
            "config": str(config),
            "files": [],
            "timeout": 1,
            "reservations_directory": str(root / "includes"),
        }
        self.check_mode = False
        self.commands: list[list[str]] = []

    def run_command(self, command: list[str]) -> tuple[int, str, str]:
        self.commands.append(command[:2])
        if command[0] == "systemctl":
            return 0, "", ""
        done = subprocess.run(
            [sys.executable, command[0] + ".py", *command[1:]], capture_output=True, text=True, check=False
        )
        return done.returncode, done.stdout, done.stderr


@pytest.mark.slow
def test_a_release_migrates_the_state_store_in_both_directions(releases: Releases, tmp_path: Path) -> None:
    new = unpack(pack(str(RUNTIME), SHARED))
    new["kea-lease-monitor.py"] = new["kea_lease_monitor.py"]
    old = {path: content for path, content in new.items() if not path.endswith(("v0002.py", "v0003.py"))}
    state, config = tmp_path / "state.sqlite", tmp_path / "config.yml"
    shutil.copy(ASSETS / "state-0001.sqlite", state)
    source = f"source: {{type: memfile, path: {tmp_path}/x}}"
    config.write_text(
        f"{source}\nstate: {{path: {state}}}\nsubscriptions: [{{name: a, sinks: [{{type: discovery}}]}}]\n"
    )
    first, second = install(releases, old), install(releases, new)
    host = Host(tmp_path, config)
    monitor = Monitor(host)

    def version() -> str:
        with sqlite3.connect(state) as connection:
            return str(connection.execute("SELECT version_num FROM alembic_version").fetchone()[0])

    assert monitor._migrate(first, second) == ""
    assert (version(), host.commands[0]) == (releases.schema(second), ["systemctl", "stop"])
    assert monitor._migrate(second, second) == ""
    assert monitor._migrate(second, first) == ""
    assert version() == "0001"
    with sqlite3.connect(state) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    assert "has schema 9999" in monitor._migrate(first, second)
