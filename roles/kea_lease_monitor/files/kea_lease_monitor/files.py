# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that a reader finds either old or new, also after a power failure. OSError becomes a MonitorError here."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import ExitStack, contextmanager, suppress
from typing import BinaryIO, Iterable, Iterator, Optional, Tuple, Union

from _kea import durable, locks, tree

from kea_lease_monitor.errors import MonitorError, RefusedError, TemporaryError

Stamp = Tuple[int, int, int]
"""Inode, size and time of change: another one when another program has written the file."""


def read(path: str) -> Optional[bytes]:
    """Return the content of a file, if there is one. Raises TemporaryError, or RefusedError for a name too long."""
    try:
        return tree.read(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise failure(f"{path} cannot be read", error) from error


@contextmanager
def opened(path: str) -> Iterator[Optional[Tuple[BinaryIO, Stamp]]]:
    """Open a file to read it, with its stamp; None if there is no file. Raises as ``read``."""
    with ExitStack() as stack:
        try:
            with tree.at(path) as spot:
                handle = stack.enter_context(open(spot.open(), "rb"))
            found = handle, _stamp_of(os.fstat(handle.fileno()))
        except FileNotFoundError:
            found = None
        except OSError as error:
            raise failure(f"{path} cannot be read", error) from error
        yield found


def read_regular(path: str) -> Optional[bytes]:
    """Return the content of a file, if there is one, in a directory that another user may write. Raises TemporaryError.

    A link is not followed, and a FIFO not waited for.
    """
    try:
        with open(path, "rb", opener=_open_regular) as handle:
            return handle.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise failure(f"{path} cannot be read", error) from error


def read_stamped(path: str, limit: int = -1, start: int = 0) -> Optional[Tuple[bytes, Stamp]]:
    """Return a file's bytes from ``start``, at most ``limit``, and its stamp before that; None if there is no file.

    As ``read_regular`` otherwise.
    """
    try:
        with open(path, "rb", opener=_open_regular) as handle:
            found = _stamp_of(os.fstat(handle.fileno()))
            handle.seek(start)
            return handle.read(limit), found
    except FileNotFoundError:
        return None
    except OSError as error:
        raise failure(f"{path} cannot be read", error) from error


def _open_regular(path: str, flags: int) -> int:
    descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is no regular file")
    return descriptor


def replace(path: str, content: Union[bytes, Iterable[bytes]], mode: int, sync_name: bool = True) -> None:
    """Write a file atomically and durably; see durable.replace for ``sync_name``. Raises as ``read``.

    The parts of the content are written one after another; an error while they are made leaves the former file.
    """
    with explained(path):
        durable.replace(path, content, mode, sync_name=sync_name)


def stamp(path: str, follow: bool = True) -> Optional[Stamp]:
    """Return the stamp of a file, None if there is none. ``follow`` is False in a directory of another user."""
    try:
        return _stamp_of(os.stat(path, follow_symlinks=follow))
    except FileNotFoundError:
        return None


def _stamp_of(status: os.stat_result) -> Stamp:
    return status.st_ino, status.st_size, status.st_mtime_ns


def append(path: str, content: bytes, expected: Optional[Stamp]) -> Stamp:
    """Append durably to a file with this stamp, and return its stamp then.

    Raises TemporaryError, also if another program has changed the file. A crash may leave a part of the content, which
    then does not end with the line.
    """
    with explained(path), open(path, "ab") as handle:
        if _stamp_of(os.fstat(handle.fileno())) != expected:
            raise TemporaryError(f"{path} was changed by another program at the same time")
        handle.write(content)
        handle.flush()
        os.fsync(handle.fileno())
        return _stamp_of(os.fstat(handle.fileno()))


@contextmanager
def explained(path: str) -> Iterator[None]:
    """Raise a MonitorError that names this path, for an OSError."""
    try:
        yield
    except OSError as error:
        raise failure(f"{path} cannot be written", error) from error


def rename(path: str, new: str) -> None:
    """Rename a file, if there is one. Raises TemporaryError."""
    with explained(path), suppress(FileNotFoundError):
        os.rename(path, new)


def remove(path: str) -> bool:
    """Remove a file. Return whether there was one. Raises TemporaryError."""
    with explained(path), suppress(FileNotFoundError):
        os.unlink(path)
        return True
    return False


def touch(path: str, now: float) -> None:
    """Create an empty file unless there is one, and set its time in epoch seconds. Raises TemporaryError."""
    with explained(path), tree.at(path) as spot:
        descriptor = spot.open(os.O_WRONLY | os.O_CREAT, 0o640)
        try:
            os.utime(descriptor, (now, now))
        finally:
            os.close(descriptor)


@contextmanager
def locked(path: str, timeout: float) -> Iterator[None]:
    """Hold the lock of this path, whose file only this user may open. Raises TemporaryError that names the holder."""
    with ExitStack() as stack:
        try:
            with explained(path):
                stack.enter_context(locks.held(path, timeout))
        except locks.LockedError as error:
            raise TemporaryError(str(error)) from error
        yield


def create_own(path: str) -> None:
    """Create an empty file unless there is one. As root, give it the owner of its directory. Raises TemporaryError.

    Otherwise one attempt as root would lock the service out of its own directory.
    """
    with explained(path), tree.at(path) as spot:
        if spot.stat() is not None:
            return
        descriptor = spot.open(os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o660)
        try:
            if os.geteuid() == 0:
                directory = os.fstat(spot.directory)
                os.fchown(descriptor, directory.st_uid, directory.st_gid)
        finally:
            os.close(descriptor)


def owner_of_directory(path: str) -> int:
    """Return the user who owns the directory of a path. Raises TemporaryError."""
    try:
        with tree.at(path) as spot:
            return os.fstat(spot.directory).st_uid
    except OSError as error:
        raise failure(f"{path} cannot be used", error) from error


def group_of(path: str) -> Optional[int]:
    """Return the group of a file; None if there is no file. Raises TemporaryError."""
    try:
        found = tree.status(path)
    except OSError as error:
        raise failure(f"{path} cannot be used", error) from error
    return found.st_gid if found else None


def sync_directory(directory: str) -> None:
    """Make the renames in a directory durable. Raises TemporaryError."""
    with explained(directory):
        durable.sync(directory)


def failure(message: str, error: OSError) -> MonitorError:
    """Return a RefusedError for a name that is too long: it is made of a client's data, so no retry can succeed."""
    kind = RefusedError if error.errno == errno.ENAMETOOLONG else TemporaryError
    return kind(f"{message}: {error.strerror}")


def check_directory(directory: str) -> None:
    """Raises TemporaryError when no file can be created there."""
    if not os.path.isdir(directory):
        raise TemporaryError(f"{directory} is not a directory")
    if not os.access(directory, os.W_OK | os.X_OK):
        raise TemporaryError(f"{directory} may not be written by this user")
