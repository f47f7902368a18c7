# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what a clean-up left behind to one sentence that says what to do."""

from __future__ import annotations

import contextlib
import os
from typing import Optional

from kea_lfc_cleanup import files as lease_files
from kea_lfc_cleanup.errors import CleanupError
from kea_lfc_cleanup.files import LeaseFiles, Stamp
from kea_lfc_cleanup.kea import Lfc
from kea_lfc_cleanup.processes import cleaning

_TOO_MANY = "exceeded maximum number of failures"
_AGAIN = "then run this again"


def check_result(files: LeaseFiles, former: Stamp, said: Optional[Lfc]) -> None:
    """Raises CleanupError unless the clean-up is proved by its files: all others gone and a new .2 (kea-facts 3.2).

    Without what kea-lfc said, when Kea started it, only its files tell.
    """
    if not files.leftovers() and lease_files.stamp(files.previous) not in (None, former):
        _sync(files.previous)
        return
    cause = _cause(files, said)
    if cleaning(files) is None:
        # Only ever a copy, and Kea needs the space.
        with contextlib.suppress(FileNotFoundError):
            os.unlink(files.output)
    raise CleanupError(f"{cause} (no row of a lease is lost, Kea loads what is left as well)")


def _cause(files: LeaseFiles, said: Optional[Lfc]) -> str:
    number = cleaning(files)
    if number is not None:
        return f"kea-lfc is still at work as process {number}: look why it does not end, {_AGAIN}"
    last = said.errors[-1] if said and said.errors else ""
    if said and said.killed_by:
        return (
            f"kea-lfc was killed by signal {said.killed_by}: if that was for want of memory, raise "
            f"kea_lfc_leases, {_AGAIN}"
        )
    if said and _TOO_MANY in last:
        return (
            f"kea-lfc gives up at more than 100 bad rows ({said.errors[0]}): take them out of {files.rotated}, {_AGAIN}"
        )
    if "failed to write" in last or _full(files):
        return f"the disk of {files.current} is full: make room, {_AGAIN}"
    if last:
        return f"kea-lfc failed ({last}): mend {files.rotated}, {_AGAIN}"
    left = ", ".join(files.leftovers()) or f"no new {files.previous}"
    return f"kea-lfc left {left}: look for its words in the journal (journalctl -t kea-lfc), {_AGAIN}"


def _full(files: LeaseFiles) -> bool:
    space = os.statvfs(os.path.dirname(files.current))
    needed = sum(os.path.getsize(path) for path in (files.rotated, files.previous) if os.path.exists(path))
    return space.f_bavail * space.f_frsize < needed


def _sync(path: str) -> None:
    """kea-lfc does not, and the rows are nowhere else now."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())
    lease_files.sync_directory(path)
