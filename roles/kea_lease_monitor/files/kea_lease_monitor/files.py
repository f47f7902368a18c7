# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that a reader finds either old or new, never in between, also after a power failure."""

from __future__ import annotations

import errno
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Iterator, Mapping, Optional, Sequence, Tuple

from kea_lease_monitor.errors import MonitorError, RefusedError, TemporaryError

_WRITING = 8
"""Files written and made durable at the same time. The threads decide nothing and end with the batch."""


def read(path: str) -> Optional[bytes]:
    """None when there is no such file. Raises TemporaryError, or RefusedError for a name that cannot be."""
    try:
        with open(path, "rb") as handle:
            return handle.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _failure(f"{path} cannot be read", error) from error


def replace(path: str, content: bytes, mode: int) -> None:
    """Raises as ``read``. The temporary name begins with a dot: Ansible and Kea's includes pass over such files."""
    replace_all({path: content}, mode)


def replace_all(contents: Mapping[str, bytes], mode: int) -> None:
    """Each as ``replace`` does; together, because a disk makes many files durable in hardly more time than one."""
    prepared = {path: _temporary(path) for path in contents}
    try:
        _write_all([(path, prepared[path], content, mode) for path, content in contents.items()])
        for path, temporary in prepared.items():
            with _explained(path):
                os.rename(temporary, path)
    except MonitorError:
        for temporary in prepared.values():
            # A full disk is not to stay full because of us.
            with suppress(OSError):
                os.unlink(temporary)
        raise


def _temporary(path: str) -> str:
    directory, name = os.path.split(path)
    return os.path.join(directory, f".{name}.tmp")


_Order = Tuple[str, str, bytes, int]


def _write_all(orders: Sequence[_Order]) -> None:
    if len(orders) == 1:
        _write(orders[0])
    elif orders:
        with ThreadPoolExecutor(min(_WRITING, len(orders))) as pool:
            list(pool.map(_write, orders))


def _write(order: _Order) -> None:
    path, temporary, content, mode = order
    with _explained(path), open(temporary, "wb") as handle:
        os.fchmod(handle.fileno(), mode)
        handle.write(content)
        handle.flush()
        os.fdatasync(handle.fileno())


@contextmanager
def _explained(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _failure(f"{path} cannot be written", error) from error


def touch(path: str) -> None:
    """Make an empty file unless there is one. Raises TemporaryError."""
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o660))
    except OSError as error:
        raise TemporaryError(f"{path} cannot be written: {error.strerror}") from error


def create_own(path: str) -> None:
    """Make an empty file unless there is one; made by root it belongs to whom its directory does.

    Else one attempt as root would shut the service out of its own directory. Raises TemporaryError.
    """
    try:
        if os.path.exists(path):
            return
        touch(path)
        if os.geteuid() == 0:
            status = os.stat(os.path.dirname(path) or ".")
            os.chown(path, status.st_uid, status.st_gid)
    except OSError as error:
        raise TemporaryError(f"{path} cannot be written: {error.strerror}") from error


def sync_directory(directory: str) -> None:
    """Make renames in it durable. Raises TemporaryError."""
    try:
        handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        raise TemporaryError(f"{directory} cannot be written: {error.strerror}") from error


def _failure(message: str, error: OSError) -> MonitorError:
    """No later attempt makes a name shorter that was made of a client's data; all else may be mended while we wait."""
    kind = RefusedError if error.errno == errno.ENAMETOOLONG else TemporaryError
    return kind(f"{message}: {error.strerror}")


def check_directory(directory: str) -> None:
    """Raises TemporaryError when files cannot be made there."""
    if not os.path.isdir(directory):
        raise TemporaryError(f"{directory} is not a directory")
    if not os.access(directory, os.W_OK | os.X_OK):
        raise TemporaryError(f"{directory} may not be written by this user")
