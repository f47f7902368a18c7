# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The situations of the tail tests of fluent-bit and Vector, by their names there, unless test_memfile has them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Iterator

import pytest
from _kea.lease_csv import header_line
from kea_lease_monitor.errors import TemporaryError
from kea_lease_monitor.sources.memfile.source import MemfileSource

from runtime.builders import HEADER, Time, row
from runtime.lease_files import Files


@pytest.fixture
def files(tmp_path: Path) -> Iterator[Files]:
    found = Files(tmp_path)
    found.create()
    found.write(row(1))
    found.follow()
    yield found
    found.source.close()


def restart(files: Files) -> None:
    files.source.close()
    files.source = MemfileSource(str(files.path), Time().clock())


def test_rename_rotation_with_backlog(files: Files) -> None:
    files.write("".join(row(number) for number in range(2, 9)))
    files.rotate()
    files.write(row(9))
    assert files.addresses() == [f"10.0.0.{number}" for number in range(2, 10)]


def test_a_backlog_after_the_header_of_the_next_file(files: Files) -> None:
    """One batch is not the whole backlog, however many rows are read at once."""
    files.rotate()
    files.write("".join(row(number) for number in range(2, 9)))
    assert files.addresses() == [f"10.0.0.{number}" for number in range(2, 9)]
    files.write(row(9))
    files.clean_up()
    files.rotate()
    files.write(row(10) + row(11))
    restart(files)
    got = []
    while len(got) < 3:
        found, files.position, caught_up = files.source.read(files.position, 1)
        got += [event.lease.address for event in found]
        assert found or not caught_up
    assert got == ["10.0.0.9", "10.0.0.10", "10.0.0.11"]


def test_multiple_rotations(files: Files) -> None:
    for number in range(2, 6):
        files.write(row(number))
        files.rotate()
        assert files.addresses() == [f"10.0.0.{number}"]
        files.clean_up()
        assert files.addresses() == []


def test_rapid_rotation(files: Files) -> None:
    """Faster than the monitor reads."""
    for number in range(2, 6):
        files.write(row(number))
        files.rotate()
        files.clean_up()
    files.follow()
    assert sorted(files.view) == [f"10.0.0.{number}" for number in range(1, 6)]


def test_rotation_while_stopped(files: Files) -> None:
    files.source.close()
    files.write(row(2))
    files.rotate()
    files.write(row(3))
    files.clean_up()
    restart(files)
    files.follow()
    assert sorted(files.view) == ["10.0.0.1", "10.0.0.2", "10.0.0.3"]


def test_rotation_leaves_a_writer_on_the_old_file(files: Files) -> None:
    """Kea between the rename and the reload: its rows in .1 are leases, too."""
    with files.path.open("a") as writer:
        files.path.rename(f"{files.path}.1")
        assert files.addresses() == []
        writer.write(row(2))
        writer.flush()
        assert files.addresses() == ["10.0.0.2"]
    files.create()
    files.write(row(3))
    assert files.addresses() == ["10.0.0.3"]


def test_copytruncate(files: Files) -> None:
    files.path.write_text(HEADER + row(2))
    assert files.addresses() == ["10.0.0.2"]


def test_copytruncate_to_the_same_length(files: Files) -> None:
    files.path.write_text(HEADER + row(2))
    assert files.path.stat().st_size == len(HEADER + row(1))
    assert files.addresses() == ["10.0.0.2"]


def test_copytruncate_to_a_shorter_header(files: Files) -> None:
    """Another version of Kea writes fewer columns. The header that was read before says nothing of the new file."""
    files.source.close()
    files.path.write_text(f"{header_line(4, with_pools=True)}\n")
    restart(files)
    assert files.addresses() == []
    files.create()
    assert files.addresses() == []
    files.write(row(2))
    assert files.addresses() == ["10.0.0.2"]


def test_copytruncate_with_a_stale_writer(files: Files) -> None:
    """A writer that does not append goes on at its old offset, and leaves a hole of zeros before that."""
    with files.path.open("r+") as writer:
        writer.seek(0, 2)
        files.path.write_text("")
        writer.write(row(2))
    with pytest.raises(TemporaryError, match="is no lease file"):
        files.follow()
    files.path.write_text(HEADER + row(3))
    assert files.addresses() == ["10.0.0.3"]


def test_copytruncate_across_a_restart(files: Files) -> None:
    files.source.close()
    files.path.write_text(HEADER + row(2) + row(3) + row(4))
    restart(files)
    assert files.addresses() == ["10.0.0.2", "10.0.0.3", "10.0.0.4"]


@pytest.mark.parametrize("same_inode", [False, True])
def test_delete_and_recreate(files: Files, same_inode: bool) -> None:
    """In the same inode only the checksum tells the new file from the old one."""
    for number in range(2, 12):
        inode = files.path.stat().st_ino
        if same_inode:
            recreate_in_same_inode(files, HEADER)
        else:
            another = files.path.with_name("another")
            another.write_text(HEADER)
            another.replace(files.path)
        assert (files.path.stat().st_ino == inode) is same_inode
        files.write(row(number))
        assert files.addresses() == [f"10.0.0.{number}"]


def recreate_in_same_inode(files: Files, text: str) -> None:
    """Delete the lease file and create it again. A second link keeps the inode, whatever the file system does."""
    kept = files.path.with_name("kept")
    os.link(files.path, kept)
    files.path.unlink()
    kept.write_text(text)
    kept.rename(files.path)


def test_an_inode_that_is_used_again_while_the_monitor_is_stopped(tmp_path: Path) -> None:
    """Both files have only their first line, so their content does not tell them apart."""
    files = Files(tmp_path)
    files.create()
    files.follow()
    files.source.close()
    inode = files.path.stat().st_ino
    # This link keeps the inode, so that it can be used again on every file system.
    kept = tmp_path / "kept"
    os.link(files.path, kept)
    files.write(row(1))
    files.rotate()
    files.clean_up()
    files.write(row(2))
    files.path.rename(f"{files.path}.1")
    kept.write_text(HEADER)
    kept.rename(files.path)
    assert files.path.stat().st_ino == inode
    restart(files)
    assert sorted(files.addresses()) == ["10.0.0.1", "10.0.0.2"]
    files.source.close()


def test_deleted_while_stopped(files: Files) -> None:
    files.source.close()
    files.path.unlink()
    restart(files)
    assert files.addresses() == []
    files.create()
    files.write(row(2))
    assert files.addresses() == ["10.0.0.2"]


def test_a_partial_line_across_a_restart_is_completed_once(files: Files) -> None:
    files.write(row(2)[:25])
    assert files.addresses() == []
    restart(files)
    files.write(row(2)[25:] + row(3))
    assert files.addresses() == ["10.0.0.2", "10.0.0.3"]


def test_a_partial_line_before_a_rotation(files: Files) -> None:
    """The writer crashed: half a row is no row, and the next file is read."""
    files.write(row(2)[:25])
    files.rotate()
    files.write(row(3))
    assert files.addresses() == ["10.0.0.3"]


def test_a_file_that_is_unreadable_for_a_while(files: Files) -> None:
    files.path.rename(f"{files.path}.away")
    files.path.mkdir()
    with pytest.raises(TemporaryError):
        files.follow()
    files.path.rmdir()
    Path(f"{files.path}.away").rename(files.path)
    files.write(row(2))
    files.follow()
    assert sorted(files.view) == ["10.0.0.1", "10.0.0.2"]


def test_a_long_line_and_no_line_at_all(files: Files) -> None:
    files.write("x" * 1_000_000 + "\n" + row(2) + "\n\n\n" + row(3))
    assert files.addresses() == ["10.0.0.2", "10.0.0.3"]
