# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: Kea's leases in files: read as Kea loads them, written as Kea would, set aside and never deleted."""

from __future__ import annotations

import contextlib
import os
import pwd
import time
from typing import Any, Dict, Iterator, List, Mapping, NamedTuple, Sequence, Tuple

from .._kea import durable
from . import lease_rows
from .._errors import KeaError
from .._kea import lfc
from .._kea.lease_file import configured_path
from .._server.lfc import no_lfc
from .lease_journal import LeaseMoveError
from .lease_rows import Lease

CLEANUP_TIMEOUT = 120.0
"""Seconds that a clean-up may take until its files are read."""

_SUFFIXES = (".completed", ".2", ".1", "", ".output", ".pid")
"""Everything of a lease file (Memfile_LeaseMgr::appendSuffix)."""


class Reading(NamedTuple):
    """All leases of a place."""

    leases: List[Lease]
    rejected: int
    """Rows that Kea cannot read either."""
    has_pools: bool
    """Whether this Kea knows pool ids."""


class LeaseFiles:
    """The files of one lease database of type memfile."""

    def __init__(self, entry: Mapping[str, Any], user: str) -> None:
        """Raises LeaseMoveError when Kea keeps its leases in memory only."""
        if entry.get("persist") is False:
            raise LeaseMoveError("lease-database has persist: false: Kea keeps no leases, so none can be moved")
        self._path = str(configured_path(entry, 4))
        self._user = user
        self.key = f"memfile:{self._path}"
        self.name = self._path

    def read(self) -> Reading:
        """In Kea's own order: C(.completed), or C(.2) and C(.1); then the file itself. Raises LeaseMoveError."""
        leases: Dict[int, Lease] = {}
        rejected, has_pools = 0, False
        before = [".completed"] if os.path.exists(self._path + ".completed") else [".2", ".1"]
        for path in [self._path + suffix for suffix in (*before, "")]:
            try:
                with open(path, encoding="utf-8", errors="replace", newline="\n") as file:
                    bad, has_pools = lease_rows.replay(file, leases)
            except FileNotFoundError:
                continue
            except (OSError, ValueError) as error:
                raise LeaseMoveError(f"{path} cannot be read: {error}") from error
            rejected += bad
        return Reading(sorted(leases.values()), rejected, has_pools)

    def rehearse(self, _leases: Sequence[Lease], _residue: Sequence[Tuple[int, int]]) -> None:
        """Raises LeaseMoveError for what would fail; changes nothing."""
        if not os.access(os.path.dirname(self._path), os.W_OK | os.X_OK):
            raise LeaseMoveError(f"{os.path.dirname(self._path)} is no directory that can be written")

    def take(self, reading: Reading, _residue: Sequence[Tuple[int, int]]) -> List[Lease]:
        """These leases and no others; what is there is of an earlier time and set aside. Returns those written.

        Raises LeaseMoveError.
        """
        self.set_aside()
        wanted = [lease for lease in reading.leases if lease.valid_lifetime]
        try:
            self._write(lease_rows.render(wanted, reading.has_pools))
        except OSError as error:
            raise LeaseMoveError(f"{self._path} cannot be written: {error.strerror}") from error
        if self.read().leases != wanted:
            raise LeaseMoveError(f"{self._path} does not hold what was written into it")
        return wanted

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """The clean-up of the timer stays away meanwhile. Raises LeaseMoveError."""
        try:
            with no_lfc(self._path):
                yield
        except KeaError as error:
            raise LeaseMoveError(str(error)) from error

    def settle(self) -> None:
        """Wait until a clean-up that Kea itself began has ended, too. Raises LeaseMoveError."""
        deadline = time.monotonic() + CLEANUP_TIMEOUT
        while lfc.running(self._path) is not None:
            if time.monotonic() > deadline:
                raise LeaseMoveError(f"the clean-up of {self._path} does not end")
            time.sleep(0.05)

    def set_aside(self) -> List[str]:
        """Under names that Kea does not load; returns them."""
        stamp = time.strftime("%Y%m%dT%H%M%S")
        kept = []
        for path in [self._path + suffix for suffix in _SUFFIXES]:
            if os.path.exists(path):
                os.rename(path, f"{path}.before-{stamp}")
                kept.append(f"{path}.before-{stamp}")
        durable.sync(os.path.dirname(self._path))
        return kept

    def _write(self, text: str) -> None:
        """Complete or not at all, also after a power failure; Kea's own, and readable for its group."""
        user = pwd.getpwnam(self._user)
        durable.replace(self._path, text.encode(), 0o640, (user.pw_uid, user.pw_gid))
