# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: keeps LFC runs away from a lease file while Kea loads it or a module changes it."""

from __future__ import annotations

import contextlib
import os
import time
from typing import Iterator, Optional

from .._errors import KeaError
from .._kea import lfc
from .._kea.lease_file import LeaseFile, Lock

TIMEOUT = 900.0
"""Seconds that an LFC run may still take."""
_BETWEEN_LOOKS = 0.2


@contextlib.contextmanager
def no_lfc(path: Optional[str], timeout: float = TIMEOUT) -> Iterator[None]:
    """Hold the lock of the lease file, so that no LFC run of the timer starts; runs of Kea have finished before.

    A stale PID file is removed: Kea would refuse to load its leases. Does nothing if ``path`` is None or its directory
    is missing. Raises KeaError if an LFC run does not finish within ``timeout`` seconds.
    """
    if path is None or not os.path.isdir(os.path.dirname(path)):
        yield
        return
    deadline = time.monotonic() + timeout
    with _open(path) as lock:
        while not lock.take():
            _wait(deadline, f"the LFC run that holds {lock.path}, {lock.holder()},")
        while lfc.remove_stale_pid_file(path).at_work:
            _wait(deadline, f"the kea-lfc at work on {path}")
        yield


def _open(path: str) -> Lock:
    try:
        return Lock(path)
    except OSError as error:
        lock = LeaseFile(path).lock
        raise KeaError(f"{lock} cannot be opened ({error.strerror}): remove it, then run the play again") from error


def _wait(deadline: float, what: str) -> None:
    if time.monotonic() > deadline:
        raise KeaError(f"{what} does not end: look at it (journalctl -u kea-lfc), then run the play again")
    time.sleep(_BETWEEN_LOOKS)
