# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: new files whose contents get to the disk together, where one flush of the journal is enough for all of them.

``fsync`` of each file has the file system flush its journal for each. ``sync_file_range`` (Linux) writes a file's
content and waits for that, and no more. On ext4 and XFS, all that is still missing then is in the journal: one
``fsync`` of the directory, after the renames, makes contents and names durable. Until then a power failure leaves the
former files, or none: the journal keeps the order of the steps, so that no name shows a part of a content
(tests/crash/power.py). Other file systems, and an ext4 without a journal, promise no such thing.
"""

from __future__ import annotations

import ctypes
import errno
import functools
import os
from typing import Any, Optional

_EXT4, _XFS = "/sys/fs/ext4", "/sys/fs/xfs"
_BEFORE, _WRITE, _AFTER = 1, 2, 4
"""Flags of sync_file_range."""


def is_enough(directory: int) -> bool:
    """Return whether the file system of an open directory, and this system, can do it."""
    device = os.fstat(directory).st_dev
    block = os.path.realpath(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}")
    name = os.path.basename(block)
    return _sync_file_range() is not None and (_has_journal(name) or os.path.isdir(os.path.join(_XFS, name)))


def start(descriptor: int) -> None:
    """Have the kernel begin to write the content of an open file. Raises OSError."""
    _call(descriptor, _WRITE)


def finish(descriptor: int) -> None:
    """Return once the content of an open file is written. Raises OSError."""
    _call(descriptor, _BEFORE | _WRITE | _AFTER)


def _has_journal(device: str) -> bool:
    """Return whether there is an ext4 with a journal on this device: the kernel names the process that writes it."""
    try:
        with open(os.path.join(_EXT4, device, "journal_task"), encoding="ascii") as file:
            return file.read().strip().isdigit()
    except OSError:
        return False


@functools.lru_cache(maxsize=1)
def _sync_file_range() -> Optional[Any]:
    """Return the function of the C library; None if this one has none."""
    try:
        function = ctypes.CDLL(None, use_errno=True).sync_file_range
    except (OSError, AttributeError):
        return None
    function.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)
    return function


def _call(descriptor: int, flags: int) -> None:
    function = _sync_file_range()
    if function is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    if function(descriptor, 0, 0, flags):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
