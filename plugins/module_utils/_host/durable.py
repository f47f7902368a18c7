# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: files that are whole at every moment, also after a power failure: write, fsync, rename, fsync."""

from __future__ import annotations

import contextlib
import os
from typing import Optional, Tuple

Owner = Tuple[int, int]
"""User and group, by number."""


def replace(path: str, content: bytes, mode: int, owner: Optional[Owner] = None) -> None:
    """Have that file with that content, on the disk when this returns; until then the former one is in its place."""
    directory, name = os.path.split(path)
    candidate = os.path.join(directory, f".{name}.candidate")
    # Of a killed run, or of whoever may write there and hopes that root follows a link.
    with contextlib.suppress(FileNotFoundError):
        os.unlink(candidate)
    write(candidate, content, mode, owner)
    os.replace(candidate, path)
    sync(directory)


def write(path: str, content: bytes, mode: int, owner: Optional[Owner] = None) -> None:
    """A new file; its name lasts once its directory is synced. Raises FileExistsError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        if owner is not None:
            os.fchown(descriptor, *owner)
        # Explicitly: the umask of a hardened host must not keep a daemon from its files.
        os.fchmod(descriptor, mode)
        file.write(content)
        file.flush()
        os.fsync(descriptor)


def remove(path: str) -> None:
    """Have no such file, and not after a power cut either."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
        sync(os.path.dirname(path))


def sync(directory: str) -> None:
    """What was created, renamed and removed in it lasts."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
