# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: remove a whole directory by descriptors, however deep another user nested it."""

from __future__ import annotations

import contextlib
import itertools
import os
import stat

from . import tree


def remove_tree(path: str) -> None:
    """Remove a directory with all that is in it, or a file or link; does nothing if there is none. Raises OSError."""
    with contextlib.suppress(FileNotFoundError), tree.at(path, follow=False) as spot:
        found = spot.stat()
        if found is not None and stat.S_ISDIR(found.st_mode):
            with tree.named(path):
                _empty(spot)
            spot.rmdir()
        elif found is not None:
            spot.unlink()
        spot.sync()


def _empty(spot: tree.Spot) -> None:
    """Remove what is in a directory.

    What is deeper is moved to the top first: a user can nest directories deeper than a process can open or recurse.
    """
    fresh = (f".removed.{number}" for number in itertools.count())
    top = os.open(spot.name, os.O_RDONLY | os.O_DIRECTORY | tree.OPEN, dir_fd=spot.directory)
    try:
        pending = os.listdir(top)
        while pending:
            name = pending.pop()
            if not stat.S_ISDIR(os.stat(name, dir_fd=top, follow_symlinks=False).st_mode):
                os.unlink(name, dir_fd=top)
                continue
            below = os.open(name, os.O_RDONLY | os.O_DIRECTORY | tree.OPEN, dir_fd=top)
            try:
                for inner, moved in zip(os.listdir(below), fresh):
                    os.rename(inner, moved, src_dir_fd=below, dst_dir_fd=top)
                    pending.append(moved)
            finally:
                os.close(below)
            os.rmdir(name, dir_fd=top)
    finally:
        os.close(top)
