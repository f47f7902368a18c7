# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a kea-lfc is at work on these files: the PID file alone does not tell (kea-facts 3.4)."""

from __future__ import annotations

import os
import time
from typing import Optional

from kea_lfc_cleanup.errors import BusyError
from kea_lfc_cleanup.files import LeaseFiles

DEADLINE = 3600.0
"""Seconds after which a kea-lfc that has not ended is taken to hang."""
YOUNG = 5.0
"""Seconds. A server of Kea 3.1.3 or later writes the PID file before kea-lfc has begun."""


def cleaning(files: LeaseFiles) -> Optional[int]:
    """The process id of a kea-lfc that was given this PID file."""
    wanted = os.fsencode(files.pid)
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/cmdline", "rb") as file:
                words = file.read().split(b"\0")
        except OSError:
            continue
        if os.path.basename(words[0]) == b"kea-lfc" and wanted in words:
            return int(entry)
    return None


def mend_pid_file(files: LeaseFiles) -> bool:
    """Remove a PID file that no kea-lfc stands behind; with a recycled number Kea would refuse to load its leases.

    Returns whether there was one. Raises BusyError if a kea-lfc is, or may be about to be, at work.
    """
    number = cleaning(files)
    if number is not None:
        raise BusyError(f"kea-lfc runs as process {number}; nothing was done")
    try:
        age = time.time() - os.stat(files.pid).st_mtime
    except FileNotFoundError:
        return False
    if 0 <= age < YOUNG:
        raise BusyError(f"{files.pid} was written a moment ago; nothing was done")
    os.unlink(files.pid)
    return True
