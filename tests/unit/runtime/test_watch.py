"""Wake-ups for changes in a directory."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from kea_lease_monitor.sources.memfile.watch import Watch
from support.paths import program_path


@pytest.fixture(autouse=True, scope="module")
def instances() -> None:
    """Each systemd of the test hosts takes some of the 128 that root may have; then these tests had none."""
    limit = Path("/proc/sys/fs/inotify/max_user_instances")
    if int(limit.read_text()) < 1024:
        limit.write_text("1024")


def inotify_descriptors() -> int:
    """Only these: what else the process has open comes and goes with the garbage of other tests."""
    count = 0
    for name in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):
            count += os.readlink(f"/proc/self/fd/{name}") == "anon_inode:inotify"
    return count


def woken(made: Watch) -> bool:
    found, _write, _error = select.select([made.fileno()], [], [], 2)
    return bool(found)


def test_each_change_wakes_until_it_is_drained(tmp_path: Path) -> None:
    made = Watch(str(tmp_path))
    made.drain()
    assert select.select([made.fileno()], [], [], 0)[0] == []
    for change in (
        lambda: (tmp_path / "a").write_text("1"),
        lambda: (tmp_path / "a").open("a").write("2"),
        lambda: (tmp_path / "a").rename(tmp_path / "b"),
        (tmp_path / "b").unlink,
    ):
        change()
        assert woken(made)
        made.drain()
        assert select.select([made.fileno()], [], [], 0)[0] == []
    made.close()


def test_reading_the_file_causes_no_wake_up(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    made = Watch(str(tmp_path))
    made.drain()
    (tmp_path / "a").read_text()
    assert select.select([made.fileno()], [], [], 0)[0] == []
    made.close()


def test_a_missing_directory_is_watched_once_it_exists(tmp_path: Path) -> None:
    made = Watch(str(tmp_path / "late"))
    made.drain()
    assert made.fileno() is None
    before = inotify_descriptors()
    for _second in range(20):
        made.drain()
    assert inotify_descriptors() == before
    (tmp_path / "late").mkdir()
    made.drain()
    assert made.fileno() is not None
    made.close()


def test_a_replaced_directory_is_watched_again(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    made = Watch(str(tmp_path / "a"))
    made.drain()
    (tmp_path / "a").rename(tmp_path / "old")
    (tmp_path / "a").mkdir()
    assert woken(made)
    made.drain()
    (tmp_path / "a" / "file").write_text("")
    assert woken(made)
    made.close()


EXHAUSTED = """
import os, sys
from pathlib import Path
from kea_lease_monitor import telemetry
from kea_lease_monitor.sources.memfile.watch import Watch

limit = Path("/proc/sys/user/max_inotify_watches")
before = limit.read_text()
telemetry.set_up("INFO")
limit.write_text("0")
made, count = Watch(sys.argv[1]), len(os.listdir("/proc/self/fd"))
for _minute in range(20):
    made.drain()
assert (made.fileno(), len(os.listdir("/proc/self/fd"))) == (None, count)
limit.write_text(before)
made.drain()
assert made.fileno() is not None
"""


def test_when_the_kernel_refuses_a_watch_nothing_leaks_and_one_line_is_logged(tmp_path: Path) -> None:
    """In a user namespace, which has a limit of its own."""
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", sys.executable, "-c", EXHAUSTED, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": program_path()},
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("[unwatched]") == 1
