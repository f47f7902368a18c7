# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files beside a lease file (Memfile_LeaseMgr::appendSuffix) and the order in which Kea loads them."""

from __future__ import annotations

import contextlib
import fcntl
import os
import zlib
from typing import Iterator, Optional, Tuple


def previous(path: str) -> str:
    """What the last clean-up made."""
    return f"{path}.2"


def rotated(path: str) -> str:
    """What Kea wrote until it started the clean-up that is under way."""
    return f"{path}.1"


def completed(path: str) -> str:
    """Stands for ``.2`` and ``.1`` together while kea-lfc puts it in their place."""
    return f"{path}.completed"


def companions(path: str) -> int:
    """Another number once a rotation or a clean-up began or ended, which make, rename and remove these files."""
    return zlib.crc32(repr([_stamp(name(path)) for name in (previous, rotated, completed)]).encode())


def _stamp(path: str) -> Optional[Tuple[int, int, int]]:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns


@contextlib.contextmanager
def loading(path: str) -> Iterator[bool]:
    """Hold the one lock of all who clean the lease file up or have Kea load it; yields whether it was free.

    The LFC program and the play use the same name (kea_lfc_cleanup.files, module_utils/_server/lfc_lock.py).
    """
    directory, name = os.path.split(path)
    flags = os.O_RDONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
    descriptor = os.open(os.path.join(directory, f".{name}.lock"), flags, 0o640)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield True
    except BlockingIOError:
        yield False
    finally:
        os.close(descriptor)


def cleanup_in_progress(path: str) -> str:
    """Why a reload would meet a clean-up, or nothing. A reload during one takes DHCP down (kea-facts 3.4)."""
    for suffix in (".1", ".output", ".completed"):
        if os.path.exists(path + suffix):
            return f"{path}{suffix} exists"
    try:
        with open(f"{path}.pid", encoding="ascii", errors="replace") as handle:
            text = handle.read().strip()
    except FileNotFoundError:
        return ""
    return f"kea-lfc runs as process {text}" if _alive(text) else ""


def _alive(text: str) -> bool:
    """An unreadable number counts as alive: Kea refuses to load in that case too."""
    if not text.isdecimal():
        return True
    try:
        os.kill(int(text), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
