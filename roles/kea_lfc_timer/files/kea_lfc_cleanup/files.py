# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lease file and its companions (kea-facts 3.3), and what can be known about them."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import pwd
import signal
from dataclasses import dataclass
from typing import Iterator, List, Optional, Tuple

from kea_lfc_cleanup.errors import BusyError, CleanupError

Stamp = Optional[Tuple[int, int]]

_CHUNK = 1 << 20


@dataclass(frozen=True)
class LeaseFiles:
    """Names as Memfile_LeaseMgr::appendSuffix makes them."""

    current: str

    @property
    def rotated(self) -> str:
        """What kea-lfc reads and then removes."""
        return f"{self.current}.1"

    @property
    def previous(self) -> str:
        """What the last clean-up made."""
        return f"{self.current}.2"

    @property
    def output(self) -> str:
        """What kea-lfc is writing."""
        return f"{self.current}.output"

    @property
    def completed(self) -> str:
        """Stands for .2 and .1 together while kea-lfc puts it in their place."""
        return f"{self.current}.completed"

    @property
    def pid(self) -> str:
        """While it names a living process, Kea refuses to load its leases."""
        return f"{self.current}.pid"

    @property
    def lock(self) -> str:
        """Held by whoever cleans up, and by whoever reloads or restarts Kea. Its name is no lease file's."""
        directory, name = os.path.split(self.current)
        return os.path.join(directory, f".{name}.lock")

    def leftovers(self) -> List[str]:
        """What must be gone after a clean-up: kea-lfc's exit code proves nothing (kea-facts 3.2)."""
        return [path for path in (self.rotated, self.output, self.completed, self.pid) if os.path.lexists(path)]


@contextlib.contextmanager
def locked(path: str) -> Iterator[int]:
    """Hold the lock, yield its descriptor. Raises BusyError at once if another has it."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o640)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield descriptor
    except BlockingIOError as error:
        raise BusyError(f"another clean-up, or a play that restarts Kea, holds {path}; nothing was done") from error
    finally:
        os.close(descriptor)


def is_written_to(path: str) -> bool:
    """Whether any process has the file open for writing; readers, such as the lease monitor, do not count.

    The kernel knows it: a read lease (fcntl(2), F_SETLEASE) is refused while there is a writer. /proc/PID/fd of a
    server with capabilities would be closed to us. Raises CleanupError where it cannot be told.
    """
    # Should somebody open the file in the instant that we hold the lease, the kernel says so by this signal.
    signal.signal(signal.SIGIO, signal.SIG_IGN)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError as error:
        raise CleanupError(f"{path} cannot be read ({error.strerror}): {_give(path)}") from error
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        if error.errno == errno.EAGAIN:
            return True
        raise CleanupError(
            f"nobody can tell whether Kea writes to {path} on this file system ({error.strerror}): use strategy finish"
        ) from error
    finally:
        os.close(descriptor)
    return False


def check_access(paths: List[str]) -> None:
    """kea-lfc and Kea must be one user (kea-facts 3.4).

    Raises CleanupError for a file that is another's or unreadable.
    """
    directory = os.path.dirname(paths[0])
    if not os.access(directory, os.R_OK | os.W_OK | os.X_OK):
        raise CleanupError(f"{directory} cannot be written: {_give(directory)}")
    for path in paths:
        if not os.path.lexists(path):
            continue
        if os.stat(path).st_uid != os.geteuid():
            raise CleanupError(f"{path} belongs to another user: {_give(path)}")
        if not os.access(path, os.R_OK | os.W_OK):
            raise CleanupError(f"{path} cannot be read and written by its owner: run chmod u+rw {path}")
        _check_header(path)


def _check_header(path: str) -> None:
    """Kea would fail to load the file in a reload, and serve nobody from then on."""
    with open(path, "rb") as file:
        header = file.readline(_CHUNK)
    if header and not header.startswith(b"address,"):
        raise CleanupError(f"{path} is no lease file, and Kea could not load it: put back what was there before")


def put_in_place(source: str, target: str) -> None:
    """Rename that never replaces anything; killed in between, it leaves two names of one file (see same_file).

    Raises FileExistsError.
    """
    os.link(source, target)
    os.unlink(source)
    sync_directory(target)


def same_file(one: str, other: str) -> bool:
    """Whether both are there and are one file."""
    return os.path.exists(one) and os.path.exists(other) and os.path.samefile(one, other)


def sync_directory(path: str) -> None:
    """Names of files last over a power cut only so."""
    descriptor = os.open(os.path.dirname(path), os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def stamp(path: str) -> Stamp:
    """Differs after the file was made anew; None without one."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_mtime_ns


def measure(paths: List[str]) -> Tuple[int, int]:
    """Rows, headers not counted, and bytes of those files that are there."""
    rows = size = 0
    for path in paths:
        with contextlib.suppress(FileNotFoundError), open(path, "rb", buffering=0) as file:
            lines = 0
            while chunk := file.read(_CHUNK):
                lines += chunk.count(b"\n")
                size += len(chunk)
            rows += max(0, lines - 1)
    return rows, size


def _give(path: str) -> str:
    return f"run chown {pwd.getpwuid(os.geteuid()).pw_name} {path}"
