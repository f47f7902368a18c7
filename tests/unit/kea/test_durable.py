# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that are complete at every moment."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from _kea import durable
from lfc.world import need

MODULE_UTILS = str(Path(durable.__file__).parents[1])
REPLACE = """
import sys
sys.path.insert(0, sys.argv[1])
from _kea import durable
durable.replace(sys.argv[2], b"after" * 10000, 0o640)
"""


def synced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of what is synced from now on."""
    names: list[str] = []
    fsync = os.fsync

    def note(descriptor: int) -> None:
        names.append(os.path.basename(os.readlink(f"/proc/self/fd/{descriptor}")))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    return names


def test_mode_owner_and_content(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("before")
    before = os.umask(0o077)
    try:
        durable.replace(str(path), b"after", 0o644, (65534, 65534))
    finally:
        os.umask(before)
    found = path.stat()
    assert (path.read_text(), found.st_mode & 0o777, found.st_uid, found.st_gid) == ("after", 0o644, 65534, 65534)
    assert os.listdir(tmp_path) == ["a"]


def test_the_file_and_then_its_directory_are_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = synced(monkeypatch)
    durable.replace(str(tmp_path / "a"), b"x", 0o600)
    assert names == [".a.tmp", tmp_path.name]


def test_a_name_without_a_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names = synced(monkeypatch)
    durable.replace("a", b"x", 0o600)
    assert names == [".a.tmp", tmp_path.name]


def test_a_link_in_the_place_of_the_new_file_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("whole")
    os.symlink(victim, durable.temporary(str(tmp_path / "a")))
    durable.replace(str(tmp_path / "a"), b"new", 0o644)
    assert (victim.read_text(), (tmp_path / "a").read_text()) == ("whole", "new")


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(OSError, match="directory"):
        durable.replace(str(tmp_path / "a"), b"new", 0o644)
    assert os.listdir(tmp_path) == ["a"]


@pytest.mark.parametrize("call", ["fchmod", "write", "fsync", "renameat"])
def test_killed_at_any_call_the_old_file_is_complete_and_the_next_run_works(tmp_path: Path, call: str) -> None:
    path = tmp_path / "a"
    path.write_text("before")
    # Only the calls on these paths count, not those of Python itself.
    command = [need("strace"), "-f", "-o", "/dev/null", f"--inject={call}:signal=KILL:when=1"]
    command += [
        "-P",
        durable.temporary(str(path)),
        "-P",
        str(tmp_path),
        sys.executable,
        "-c",
        REPLACE,
        MODULE_UTILS,
        str(path),
    ]
    done = subprocess.run(command, check=False, capture_output=True)
    assert done.returncode == -9, done.stderr
    assert path.read_text() == "before"
    durable.replace(str(path), b"again", 0o644)
    assert path.read_text() == "again"


def test_a_new_file_replaces_none(tmp_path: Path) -> None:
    durable.write(str(tmp_path / "a"), b"x", 0o600)
    with pytest.raises(FileExistsError):
        durable.write(str(tmp_path / "a"), b"y", 0o600)


def test_a_removed_file_stays_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").touch()
    names = synced(monkeypatch)
    durable.remove(str(tmp_path / "a"))
    durable.remove(str(tmp_path / "a"))
    assert (os.listdir(tmp_path), names) == ([], [tmp_path.name])


def test_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(tmp_path / "current")
    names = synced(monkeypatch)
    os.symlink("left by a killed run", durable.temporary(path))
    assert durable.link(path, "one")
    assert durable.link(path, "two")
    assert not durable.link(path, "two")
    assert (os.readlink(path), os.listdir(tmp_path)) == ("two", ["current"])
    assert names == [tmp_path.name] * 2
