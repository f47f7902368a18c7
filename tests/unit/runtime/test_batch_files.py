# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a batch: complete, with their mode, and what a killed run left; with one flush for all and without.

tests/crash/power.py cuts the power.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from _kea import together
from kea_lease_monitor import batch_files
from kea_lease_monitor.errors import RefusedError, TemporaryError


@pytest.fixture(params=[True, False], ids=["one flush", "a flush for each"])
def _kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The calls work on every file system; only what they promise differs."""
    monkeypatch.setattr(together, "is_enough", lambda _directory: request.param)


def contents(directory: Path, count: int, text: bytes = b"x") -> dict[str, bytes]:
    return {str(directory / f"{number}.yml"): text + b"%d" % number for number in range(count)}


@pytest.mark.usefixtures("_kind")
@pytest.mark.parametrize("count", [0, 1, 2, 350])
def test_all_files_are_written(tmp_path: Path, count: int) -> None:
    mask = os.umask(0o077)
    try:
        batch_files.replace_all(contents(tmp_path, count), 0o644)
        batch_files.replace_all(contents(tmp_path, count, b"y"), 0o640)
    finally:
        os.umask(mask)
    assert {str(path): path.read_bytes() for path in tmp_path.iterdir()} == contents(tmp_path, count, b"y")
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} <= {0o640}


@pytest.mark.usefixtures("_kind")
def test_what_a_killed_run_left_is_replaced_and_no_link_followed(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("stays")
    (tmp_path / ".0.yml.tmp").write_text("left")
    (tmp_path / ".1.yml.tmp").symlink_to(other)
    batch_files.replace_all(contents(tmp_path, 3), 0o644)
    assert other.read_text() == "stays"
    assert (tmp_path / "1.yml").read_bytes() == b"x1"
    assert not list(tmp_path.glob(".*"))


@pytest.mark.usefixtures("_kind")
def test_one_that_cannot_be_written_leaves_all_as_they_were(tmp_path: Path) -> None:
    batch_files.replace_all(contents(tmp_path, 3), 0o644)
    with pytest.raises(RefusedError, match="File name too long"):
        batch_files.replace_all({**contents(tmp_path, 3, b"y"), str(tmp_path / ("n" * 300)): b"z"}, 0o644)
    assert {str(path): path.read_bytes() for path in tmp_path.iterdir()} == contents(tmp_path, 3)


def test_no_descriptor_stays_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(together, "is_enough", lambda _directory: True)
    before = os.listdir("/proc/self/fd")
    batch_files.replace_all(contents(tmp_path, 250), 0o644)
    with pytest.raises(RefusedError):
        batch_files.replace_all({**contents(tmp_path, 3), str(tmp_path / ("n" * 300)): b"z"}, 0o644)
    assert os.listdir("/proc/self/fd") == before


def test_a_directory_is_walked_to_once(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(b"1")
    with batch_files.directory(str(tmp_path)) as found:
        assert (found.read("one"), found.read("two")) == (b"1", None)
    with pytest.raises(TemporaryError, match="missing"), batch_files.directory(str(tmp_path / "missing")):
        pass


def test_where_one_flush_is_enough(tmp_path: Path) -> None:
    """Not in memory, which has no journal. What it is enough for has a journal or is an XFS."""
    memory = os.open("/dev/shm", os.O_RDONLY)
    assert not together.is_enough(memory)
    os.close(memory)
