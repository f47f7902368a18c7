# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: the one lock of everybody who cleans up Kea's lease file, or has Kea load it.

It lies beside the lease file, so that root and Kea's user meet there with nothing to be made at boot. The clean-up
program (kea_lfc_cleanup.files) and the monitor's helper (kea_lease_monitor.kea.lease_files) know the same name.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from typing import Any, Dict, Iterator, Optional

from .._errors import KeaError

LEASE_FILES = {"Dhcp4": "kea-leases4.csv", "Dhcp6": "kea-leases6.csv"}
"""Kea's own names, by the map at the top of the configuration."""
DATA_DIRECTORY = "/var/lib/kea"
TIMEOUT = 900.0
"""Seconds that a clean-up may still take."""
_BETWEEN_LOOKS = 0.2
_YOUNG = 5.0


class LockError(KeaError):
    """The clean-up does not end; says which."""


def lease_file(config: Dict[str, Any], top: str) -> Optional[str]:
    """Of what C(kea_info) found in a configuration; None when the leases are in no file."""
    database = config["lease_database"] or {}
    if database.get("type", "memfile") != "memfile" or database.get("persist") is False:
        return None
    return os.path.join(DATA_DIRECTORY, str(database.get("name") or LEASE_FILES[top]))


@contextlib.contextmanager
def no_cleanup(path: Optional[str], timeout: float = TIMEOUT) -> Iterator[None]:
    """Nobody cleans that lease file up meanwhile: not the timer, and when this begins not Kea itself.

    Raises LockError after C(timeout) seconds.
    """
    if path is None or not os.path.isdir(os.path.dirname(path)):
        yield
        return
    deadline = time.monotonic() + timeout
    directory, name = os.path.split(path)
    lock = os.path.join(directory, f".{name}.lock")
    try:
        descriptor = os.open(lock, os.O_RDONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
    except OSError as error:
        raise LockError(f"{lock} cannot be opened ({error.strerror}): remove it, then run the play again") from error
    try:
        if os.fstat(descriptor).st_uid == os.geteuid():  # whatever the umask: for Kea's user too, and for no other
            os.fchown(descriptor, -1, os.stat(directory).st_gid)
            os.fchmod(descriptor, 0o640)
        while not _taken(descriptor):
            _wait(deadline, f"the clean-up that holds {lock}")
        # One that began as a stale PID file was removed is seen by the second look.
        while cleaning(path) or not _no_pid_file(f"{path}.pid") or cleaning(path):
            _wait(deadline, f"the kea-lfc at work on {path}")
        yield
    finally:
        os.close(descriptor)


def cleaning(path: str) -> bool:
    """Whether a kea-lfc is at work on that lease file; Kea refuses to load it meanwhile (kea-facts 3.4)."""
    wanted = os.fsencode(f"{path}.pid")
    for entry in os.listdir("/proc"):
        with contextlib.suppress(OSError), open(f"/proc/{entry}/cmdline", "rb") as file:
            words = file.read().split(b"\0")
            if os.path.basename(words[0]) == b"kea-lfc" and wanted in words:
                return True
    return False


def _no_pid_file(path: str) -> bool:
    """A PID file that no kea-lfc stands behind is removed: with a recycled number Kea would refuse to load its leases.

    But for a young one: a server of Kea 3.1.3 or later writes it before kea-lfc has begun.
    """
    try:
        if 0 <= time.time() - os.stat(path).st_mtime < _YOUNG:
            return False
        os.unlink(path)
    except FileNotFoundError:
        pass
    return True


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _wait(deadline: float, what: str) -> None:
    if time.monotonic() > deadline:
        raise LockError(f"{what} does not end: look at it (journalctl -u kea-lfc), then run the play again")
    time.sleep(_BETWEEN_LOOKS)
