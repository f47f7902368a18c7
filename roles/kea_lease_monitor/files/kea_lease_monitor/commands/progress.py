# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A counter on standard error, for a person who waits for a command."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Callable, Optional, TextIO, Type

_INTERVAL = 1.0
"""Seconds between two lines; a command that takes less shows none."""

_CLEAR = "\r\x1b[K"
"""Return to the start of the line and erase it."""


class Progress:
    """Count what is done, and show it at most once a second. Show nothing if standard error is no terminal."""

    def __init__(
        self,
        what: str,
        total: Optional[int] = None,
        file: Optional[TextIO] = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """``what`` names the things that are counted, ``total`` is how many there are, if that is known."""
        self._what = what if total is None else f"of {total} {what}"
        self._file = file or sys.stderr
        self._monotonic = monotonic
        self._is_shown = self._file.isatty()
        self._count = 0
        self._line = ""
        self._due = monotonic() + _INTERVAL

    def __enter__(self) -> Progress:
        return self

    def __call__(self) -> None:
        """Count one more."""
        self._count += 1
        if self._is_shown and self._monotonic() >= self._due:
            self._due = self._monotonic() + _INTERVAL
            self._line = f"{self._count} {self._what}"
            print(f"{_CLEAR}{self._line}", end="", file=self._file, flush=True)

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        """Erase the line, so that what the command prints next begins one."""
        if self._line:
            print(_CLEAR, end="", file=self._file, flush=True)
