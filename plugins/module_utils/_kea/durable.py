# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: files that are complete at every moment, also after a power failure: write, fsync, rename, fsync.

A rename survives a power failure only once the directory is synced, too. Every path is walked as ``tree`` does, so that
another user who may write a directory leads no process of ours elsewhere. Every function raises OSError.
"""

from __future__ import annotations

import contextlib
import os
import stat
from typing import Iterable, Optional, Tuple, Union

from . import together, tree

Owner = Tuple[int, int]
"""User id and group id."""

Content = Union[bytes, Iterable[bytes]]
"""The whole, or its parts in order, so that a large file needs no memory."""


def replace(path: str, content: Content, mode: int, owner: Optional[Owner] = None, sync_name: bool = True) -> None:
    """Write the file at ``path`` atomically: it has its old or its new content, and the new one on return.

    Without ``sync_name`` a power failure may bring the old content back, but never a part of the new one.

    It has its mode, whatever the umask, and its owner before it has its name; without ``owner`` it is this user's.
    If this fails, the old file stays and nothing else does; also if the parts of the content raise an error.
    """
    with tree.at(path, follow=False) as spot:
        candidate = spot.beside(os.path.basename(temporary(spot.name)))
        try:
            _remove_name(candidate)
            _write(candidate, content, mode, owner)
            candidate.rename(spot.name)
            if sync_name:
                spot.sync()
        except Exception:
            # A full disk must not stay full because of this file.
            with contextlib.suppress(OSError):
                candidate.unlink()
            raise


def temporary(path: str) -> str:
    """Return the name for the new content of a file until it is renamed to ``path``; the same each time.

    It begins with a dot: Ansible and Kea's includes pass over such files. A killed run leaves it, the next removes it.
    """
    directory, name = os.path.split(path)
    return os.path.join(directory, f".{name}.tmp")


def write_new(path: str, content: bytes, mode: int, owner: Optional[Owner] = None) -> None:
    """Remove what has this name, and write a new file. Its content is on the disk on return, its name once synced."""
    with tree.at(path, follow=False) as spot:
        write_new_at(spot, content, mode, owner)


def write_new_at(spot: tree.Spot, content: bytes, mode: int, owner: Optional[Owner] = None) -> None:
    """Write a new file as ``write_new`` does, in a directory that is open."""
    _remove_name(spot)
    _write(spot, content, mode, owner)


def begin_new_at(spot: tree.Spot, content: bytes, mode: int) -> int:
    """Write a new file as ``write_new`` does, but only begin to bring its content to the disk. Return its descriptor.

    See ``together`` for what is to follow, and for where that is enough.
    """
    descriptor = _new(spot)
    try:
        os.fchmod(descriptor, mode)
        with os.fdopen(descriptor, "wb", closefd=False) as file:
            file.write(content)
        together.start(descriptor)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def write(path: str, content: bytes, mode: int, owner: Optional[Owner] = None) -> None:
    """Write a new file. Its content is on the disk on return, its name once ``sync`` was called for the directory.

    Raises FileExistsError if there is one.
    """
    with tree.at(path, follow=False) as spot:
        _write(spot, content, mode, owner)


def rename(source: str, target: str) -> None:
    """Rename a file over another one in the same directory, and sync that directory."""
    with tree.at(source, follow=False) as spot:
        spot.rename(os.path.basename(target))
        spot.sync()


def remove(path: str) -> None:
    """Remove a file so that it stays away after a power failure; does nothing if there is none."""
    with contextlib.suppress(FileNotFoundError), tree.at(path, follow=False) as spot:
        spot.unlink()
        spot.sync()


def link(path: str, target: str) -> bool:
    """Make ``path`` a symbolic link to ``target``, replacing it atomically. Return whether that changed it."""
    with tree.at(path, follow=False) as spot:
        found = spot.stat()
        is_link = found is not None and stat.S_ISLNK(found.st_mode)
        if is_link and os.readlink(spot.name, dir_fd=spot.directory) == target:
            return False
        candidate = spot.beside(os.path.basename(temporary(spot.name)))
        _remove_name(candidate)
        os.symlink(target, candidate.name, dir_fd=candidate.directory)
        candidate.rename(spot.name)
        spot.sync()
    return True


def sync(directory: str) -> None:
    """Make what was created, renamed and removed in a directory survive a power failure.

    An empty name is the working directory.
    """
    with tree.at(os.path.join(directory or ".", "."), follow=True) as spot:
        descriptor = spot.open(os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_name(spot: tree.Spot) -> None:
    # A killed run left it; or a link was put there in the hope that root follows it.
    with contextlib.suppress(FileNotFoundError):
        spot.unlink()


def _new(spot: tree.Spot) -> int:
    """Return the descriptor of a new file, also where a killed run left one."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    try:
        return spot.open(flags)
    except FileExistsError:
        _remove_name(spot)
        return spot.open(flags)


def _write(spot: tree.Spot, content: Content, mode: int, owner: Optional[Owner]) -> None:
    descriptor = spot.open(os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    with os.fdopen(descriptor, "wb") as file:
        if owner is not None:
            os.fchown(descriptor, *owner)
        # Explicitly: the umask of a hardened host must not keep a daemon from its files.
        os.fchmod(descriptor, mode)
        file.writelines([content] if isinstance(content, bytes) else content)
        file.flush()
        os.fsync(descriptor)
