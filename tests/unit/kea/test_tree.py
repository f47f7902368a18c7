# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Paths that another user prepared: links, FIFOs and second names, in directories that this user may write."""

from __future__ import annotations

import errno
import os
import subprocess
from pathlib import Path

import pytest
from _kea import durable, removal, tree

STRANGER = 65534


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """A directory that a stranger may write."""
    path = tmp_path / "foreign"
    path.mkdir(mode=0o755)
    os.chown(path, STRANGER, STRANGER)
    return path


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.mkdir()
    (path / "shadow").write_text("secret")
    (path / "shadow").chmod(0o600)
    return path


def plant(link: Path, target: Path) -> None:
    link.symlink_to(target)
    os.lchown(link, STRANGER, STRANGER)


def test_a_planted_directory_is_not_entered(foreign: Path, secret: Path) -> None:
    plant(foreign / "applied", secret)
    path = str(foreign / "applied" / "shadow")
    for act in (
        lambda: tree.read(path),
        lambda: durable.replace(path, b"new", 0o644),
        lambda: durable.remove(path),
        lambda: tree.make_directories(path + ".d"),
        lambda: removal.remove_tree(path),
        lambda: durable.link(path, "elsewhere"),
        lambda: durable.sync(str(foreign / "applied")),
    ):
        with pytest.raises(tree.UnsafePathError, match="a user other than root may have made"):
            act()
    assert os.listdir(secret) == ["shadow"]
    assert (secret / "shadow").read_text() == "secret"


def test_a_planted_file_is_not_followed(foreign: Path, secret: Path) -> None:
    plant(foreign / "file", secret / "shadow")
    for follow in (True, False):
        with pytest.raises(tree.UnsafePathError), tree.at(str(foreign / "file"), follow) as spot:
            spot.own(STRANGER, STRANGER, 0o666)
    durable.replace(str(foreign / "file"), b"mine", 0o600)
    assert (foreign / "file").read_text() == "mine"
    found = (secret / "shadow").stat()
    assert (found.st_uid, found.st_mode & 0o777, (secret / "shadow").read_text()) == (0, 0o600, "secret")


def test_a_link_in_place_of_the_temporary_name_is_replaced(foreign: Path, secret: Path) -> None:
    plant(foreign / ".file.tmp", secret / "shadow")
    durable.replace(str(foreign / "file"), b"mine", 0o600)
    assert (secret / "shadow").read_text() == "secret"
    assert os.listdir(foreign) == ["file"]


def test_what_blocks_or_is_no_file_is_refused(foreign: Path) -> None:
    os.mkfifo(foreign / "fifo")
    os.mknod(foreign / "device", 0o600 | 0o020000, os.makedev(1, 3))
    for name, kind in (("fifo", "a FIFO"), ("device", "a device")):
        with pytest.raises(tree.UnsafePathError, match=kind):
            tree.read(str(foreign / name))
    durable.remove(str(foreign / "fifo"))
    assert os.listdir(foreign) == ["device"]


def test_a_second_name_of_a_foreign_file_is_refused(foreign: Path, secret: Path) -> None:
    os.link(secret / "shadow", foreign / "file")
    with pytest.raises(tree.UnsafePathError, match="hard link"):
        tree.read(str(foreign / "file"))
    with tree.at(str(foreign / "file")) as spot, pytest.raises(tree.UnsafePathError, match="hard link"):
        spot.own(STRANGER, STRANGER, 0o644)
    assert (secret / "shadow").stat().st_uid == 0


def test_a_link_of_root_in_a_directory_of_root_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real" / "below").mkdir(parents=True)
    (tmp_path / "real" / "below" / "file").write_text("x")
    (tmp_path / "link").symlink_to("./real/../real/below")
    (tmp_path / "absolute").symlink_to(tmp_path / "link")
    assert tree.read(str(tmp_path / "absolute" / "file")) == b"x"
    with tree.at(str(tmp_path / "absolute" / "file")) as spot:
        assert spot.path == str(tmp_path / "real" / "below" / "file")
    tmp_path.chmod(0o777)
    with pytest.raises(tree.UnsafePathError):
        tree.read(str(tmp_path / "absolute" / "file"))


def test_links_in_a_circle_end(tmp_path: Path) -> None:
    (tmp_path / "one").symlink_to("two")
    (tmp_path / "two").symlink_to("one")
    with pytest.raises(OSError, match=os.strerror(errno.ELOOP)):
        tree.read(str(tmp_path / "one"))


def test_a_deep_tree_is_removed_and_links_in_it_are_not_followed(foreign: Path, secret: Path) -> None:
    plant(foreign / "link", secret)
    at = os.open(foreign, os.O_RDONLY)
    for _level in range(3000):
        os.mkdir("d", dir_fd=at)
        below = os.open("d", os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = below
    os.close(at)
    try:
        removal.remove_tree(str(foreign))
        assert not foreign.exists()
        assert os.listdir(secret) == ["shadow"]
    finally:
        # Neither pytest nor Python removes a tree as deep as this.
        subprocess.run(["/bin/rm", "-rf", str(foreign)], check=True)


def test_errors_name_the_whole_path(tmp_path: Path) -> None:
    path = str(tmp_path / "none" / "file")
    with pytest.raises(FileNotFoundError) as caught:
        durable.replace(path, b"", 0o600)
    assert caught.value.filename == path
