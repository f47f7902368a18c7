# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``--watch``: print again and again, until Ctrl-C."""

from __future__ import annotations

import argparse
import sys
import time
from typing import Callable

from kea_lease_monitor.errors import TemporaryError
from kea_lease_monitor.printable import printable

DEFAULT_SECONDS = 2.0
_CLEAR = "\x1b[H\x1b[2J"
"""Moves a terminal's cursor to the first line, and erases everything."""


def add_watch(parser: argparse.ArgumentParser) -> None:
    """Add the flag."""
    parser.add_argument(
        "--watch",
        nargs="?",
        type=_seconds,
        const=DEFAULT_SECONDS,
        metavar="SECONDS",
        help=f"print again every so many seconds, until Ctrl-C (default: {DEFAULT_SECONDS:.0f})",
    )


def repeat(read: Callable[[], str], seconds: float) -> None:
    """Print what ``read`` returns, every ``seconds``, until Ctrl-C. A terminal shows the last text only.

    What fails for now is shown, and tried again: a watch survives a restart of the database.
    """
    try:
        while True:
            shown = _text(read)
            print(f"{_CLEAR}{time.strftime('%F %T')}\n\n{shown}" if sys.stdout.isatty() else shown, flush=True)
            time.sleep(seconds)
    except KeyboardInterrupt:
        pass


def _text(read: Callable[[], str]) -> str:
    try:
        return read()
    except TemporaryError as error:
        return printable(f"kea-lease-monitor: error: {error}")


def _seconds(text: str) -> float:
    """Return the seconds that the flag names. Raises ArgumentTypeError."""
    try:
        found = float(text)
    except ValueError:
        found = 0.0
    if not 0.1 <= found <= 86400:
        raise argparse.ArgumentTypeError(f"seconds from 0.1 to 86400 are needed, not {text!r}")
    return found
