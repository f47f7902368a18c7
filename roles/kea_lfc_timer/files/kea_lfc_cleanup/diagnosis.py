# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proves that an LFC run succeeded, or says in one sentence why it did not and what to do."""

from __future__ import annotations

import contextlib
import os
from typing import Optional

from _kea import durable, lfc
from _kea.lease_file import LeaseFile

from kea_lfc_cleanup.errors import LfcError
from kea_lfc_cleanup.files import Stamp, stamp
from kea_lfc_cleanup.kea_lfc import Output

_TOO_MANY = "exceeded maximum number of failures"
_AGAIN = "then run this again"


def check_result(files: LeaseFile, earlier: Stamp, output: Optional[Output]) -> None:
    """Raise LfcError unless the files prove the LFC run: C(.2) is new, all others are gone (kea-facts 3.2).

    C(earlier) is the stamp of C(.2) before the run. C(output) is None if Kea started kea-lfc: only the files tell then.
    """
    if not files.leftovers() and stamp(files.previous) not in (None, earlier):
        _sync(files.previous)
        return
    cause = _cause(files, output)
    if lfc.running(files.current) is None:
        # It is a copy at all times, and Kea needs the space.
        with contextlib.suppress(FileNotFoundError):
            os.unlink(files.output)
    raise LfcError(f"{cause} (no row of a lease is lost, Kea loads what is left as well)")


def _cause(files: LeaseFile, output: Optional[Output]) -> str:
    number = lfc.running(files.current)
    if number is not None:
        return f"kea-lfc is still at work as process {number}: look why it does not end, {_AGAIN}"
    last = output.errors[-1] if output and output.errors else ""
    if output and output.killed_by:
        return (
            f"kea-lfc was killed by signal {output.killed_by}: if that was for want of memory, raise "
            f"kea_lfc_leases, {_AGAIN}"
        )
    if output and _TOO_MANY in last:
        return (
            f"kea-lfc gives up at more than 100 bad rows ({output.errors[0]}): take them out of {files.rotated}, "
            f"{_AGAIN}"
        )
    if "failed to write" in last or _is_full(files):
        return f"the disk of {files.current} is full: make room, {_AGAIN}"
    if last:
        return f"kea-lfc failed ({last}): mend {files.rotated}, {_AGAIN}"
    left = ", ".join(files.leftovers()) or f"no new {files.previous}"
    return f"kea-lfc left {left}: read its messages in the journal (journalctl -t kea-lfc), {_AGAIN}"


def _is_full(files: LeaseFile) -> bool:
    """Return whether the disk has no room for the largest possible result of the LFC run."""
    space = os.statvfs(os.path.dirname(files.current))
    needed = sum(os.path.getsize(path) for path in (files.rotated, files.previous) if os.path.exists(path))
    return space.f_bavail * space.f_frsize < needed


def _sync(path: str) -> None:
    """Sync the result of kea-lfc, which does not do so itself, although the rows are in no other file any more."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())
    durable.sync(os.path.dirname(path))
