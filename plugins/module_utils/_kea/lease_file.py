# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: Kea's lease file, its companions, the order in which Kea loads them, and the lock of the lease file."""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Iterator, List, Mapping, Optional, Tuple, Type

from . import locks, tree

DIRECTORY = "/var/lib/kea"
"""Kea's data directory in Debian's and in ISC's packages; a bare name in a configuration is a file in it."""

NAMES = {4: "kea-leases4.csv", 6: "kea-leases6.csv"}
"""Kea's own names of the lease files, by family: 4 is DHCPv4, 6 is DHCPv6."""


def default_path(family: int) -> str:
    """Return the lease file of a server whose configuration names none. ``family`` is 4 or 6."""
    return os.path.join(DIRECTORY, NAMES[family])


def configured_path(database: Optional[Mapping[str, Any]], family: int) -> Optional[str]:
    """Return the lease file that a configuration asks for, or None if the leases are in no file.

    ``database`` is the map ``lease-database`` of the configuration, None if it has none: Kea uses memfile then.
    ``family`` is 4 or 6.
    """
    found = database or {}
    if found.get("type", "memfile") != "memfile" or found.get("persist") is False:
        return None
    return os.path.join(DIRECTORY, str(found.get("name") or NAMES[family]))


@contextlib.contextmanager
def opened(path: str) -> Iterator[io.TextIOWrapper]:
    """Open a lease file to read it. Kea's user may write its directory, so nothing is followed. Raises OSError."""
    with tree.at(path) as spot, io.TextIOWrapper(
        os.fdopen(spot.open(), "rb"), encoding="utf-8", errors="replace", newline="\n"
    ) as file:
        yield file


@dataclass(frozen=True)
class LeaseFile:
    """A lease file and its companions, named as Kea names them (Memfile_LeaseMgr::appendSuffix, kea-facts 3.3)."""

    current: str
    """Path of the file that Kea writes to."""

    @property
    def rotated(self) -> str:
        """``.1``: what Kea wrote until it started the LFC run; kea-lfc reads and then removes it."""
        return f"{self.current}.1"

    @property
    def previous(self) -> str:
        """``.2``: the result of the last LFC run."""
        return f"{self.current}.2"

    @property
    def output(self) -> str:
        """``.output``: what kea-lfc is writing; Kea never loads it."""
        return f"{self.current}.output"

    @property
    def completed(self) -> str:
        """``.completed``: stands for ``.2`` and ``.1`` together while kea-lfc replaces them."""
        return f"{self.current}.completed"

    @property
    def pid(self) -> str:
        """``.pid``: while it names a living process, Kea refuses to load its leases (kea-facts 3.4)."""
        return f"{self.current}.pid"

    @property
    def lock(self) -> str:
        """Path of the lock file, see Lock. Its name is no lease file's name."""
        directory, name = os.path.split(self.current)
        return os.path.join(directory, f".{name}.lock")

    def load_order(self) -> Tuple[str, ...]:
        """Return the paths that Kea loads, oldest first; the last row of an address wins (kea-facts 3.4).

        These are ``.completed`` if it exists, or else ``.2`` and ``.1``; then the current file. Each may be missing.
        kea-lfc may rename them at any moment: a reader checks afterwards that they are still the same files.
        """
        older = (self.completed,) if os.path.exists(self.completed) else (self.previous, self.rotated)
        return (*older, self.current)

    def all(self) -> Tuple[str, ...]:
        """Return all paths, the current file included, except the lock: together they are the lease database."""
        return (self.completed, self.previous, self.rotated, self.current, self.output, self.pid)

    def unfinished(self) -> List[str]:
        """Return the files that exist only while an LFC run is not finished: ``.1``, ``.output``, ``.completed``.

        All of them are missing after a run that succeeded; the exit code of kea-lfc proves nothing (kea-facts 3.2).
        """
        return [path for path in (self.rotated, self.output, self.completed) if os.path.lexists(path)]

    def leftovers(self) -> List[str]:
        """Return what must be gone after an LFC run: ``unfinished`` and the PID file."""
        return [*self.unfinished(), *([self.pid] if os.path.lexists(self.pid) else [])]


class Lock:
    """The lock of one lease file: held by all who run an LFC, and by all who have Kea load its leases.

    Kea itself does not know it. It is a file next to the lease file, so that root and Kea's user find it with nothing
    to create at boot, and it is never removed. Use it as a context manager, which closes it::

        with Lock(path) as lock:
            if lock.take():
                ...
    """

    def __init__(self, lease_file: str) -> None:
        """Open the lock of the lease file with this path, and create it if it is missing; does not take it.

        Raises OSError: the directory is missing or closed to this user, or the lock is a symbolic link.
        """
        self.path = LeaseFile(lease_file).lock
        """Path of the lock file, for messages."""
        with tree.at(self.path, follow=False) as spot:
            self.descriptor = spot.open(os.O_RDONLY | os.O_CREAT, 0o600)
            """File descriptor that holds the lock. A child that inherits it holds the lock until both closed it."""
            try:
                self._share(os.fstat(spot.directory))
            except OSError:
                os.close(self.descriptor)
                raise

    def _share(self, directory: os.stat_result) -> None:
        """Open the lock for Kea's user only, whatever the umask and whoever created it.

        That is the owner of the directory. Where root owns it, Kea has it by the group. Whoever can open the lock can
        hold it for ever, and the monitor's user has Kea's group.
        """
        found, by_group = os.fstat(self.descriptor), directory.st_uid == 0
        if found.st_uid != os.geteuid():
            return
        if os.geteuid() == 0:
            os.fchown(self.descriptor, directory.st_uid, directory.st_gid)
        os.fchmod(self.descriptor, 0o640 if by_group else 0o600)

    def take(self) -> bool:
        """Take the lock without waiting; it is free again once it is closed. Return False if another holds it."""
        try:
            fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def holder(self) -> str:
        """Return which process holds the lock, for messages."""
        return locks.holder(self.descriptor)

    def __enter__(self) -> Lock:
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        os.close(self.descriptor)
