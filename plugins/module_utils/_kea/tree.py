# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: paths that are walked by descriptors, so that no other user can lead this process elsewhere.

Each directory of a path is opened below the one before it and never by its whole path. A link on the way is followed
only if root or this user made it, in a directory that only those two may write: such as /var/run, or a link that a site
set for its own /etc/kea. A FIFO, a device, a socket and a file with a second name are refused.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from typing import Iterator, List, NamedTuple, Optional

MAX_LINKS = 40
"""Links that are followed in one path, as in Linux."""

_DIRECTORY = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
OPEN = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
"""Flags with which anything is opened."""
_FOREIGN_WRITE = stat.S_IWGRP | stat.S_IWOTH
_KINDS = {stat.S_IFIFO: "a FIFO", stat.S_IFSOCK: "a socket", stat.S_IFLNK: "a link"}
_LINK = "{} is a link that a user other than root may have made; remove it"


class UnsafePathError(OSError):
    """Another user may have prepared this path; ``strerror`` says how."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(errno.ELOOP, reason, path)


class Spot(NamedTuple):
    """A name in an open directory. Every method acts below that directory, and raises OSError."""

    directory: int
    """Descriptor of the directory (O_PATH)."""
    name: str
    path: str
    """The path without links."""

    def stat(self) -> Optional[os.stat_result]:
        """Return the status of what has the name, a link included; None if there is nothing."""
        with named(self.path), contextlib.suppress(FileNotFoundError):
            return os.stat(self.name, dir_fd=self.directory, follow_symlinks=False)
        return None

    def open(self, flags: int = os.O_RDONLY, mode: int = 0o600) -> int:
        """Return a descriptor of a file or directory. Raises UnsafePathError for anything else."""
        with named(self.path):
            found = None if flags & os.O_EXCL else self.stat()
            if found is not None:
                self._refuse(found)
            descriptor = os.open(self.name, flags | OPEN, mode, dir_fd=self.directory)
            try:
                self._refuse(os.fstat(descriptor))
            except UnsafePathError:
                os.close(descriptor)
                raise
            return descriptor

    def read(self, most: Optional[int] = None) -> bytes:
        """Return the content of a file. One with more than ``most`` bytes is refused, however large it is."""
        with open(self.open(), "rb") as file:
            if most is None:
                return file.read()
            content = file.read(most + 1)
        if len(content) > most:
            raise OSError(errno.EFBIG, f"it has more than {most} bytes", self.path)
        return content

    def own(self, user: int, group: int, mode: int) -> None:
        """Set owner, group and mode of a file or directory."""
        descriptor = self.open()
        try:
            with named(self.path):
                os.fchown(descriptor, user, group)
                os.fchmod(descriptor, mode)
        finally:
            os.close(descriptor)

    def mkdir(self, mode: int) -> None:
        """Create a directory, and make its name durable."""
        with named(self.path):
            os.mkdir(self.name, mode, dir_fd=self.directory)
            self.sync()

    def unlink(self) -> None:
        """Remove a file or a link."""
        with named(self.path):
            os.unlink(self.name, dir_fd=self.directory)

    def rmdir(self) -> None:
        """Remove an empty directory."""
        with named(self.path):
            os.rmdir(self.name, dir_fd=self.directory)

    def rename(self, name: str) -> None:
        """Give it another name in the same directory, where it replaces a file."""
        with named(self.path):
            os.replace(self.name, name, src_dir_fd=self.directory, dst_dir_fd=self.directory)

    def beside(self, name: str) -> "Spot":
        """Return another name in the same directory."""
        return Spot(self.directory, name, os.path.join(os.path.dirname(self.path), name))

    def names(self) -> List[str]:
        """Return all names in the same directory, sorted."""
        with named(os.path.dirname(self.path)), _readable(self.directory) as descriptor:
            return sorted(os.listdir(descriptor))

    def sync(self) -> None:
        """Make what was created, renamed and removed in the directory survive a power failure."""
        with named(os.path.dirname(self.path)), _readable(self.directory) as descriptor:
            os.fsync(descriptor)

    def _refuse(self, found: os.stat_result) -> None:
        """Raise UnsafePathError for what is no file or directory, and for a file with a second name.

        Where only its owner may write, a second name of the owner's file is the owner's affair.
        """
        kind = stat.S_IFMT(found.st_mode)
        if kind == stat.S_IFLNK:
            raise UnsafePathError(self.path, "it is a link, and none is followed here; remove it")
        if kind not in (stat.S_IFREG, stat.S_IFDIR):
            raise UnsafePathError(self.path, f"it is {_KINDS.get(kind, 'a device')}, not a file; remove it")
        if kind == stat.S_IFDIR or found.st_nlink < 2:
            return
        home = os.fstat(self.directory)
        if home.st_mode & _FOREIGN_WRITE or found.st_uid != home.st_uid:
            raise UnsafePathError(self.path, "the file has a second name elsewhere (a hard link); copy it, remove it")


@contextlib.contextmanager
def at(path: str, follow: bool = True) -> Iterator[Spot]:
    """Provide the spot of a path; what it names need not exist, its directory must.

    With ``follow``, a link there is followed if it may be. Raises OSError.
    """
    walk = _Walk(path)
    try:
        with named(path):
            name = walk.run(follow)
        yield Spot(walk.directory, name, os.path.join("/", *walk.names, *([] if name == "." else [name])))
    finally:
        walk.close()


def read(path: str, most: Optional[int] = None) -> bytes:
    """Return the content of a file, of at most so many bytes. Raises OSError."""
    with at(path) as spot:
        return spot.read(most)


def text(path: str) -> str:
    """Return the text of a file in UTF-8. Raises OSError, UnicodeDecodeError."""
    return read(path).decode("utf-8")


def status(path: str, follow: bool = True) -> Optional[os.stat_result]:
    """Return the status of a path; None if there is nothing. Raises OSError."""
    try:
        with at(path, follow) as spot:
            return spot.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None


def is_directory(path: str) -> bool:
    """Return whether there is a directory. Raises OSError."""
    found = status(path)
    return found is not None and stat.S_ISDIR(found.st_mode)


def make_directories(path: str, mode: int = 0o755) -> None:
    """Create a directory and those above it, as far as they are missing. Raises OSError."""
    try:
        with at(path) as spot, contextlib.suppress(FileExistsError):
            spot.mkdir(mode)
    except FileNotFoundError:
        make_directories(os.path.dirname(path), 0o755)
        make_directories(path, mode)


@contextlib.contextmanager
def named(path: str) -> Iterator[None]:
    """Give an error the whole path, in place of the name below a directory."""
    try:
        yield
    except UnsafePathError:
        raise
    except OSError as error:
        if error.filename == path or error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, path) from error


@contextlib.contextmanager
def _readable(directory: int) -> Iterator[int]:
    descriptor = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=directory)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


class _Walk:
    """The way along a path: the open directories so far, and the names that remain."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._open = [os.open("/", _DIRECTORY)]
        self.names: List[str] = []
        self._rest = _steps(os.path.join(os.getcwd(), path) if not path.startswith("/") else path)
        self._links = 0

    @property
    def directory(self) -> int:
        """Return the descriptor of the directory reached."""
        return self._open[-1]

    def close(self) -> None:
        """Close all directories."""
        while self._open:
            os.close(self._open.pop())

    def run(self, follow: bool) -> str:
        """Walk to the last directory, and return the name in it; a dot for the directory itself."""
        while self._rest:
            name = self._rest.pop()
            if name == "..":
                self._up()
                continue
            if not self._rest and not follow:
                return name
            target = self._link(name)
            if target is not None:
                self._turn(target)
            elif not self._rest:
                return name
            else:
                self._open.append(os.open(name, _DIRECTORY, dir_fd=self.directory))
                self.names.append(name)
        return "."

    def _up(self) -> None:
        if self.names:
            os.close(self._open.pop())
            self.names.pop()

    def _turn(self, target: str) -> None:
        self._links += 1
        if self._links > MAX_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), self._path)
        if target.startswith("/"):
            while self.names:
                self._up()
        self._rest += _steps(target)

    def _link(self, name: str) -> Optional[str]:
        """Return the target of a link that may be followed; None for what is no link. Raises UnsafePathError."""
        try:
            found = os.stat(name, dir_fd=self.directory, follow_symlinks=False)
        except FileNotFoundError:
            return None
        if not stat.S_ISLNK(found.st_mode):
            return None
        home, trusted = os.fstat(self.directory), (0, os.geteuid())
        if found.st_uid not in trusted or home.st_uid not in trusted or home.st_mode & _FOREIGN_WRITE:
            raise UnsafePathError(self._path, _LINK.format(os.path.join("/", *self.names, name)))
        return os.readlink(name, dir_fd=self.directory)


def _steps(path: str) -> List[str]:
    """Return the names of a path, the last one first."""
    return [name for name in path.split("/") if name not in ("", ".")][::-1]
