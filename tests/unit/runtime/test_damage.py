# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A damaged state file is set aside, and nothing else is."""

from __future__ import annotations

import os
import resource
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest
from kea_lease_monitor.app import create_state, open_state
from kea_lease_monitor.errors import DamagedError, TemporaryError
from kea_lease_monitor.state.location import StateLocation
from kea_lease_monitor.state.records import Bookmark
from kea_lease_monitor.state.store import Store
from support.paths import program_environment

from runtime.contracts import settle

pytestmark = pytest.mark.slow  # each test starts programs, for seconds

BOOKMARKS = [Bookmark(f"name-{number}", "x" * 2000, "some", 1.0) for number in range(40)]


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Return the path of a state of many pages, with some of them in the write-ahead log."""
    path = tmp_path / "state.sqlite"
    store = open_state(StateLocation(str(path)))
    for bookmark in BOOKMARKS:
        settle(store, bookmark)
    store.close()
    return path


def bookmarks(path: Path) -> list[Bookmark]:
    store = open_state(StateLocation(str(path)))
    found = store.bookmarks()
    store.close()
    return found


def aside(path: Path) -> list[str]:
    return sorted(each.name for each in path.parent.iterdir() if ".damaged-" in each.name)


def overwrite(path: Path, offset: int, content: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(content)


def without_a_table(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("DROP TABLE bookmarks")
    connection.close()


def fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGES: dict[str, Callable[[Path], Any]] = {
    "no database": lambda path: path.write_text("no database " * 100),
    "header": lambda path: overwrite(path, 0, b"\0" * 100),
    "schema": lambda path: overwrite(path, 100, b"\xff" * 3000),
    "truncated": lambda path: os.truncate(path, 4096 * 5),
    "a page": lambda path: overwrite(path, 4096 * 12, os.urandom(4096 * 8)),
    "zeros": lambda path: overwrite(path, 4096, b"\0" * 4096 * 10),
    "a table is missing": without_a_table,
    "fifo": fifo,
    "directory": directory,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_state_is_set_aside_and_begun_again(state: Path, said: Callable[[], str], damage: str) -> None:
    DAMAGES[damage](state)
    content = state.read_bytes() if state.is_file() else None
    assert bookmarks(state) == []
    [kept] = [name for name in aside(state) if not name.endswith(("-wal", "-shm", "-journal"))]
    assert f"set aside, all leases will be read again: kept={state.parent / kept} problem=" in said()
    if content is not None:
        assert (state.parent / kept).read_bytes() == content, "nothing is deleted"
    before = aside(state)
    assert bookmarks(state) == []
    assert aside(state) == before, "the new one is sound"


def test_two_damaged_states_of_one_second_are_both_kept(state: Path) -> None:
    for number in range(3):
        state.write_text(f"no database {number}")
        assert bookmarks(state) == []
    assert len({(state.parent / name).read_text() for name in aside(state)}) == 3


def test_a_sound_state_stays(state: Path) -> None:
    assert bookmarks(state) == sorted(BOOKMARKS)
    assert aside(state) == []


def test_leftovers_of_another_database_are_not_believed(state: Path, tmp_path: Path) -> None:
    """A write-ahead log or a journal beside a missing or an empty file belongs to no database."""
    for suffix in ("-wal", "-shm", "-journal"):
        Path(f"{state}{suffix}").write_bytes(os.urandom(9000))
    assert bookmarks(state) == sorted(BOOKMARKS), "SQLite checks the log"
    for begin in (state.unlink, lambda: state.write_bytes(b"")):
        begin()
        for suffix in ("-wal", "-journal"):
            Path(f"{state}{suffix}").write_bytes(os.urandom(9000))
        assert bookmarks(state) == []
    assert aside(state) == []


def test_a_link_stays_a_link(state: Path, tmp_path: Path) -> None:
    real = tmp_path / "elsewhere.sqlite"
    state.rename(real)
    state.symlink_to(real)
    real.write_text("no database")
    assert bookmarks(state) == []
    assert state.is_symlink()
    assert len(aside(state)) == 1
    state.unlink()
    state.symlink_to("/dev/null")
    assert bookmarks(state) == []
    assert Path("/dev/null").is_char_device(), "a device is never renamed"


def test_commands_name_the_remedy_and_change_nothing(state: Path) -> None:
    state.write_text("no database " * 100)
    for use in (create_state, Store):
        with pytest.raises(DamagedError, match=r"state.sqlite: file is not a database; start the monitor again"):
            use(StateLocation(str(state)))
    assert aside(state) == []


@pytest.fixture
def full(state: Path) -> Iterator[None]:
    """Let no file of this process grow, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.usefixtures("full")
def test_a_full_disk_is_no_damage(state: Path) -> None:
    with pytest.raises(TemporaryError):
        settle(Store(StateLocation(str(state))), BOOKMARKS[0])
    with pytest.raises(TemporaryError):
        open_state(StateLocation(str(state)))
    assert aside(state) == []


def test_a_locked_state_is_no_damage(state: Path) -> None:
    blocker = sqlite3.connect(state, isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    with pytest.raises(TemporaryError, match="locked"):
        open_state(StateLocation(str(state)))
    blocker.close()
    assert bookmarks(state) == sorted(BOOKMARKS)


def test_a_kill_while_it_is_set_aside_can_be_repeated(state: Path) -> None:
    """The database is renamed last: until then it counts as damaged."""
    state.write_text("no database " * 100)
    Path(f"{state}-journal").write_bytes(b"log")
    script = (
        "import os, sys\nfrom kea_lease_monitor.state import damage, location\n"
        "rename = os.rename\n"
        "def once(*names):\n    rename(*names)\n    os._exit(9)\n"
        "os.rename = once\ndamage.set_aside(location.StateLocation(sys.argv[1]))"
    )
    done = subprocess.run([sys.executable, "-c", script, str(state)], env=program_environment(), check=False)
    assert done.returncode == 9
    assert bookmarks(state) == []
    assert [(state.parent / name).read_text() for name in aside(state)][-1] in ("log", "no database " * 100)
    assert not Path(f"{state}-journal").exists()
