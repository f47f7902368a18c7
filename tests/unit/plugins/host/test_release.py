# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases named by their content: whole or not there, swapped by one rename, whoever is killed when."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.baremetal.kea.plugins.module_utils._host import release
from ansible_collections.baremetal.kea.plugins.module_utils._host.release import Releases, pack, release_name, unpack
from ansible_collections.baremetal.kea.plugins.module_utils._monitor.service import Monitor

RUNTIME = Path(__file__).resolve().parents[4] / "roles/kea_lease_monitor/files"
ASSETS = Path(__file__).resolve().parents[2] / "runtime" / "assets"
INITIAL = "lib/kea_lease_monitor/__init__.py"


@pytest.fixture
def files() -> dict[str, bytes]:
    return {"kea_lease_monitor.py": b"", "kea-lease-monitor": b"#!/bin/sh", INITIAL: b'__version__ = "1.2.3"\n'}


@pytest.fixture
def releases(tmp_path: Path) -> Releases:
    return Releases(str(tmp_path))


def install(releases: Releases, files: dict[str, bytes]) -> str:
    name = release_name(files)
    releases.install(name, files)
    releases.activate(name)
    return name


def test_the_same_content_is_packed_the_same_whatever_its_times(tmp_path: Path) -> None:
    (tmp_path / "kea_lease_monitor.py").write_text("x")
    first = pack(str(tmp_path))
    os.utime(tmp_path / "kea_lease_monitor.py", (1, 1))
    assert pack(str(tmp_path)) == first


@pytest.mark.parametrize("cache", ["kea_lease_monitor/__pycache__", ".mypy_cache/3.10"])
def test_what_tools_leave_behind_is_not_packed(tmp_path: Path, cache: str) -> None:
    (tmp_path / cache).mkdir(parents=True)
    (tmp_path / cache / "x").write_bytes(b"x")
    assert unpack(pack(str(tmp_path))) == {}


def test_the_runtime_of_the_role_is_a_release() -> None:
    files = unpack(pack(str(RUNTIME)))
    assert INITIAL in files
    assert release_name(files).count("-") == 1


def test_a_directory_without_the_monitor_is_refused(files: dict[str, bytes]) -> None:
    del files[INITIAL]
    with pytest.raises(ValueError, match="must be there"):
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


def test_an_altered_release_is_not_whole_and_is_mended(releases: Releases, files: dict[str, bytes]) -> None:
    name = install(releases, files)
    (Path(releases.path(name)) / INITIAL).write_text("altered")
    assert not releases.is_whole(name, files)
    releases.install(name, files)
    assert releases.is_whole(name, files)


def test_compiled_files_do_not_make_a_release_altered(releases: Releases, files: dict[str, bytes]) -> None:
    name = install(releases, files)
    cached = Path(releases.path(name)) / "lib/kea_lease_monitor/__pycache__"
    cached.mkdir()
    (cached / "x.pyc").write_bytes(b"x")
    assert releases.is_whole(name, files)


def test_killed_while_writing_leaves_nothing_that_counts(
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
            releases.install(release_name(files), files)
    assert releases.names() == []
    assert releases.is_whole(install(releases, files), files)
    assert [entry.name for entry in (Path(releases.root) / "releases").iterdir()] == releases.names()


def test_links_are_swapped_and_reported(tmp_path: Path) -> None:
    link = tmp_path / "link"
    assert Releases.link(str(link), "one")
    assert Releases.link(str(link), "two")
    assert not Releases.link(str(link), "two")
    assert os.readlink(link) == "two"


def test_old_releases_go_but_never_the_one_in_force(releases: Releases, files: dict[str, bytes]) -> None:
    first = install(releases, files)
    for number in range(5):
        name = release_name({**files, "lib/more.py": b"%d" % number})
        releases.install(name, {**files, "lib/more.py": b"%d" % number})
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
    """Runs the releases' own commands; systemctl is only noted down."""

    def __init__(self, root: Path, config: Path) -> None:
        self.params = {"root": str(root), "config": str(config), "files": [], "timeout": 1}
        self.check_mode = False
        self.told: list[list[str]] = []

    def run_command(self, command: list[str]) -> tuple[int, str, str]:
        self.told.append(command[:2])
        if command[0] == "systemctl":
            return 0, "", ""
        done = subprocess.run(
            [sys.executable, command[0] + ".py", *command[1:]], capture_output=True, text=True, check=False
        )
        return done.returncode, done.stdout, done.stderr


@pytest.mark.slow
def test_a_release_takes_the_state_along_in_both_directions(releases: Releases, tmp_path: Path) -> None:
    new = unpack(pack(str(RUNTIME)))
    new["kea-lease-monitor.py"] = new["kea_lease_monitor.py"]
    old = {path: content for path, content in new.items() if not path.endswith("v0002.py")}
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

    assert monitor._move_state(first, second) == ""
    assert (version(), host.told[0]) == (releases.schema(second), ["systemctl", "stop"])
    assert monitor._move_state(second, second) == ""
    assert monitor._move_state(second, first) == ""
    assert version() == "0001"
    with sqlite3.connect(state) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    assert "has schema 9999" in monitor._move_state(first, second)
