# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases named by their content: whole or not there, swapped by one rename, whoever is killed when."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.baremetal.kea.plugins.module_utils import _release
from ansible_collections.baremetal.kea.plugins.module_utils._release import Releases, pack, release_name, unpack

RUNTIME = Path(__file__).resolve().parents[3] / "roles/kea_lease_monitor/files"
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
        patch.setattr(_release, "_sync_directory", kill)
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
    assert len(releases.names()) == _release.KEPT + 1


def test_remove_all(releases: Releases, files: dict[str, bytes]) -> None:
    install(releases, files)
    releases.remove_all()
    assert releases.names() == []
    assert releases.current() is None
