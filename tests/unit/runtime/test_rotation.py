# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The situations of the tail tests of fluent-bit and Vector, by their names there, where test_memfile has them not."""

from __future__ import annotations

from pathlib import Path
from typing import Iterator

import pytest
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


def test_a_backlog_behind_the_header_of_the_successor(files: Files) -> None:
    """A batch of it is not all of it, however many rows are read at once."""
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
    """Faster than anybody reads."""
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
    """Kea between the rename and the reload: what goes to .1 still is a lease."""
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


def test_copytruncate_with_a_stale_writer(files: Files) -> None:
    """Who does not append goes on where he was, and leaves a hole of zeros before it."""
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


def test_delete_and_recreate(files: Files) -> None:
    """With luck in the same inode, which only the checksum tells apart."""
    for number in range(2, 12):
        files.path.unlink()
        files.create()
        files.write(row(number))
        assert files.addresses() == [f"10.0.0.{number}"]


def test_an_inode_that_was_removed_and_came_again_while_stopped(tmp_path: Path) -> None:
    """Both files have their first line only, so that nothing in them tells one from the other."""
    files = Files(tmp_path)
    files.create()
    files.follow()
    files.source.close()
    # A file system need not give the number out again: a second name keeps it until the new file takes it.
    kept = tmp_path / "kept"
    kept.hardlink_to(files.path)
    files.write(row(1))
    files.rotate()
    files.clean_up()
    files.write(row(2))
    files.path.rename(f"{files.path}.1")
    kept.write_text(HEADER)
    kept.rename(files.path)
    restart(files)
    assert "10.0.0.1" in files.addresses()
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
    """A crash of the writer: half a row is none, and what follows is read."""
    files.write(row(2)[:25])
    files.rotate()
    files.write(row(3))
    assert files.addresses() == ["10.0.0.3"]


def test_what_could_not_be_read_for_a_while(files: Files) -> None:
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
