# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks, renames and measures the lease file and its companions (kea-facts 3.3)."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import pwd
import signal
from typing import List, Optional, Tuple

from _kea import durable, lease_csv

from kea_lfc_cleanup.errors import LfcError

Stamp = Optional[Tuple[int, int]]
"""Inode and time of change of a file, None if there is none; differs once the file was written again."""

_CHUNK = 1 << 20


def is_written_to(path: str) -> bool:
    """Return whether any process has the file open for writing. Readers, such as the lease monitor, do not count.

    The kernel tells: it refuses a read lease (fcntl(2), F_SETLEASE) while there is a writer. /proc/PID/fd of a server
    with capabilities would be closed to this user. Raises LfcError if the file system does not support that.
    """
    # The kernel sends this signal if a process opens the file in the instant in which this one holds the lease.
    signal.signal(signal.SIGIO, signal.SIG_IGN)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError as error:
        raise LfcError(f"{path} cannot be read ({error.strerror}): {_give(path)}") from error
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        if error.errno == errno.EAGAIN:
            return True
        raise LfcError(
            f"this file system does not tell whether Kea writes to {path} ({error.strerror}): use strategy finish"
        ) from error
    finally:
        os.close(descriptor)
    return False


def check_access(paths: List[str]) -> None:
    """Check that this user, which must be Kea's (kea-facts 3.4), owns these lease files and may read and write them.

    Missing files are passed over. Raises LfcError for the first file that is another user's, unreadable or no lease
    file, and for a directory that this user may not write.
    """
    directory = os.path.dirname(paths[0])
    if not os.access(directory, os.R_OK | os.W_OK | os.X_OK):
        raise LfcError(f"{directory} cannot be written: {_give(directory)}")
    for path in paths:
        if not os.path.lexists(path):
            continue
        if os.stat(path).st_uid != os.geteuid():
            raise LfcError(f"{path} belongs to another user: {_give(path)}")
        if not os.access(path, os.R_OK | os.W_OK):
            raise LfcError(f"{path} cannot be read and written by its owner: run chmod u+rw {path}")
        _check_header(path)


def _check_header(path: str) -> None:
    """Raise LfcError for another file: Kea would fail to load it in a reload, and serve no client from then on."""
    with open(path, "rb") as file:
        header = file.readline(_CHUNK)
    if header and not lease_csv.is_header(header):
        raise LfcError(f"{path} is no lease file, and Kea could not load it: restore the lease file of that name")


def rename_new(source: str, target: str) -> None:
    """Rename a file, and never replace another one: raises FileExistsError.

    If it is killed halfway, the file has both names (see C(same_file)).
    """
    os.link(source, target)
    os.unlink(source)
    durable.sync(os.path.dirname(target))


def same_file(one: str, other: str) -> bool:
    """Return whether both paths exist and are names of the same file."""
    return os.path.exists(one) and os.path.exists(other) and os.path.samefile(one, other)


def stamp(path: str) -> Stamp:
    """Return the stamp of a file."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_mtime_ns


def measure(paths: List[str]) -> Tuple[int, int]:
    """Return the number of rows, without headers, and of bytes of those files that exist."""
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
