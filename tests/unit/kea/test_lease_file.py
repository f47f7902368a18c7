# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names, load order and lock of a lease file."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from _kea import lease_file
from _kea.lease_file import LeaseFile, Lock


@pytest.fixture
def files(tmp_path: Path) -> LeaseFile:
    return LeaseFile(str(tmp_path / "kea-leases4.csv"))


def test_the_names_are_those_of_kea() -> None:
    files = LeaseFile("/x/leases.csv")
    assert (files.rotated, files.previous, files.output) == (
        "/x/leases.csv.1",
        "/x/leases.csv.2",
        "/x/leases.csv.output",
    )
    assert (files.completed, files.pid) == ("/x/leases.csv.completed", "/x/leases.csv.pid")
    assert files.lock == "/x/.leases.csv.lock"
    assert set(files.all()) == {
        f"/x/leases.csv{suffix}" for suffix in ("", ".1", ".2", ".output", ".completed", ".pid")
    }


@pytest.mark.parametrize(
    ("database", "family", "path"),
    [
        (None, 4, "/var/lib/kea/kea-leases4.csv"),
        (None, 6, "/var/lib/kea/kea-leases6.csv"),
        ({"type": "memfile"}, 4, "/var/lib/kea/kea-leases4.csv"),
        ({"type": "memfile", "name": ""}, 6, "/var/lib/kea/kea-leases6.csv"),
        ({"type": "memfile", "name": "x.csv"}, 4, "/var/lib/kea/x.csv"),
        ({"name": "/x/y.csv"}, 4, "/x/y.csv"),
        ({"type": "memfile", "persist": False}, 4, None),
        ({"type": "postgresql", "name": "kea"}, 4, None),
    ],
)
def test_where_a_configuration_has_its_leases(database: dict[str, Any] | None, family: int, path: str | None) -> None:
    assert lease_file.configured_path(database, family) == path


def test_a_server_without_a_lease_database_uses_its_default() -> None:
    assert lease_file.default_path(6) == lease_file.configured_path({}, 6)


def test_the_completed_file_is_loaded_instead_of_the_two_that_it_replaces(files: LeaseFile) -> None:
    assert files.load_order() == (files.previous, files.rotated, files.current)
    Path(files.completed).touch()
    assert files.load_order() == (files.completed, files.current)


def test_what_an_lfc_that_did_not_finish_leaves(files: LeaseFile) -> None:
    Path(files.current).touch()
    Path(files.previous).touch()
    assert files.leftovers() == []
    Path(files.rotated).touch()
    os.symlink("missing", files.output)
    Path(files.pid).touch()
    assert files.unfinished() == [files.rotated, files.output]
    assert files.leftovers() == [files.rotated, files.output, files.pid]


def test_only_one_has_the_lock(files: LeaseFile) -> None:
    with Lock(files.current) as first, Lock(files.current) as second:
        assert first.path == files.lock
        assert first.take()
        assert not second.take()
    with Lock(files.current) as third:
        assert third.take(), "free once it is closed"


def test_a_child_that_inherits_the_lock_holds_it(files: LeaseFile) -> None:
    program = [sys.executable, "-c", "input()"]
    with Lock(files.current) as first:
        assert first.take()
        child = subprocess.Popen(program, stdin=subprocess.PIPE, pass_fds=[first.descriptor])
    with child, Lock(files.current) as second:
        assert not second.take()
        child.communicate(b"\n")
        assert second.take()


@pytest.mark.parametrize("umask", [0o077, 0o000])
def test_the_lock_is_open_to_the_group_of_the_directory(files: LeaseFile, tmp_path: Path, umask: int) -> None:
    os.chown(tmp_path, -1, 65534)
    before = os.umask(umask)
    try:
        Lock(files.current).__exit__(None, None, None)
    finally:
        os.umask(before)
    found = os.stat(files.lock)
    assert (found.st_mode & 0o777, found.st_uid, found.st_gid) == (0o640, os.geteuid(), 65534)


def test_the_lock_of_another_user_stays_as_it_is(files: LeaseFile) -> None:
    Path(files.lock).touch(0o444)
    os.chown(files.lock, 65534, 65534)
    with Lock(files.current) as lock:
        assert lock.take()
    assert os.stat(files.lock).st_mode & 0o777 == 0o444


def test_a_link_is_not_followed(files: LeaseFile, tmp_path: Path) -> None:
    os.symlink(tmp_path / "elsewhere", files.lock)
    with pytest.raises(OSError, match="is a link"):
        Lock(files.current)
    assert not (tmp_path / "elsewhere").exists()
