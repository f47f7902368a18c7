# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Be woken when something changes in a directory. The only module that knows watchdog, whose thread decides nothing."""

from __future__ import annotations

import contextlib
import os
from typing import Any, Callable, Optional

from watchdog.events import FileSystemEvent
from watchdog.observers import Observer

from kea_lease_monitor import telemetry
from kea_lease_monitor.clock import Clock

_CHANGES = frozenset({"created", "modified", "moved", "deleted"})
"""Not "opened" and "closed", which our own reading would cause."""

_RETRY = 60.0
"""Seconds between two attempts, because watchdog keeps the descriptors of one that fails."""


class Watch:
    """A readable descriptor for each change of a wanted file. Where inotify refuses, the caller's own timer must do."""

    def __init__(self, directory: str, wanted: Callable[[str], bool], clock: Clock) -> None:
        self._directory = directory
        self._wanted = wanted
        self._clock = clock
        self._due = clock.monotonic()
        self._refused = ""
        self._observer: Optional[Any] = None
        self._reader, self._writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def fileno(self) -> int:
        return self._reader

    def drain(self) -> None:
        """Forget the wake-ups so far, and begin to watch if that was not possible before."""
        with contextlib.suppress(BlockingIOError):
            while os.read(self._reader, 4096):
                pass
        if self._observer is None and self._clock.monotonic() >= self._due:
            self._begin()

    def _begin(self) -> None:
        try:
            os.listdir(self._directory)  # Refuses what inotify would, and keeps nothing; so it may be asked each time.
            self._due = self._clock.monotonic() + _RETRY
            observer = Observer()
            observer.schedule(self, self._directory, recursive=False)
            observer.start()
        except OSError as error:
            if self._refused != str(error):
                telemetry.unwatched(self._directory, str(error))
            self._refused = str(error)
            return
        self._observer = observer

    def dispatch(self, event: FileSystemEvent) -> None:
        """Called by watchdog in its own thread."""
        names = (event.src_path, getattr(event, "dest_path", ""))
        if event.event_type in _CHANGES and any(self._wanted(os.fsdecode(name)) for name in names if name):
            with contextlib.suppress(BlockingIOError):
                os.write(self._writer, b"!")

    def close(self) -> None:
        if self._observer is not None:
            self._observer.stop()
            self._observer.join()
        os.close(self._reader)
        os.close(self._writer)
