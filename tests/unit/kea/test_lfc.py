# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether an LFC runs: real processes, their PID files, and users who see less than root."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from _kea import lfc
from _kea.lease_file import LeaseFile
from _kea.lfc import Status
from lfc.world import need, until

NO_PROCESS = "4194999"
STRANGER = 65534

# Prints what another user finds, on a host that hides the processes of others if told so.
AS_STRANGER = """
import os, subprocess, sys
sys.path.insert(0, sys.argv[1])
from _kea import lfc
if sys.argv[3] == "hide":
    subprocess.run(["mount", "-t", "proc", "-o", "hidepid=2", "proc", "/proc"], check=True)
os.setgroups([]); os.setgid(65534); os.setuid(65534)
found = lfc.find(sys.argv[2])
print(found.status.value, found.process)
"""


@pytest.fixture
def files(tmp_path: Path) -> LeaseFile:
    for directory in (tmp_path, *tmp_path.parents[:3]):
        directory.chmod(0o755)
    return LeaseFile(str(tmp_path / "kea-leases4.csv"))


def write_pid(files: LeaseFile, text: object, old: bool = True) -> None:
    Path(files.pid).write_text(str(text))
    if old:
        os.utime(files.pid, (1, 1))


def written_pid(files: LeaseFile) -> str:
    path = Path(files.pid)
    return path.read_text().strip() if path.exists() else ""


@contextlib.contextmanager
def running(files: LeaseFile) -> Iterator[int]:
    """The real kea-lfc at work: it waits for the other end of a pipe that stands where it reads."""
    os.mkfifo(files.previous)
    command = [need("kea-lfc"), "-4", "-d", "-p", files.pid, "-x", files.previous, "-i", files.rotated]
    command += ["-o", files.output, "-f", files.completed, "-c", "ignored"]
    environment = {**os.environ, "KEA_LOCKFILE_DIR": "none"}
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            until(lambda: written_pid(files) == str(process.pid), "its PID file")
            yield process.pid
        finally:
            process.kill()


def as_stranger(files: LeaseFile, hide: bool = False) -> str:
    module_utils = str(Path(lfc.__file__).parents[1])
    words = [sys.executable, "-c", AS_STRANGER, module_utils, files.current, "hide" if hide else "show"]
    done = subprocess.run(["unshare", "--mount", *words], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_running_kea_lfc_is_found_by_everyone(files: LeaseFile) -> None:
    with running(files) as process:
        assert lfc.running(files.current) == process
        found = lfc.find(files.current)
        assert (found.status, found.process, found.at_work) == (Status.RUNNING, process, True)
        assert found.text == f"kea-lfc runs as process {process}"
        assert as_stranger(files) == f"running {process}"


def test_a_kea_lfc_of_another_lease_file_does_not_count(files: LeaseFile) -> None:
    with running(files):
        assert lfc.find(f"{files.current}6").status is Status.ABSENT


def test_a_kea_lfc_without_its_pid_file_is_found(files: LeaseFile) -> None:
    with running(files) as process:
        os.unlink(files.pid)
        assert lfc.running(files.current) == process


def test_a_killed_kea_lfc_leaves_a_stale_pid_file(files: LeaseFile) -> None:
    with running(files) as process:
        pass
    os.utime(files.pid, (1, 1))
    found = lfc.find(files.current)
    assert (found.status, found.process, found.stale) == (Status.ENDED, process, True)
    assert not found.refuses_load, "Kea ignores the number of no process"


@pytest.mark.parametrize(
    ("text", "old", "status"),
    [
        (NO_PROCESS, True, Status.ENDED),
        ("9" * 40, True, Status.ENDED),
        ("", True, Status.BLOCKING),
        ("no number", True, Status.BLOCKING),
        ("1", True, Status.BLOCKING),
        (NO_PROCESS, False, Status.STARTING),
        ("1", False, Status.STARTING),
        ("", False, Status.STARTING),
    ],
)
def test_what_a_pid_file_tells(files: LeaseFile, text: str, old: bool, status: Status) -> None:
    write_pid(files, text, old)
    found = lfc.find(files.current)
    assert found.status is status
    assert found.refuses_load is (status is not Status.ENDED)
    assert files.pid in found.text
    after = lfc.remove_stale_pid_file(files.current)
    assert after.status is (Status.ABSENT if old else Status.STARTING)
    assert os.path.exists(files.pid) is not old


def test_a_pid_file_of_the_future_is_not_young(files: LeaseFile) -> None:
    write_pid(files, NO_PROCESS)
    os.utime(files.pid, (time.time() + 3600,) * 2)
    assert lfc.find(files.current).status is Status.ENDED


def test_nothing_at_all(files: LeaseFile) -> None:
    found = lfc.remove_stale_pid_file(files.current)
    assert (found.status, found.process, found.text) == (Status.ABSENT, None, "")
    assert (found.at_work, found.stale, found.refuses_load) == (False, False, False)


def test_the_pid_file_of_a_running_kea_lfc_is_not_removed(files: LeaseFile) -> None:
    with running(files) as process:
        os.utime(files.pid, (1, 1))
        assert lfc.remove_stale_pid_file(files.current).process == process
        assert os.path.exists(files.pid)


def test_where_processes_are_hidden_the_pid_file_tells(files: LeaseFile) -> None:
    with running(files) as process:
        os.utime(files.pid, (1, 1))
        assert as_stranger(files, hide=True) == f"hidden {process}"
    os.utime(files.pid, (1, 1))
    assert as_stranger(files, hide=True) == f"ended {process}"


def test_a_hidden_process_did_not_write_the_pid_file_of_this_user(files: LeaseFile) -> None:
    write_pid(files, os.getpid())
    os.chown(files.pid, STRANGER, STRANGER)
    os.utime(files.pid, (1, 1))
    assert as_stranger(files, hide=True) == f"blocking {os.getpid()}"


def test_a_pid_file_that_may_not_be_read_counts_as_at_work(files: LeaseFile) -> None:
    write_pid(files, NO_PROCESS)
    os.chmod(files.pid, 0o600)
    assert as_stranger(files) == "hidden None"


@pytest.mark.parametrize(
    ("cmdline", "stat", "is_lfc"),
    [
        (b"/usr/sbin/kea-lfc\0-4\0-p\0/x/l.csv.pid\0", b"", True),
        (b"kea-lfc\0-p\0/x/l.csv.pid\0", b"", True),
        (b"kea-lfc\0-p\0/y/l.csv.pid\0", b"", False),
        (b"vi\0/x/l.csv.pid\0", b"", False),
        (b"", b"12 (kea-lfc) R 1 12", True),
        (b"", b"12 (kea-lfc) Z 1 12", False),
        (b"", b"12 (kthreadd) S 0 0", False),
        (b"", b"12 (a (kea-lfc) R) S 0 0", False),
        (b"", b"", False),
    ],
)
def test_what_a_kea_lfc_looks_like(cmdline: bytes, stat: bytes, is_lfc: bool) -> None:
    assert lfc.is_lfc(cmdline, stat, b"/x/l.csv.pid") is is_lfc


def test_a_process_of_another_user_that_calls_itself_kea_lfc_does_not_count(files: LeaseFile) -> None:
    """Its name and its arguments are what any user can choose."""
    command = ["kea-lfc", "-", files.pid]
    with subprocess.Popen(
        command, executable=need("cat"), stdin=subprocess.PIPE, user=STRANGER, group=STRANGER
    ) as stranger:
        try:
            until(lambda: Path(f"/proc/{stranger.pid}/cmdline").read_bytes().startswith(b"kea-lfc"), "its name")
            assert lfc.find(files.current).status is Status.ABSENT
            assert as_stranger(files) == "absent None"
        finally:
            stranger.kill()


def test_another_program_of_root_that_calls_itself_kea_lfc_does_not_count(files: LeaseFile) -> None:
    with subprocess.Popen(["kea-lfc", "-", files.pid], executable=need("cat"), stdin=subprocess.PIPE) as process:
        try:
            until(lambda: Path(f"/proc/{process.pid}/cmdline").read_bytes().startswith(b"kea-lfc"), "its name")
            assert lfc.running(files.current) is None
        finally:
            process.kill()


@pytest.mark.parametrize("kind", ["fifo", "link"])
def test_what_stands_in_place_of_the_pid_file_does_not_block_and_is_removed(files: LeaseFile, kind: str) -> None:
    if kind == "fifo":
        os.mkfifo(files.pid)
    else:
        os.symlink("/etc/hostname", files.pid)
    os.utime(files.pid, (1, 1), follow_symlinks=False)
    assert lfc.find(files.current).status is Status.BLOCKING
    assert lfc.remove_stale_pid_file(files.current).status is Status.ABSENT
    assert os.path.exists("/etc/hostname")
