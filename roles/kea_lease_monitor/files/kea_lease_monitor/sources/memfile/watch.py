# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wake-ups for changes in a directory, by inotify(7), which Python's standard library does not offer."""

from __future__ import annotations

import ctypes
import os
import struct
from typing import Iterator, Optional

from kea_lease_monitor import telemetry

_MODIFY, _MOVED, _CREATE, _DELETE, _SELF, _IGNORED = 0x2, 0xC0, 0x100, 0x200, 0xC00, 0x8000
_ONLYDIR = 0x01000000
_HEADER = struct.Struct("iIII")


class Watch:
    """A descriptor that is readable after each change. Without inotify the caller relies on its own timer."""

    def __init__(self, directory: str) -> None:
        """Watching begins with the first ``drain``."""
        self._directory = directory
        self._refused = ""
        self._descriptor: Optional[int] = None

    def fileno(self) -> Optional[int]:
        """Return the descriptor; None while the directory is not watched."""
        return self._descriptor

    def drain(self) -> None:
        """Discard the changes so far, and begin to watch if that was not possible before."""
        masks = [] if self._descriptor is None else list(_masks(self._descriptor))
        if any(mask & (_SELF | _IGNORED) for mask in masks):
            # The directory was removed or replaced.
            self.close()
        if self._descriptor is None:
            self._begin()

    def _begin(self) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        descriptor = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        mask = _MODIFY | _MOVED | _CREATE | _DELETE | _SELF | _ONLYDIR
        if descriptor >= 0 and libc.inotify_add_watch(descriptor, os.fsencode(self._directory), mask) >= 0:
            self._descriptor, self._refused = descriptor, ""
            return
        error = os.strerror(ctypes.get_errno())
        if descriptor >= 0:
            os.close(descriptor)
        if self._refused != error:
            telemetry.unwatched(self._directory, error)
        self._refused = error

    def close(self) -> None:
        """Stop watching."""
        if self._descriptor is not None:
            os.close(self._descriptor)
        self._descriptor = None


def _masks(descriptor: int) -> Iterator[int]:
    while True:
        try:
            events = os.read(descriptor, 65536)
        except BlockingIOError:
            return
        offset = 0
        while offset < len(events):
            _watch, mask, _cookie, length = _HEADER.unpack_from(events, offset)
            offset += _HEADER.size + length
            yield mask
