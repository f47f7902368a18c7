# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: Kea's leases in files: read as Kea loads them, written as Kea writes them, renamed and never deleted."""

from __future__ import annotations

import contextlib
import os
import pwd
import time
from typing import Any, Dict, Iterator, List, Mapping, Sequence

from . import lease as lease_rows
from .._errors import KeaError
from .._host.account import Account
from .._kea import durable, lfc, tree
from .._kea.lease_file import LeaseFile, configured_path, opened
from .._server.lfc import no_lfc
from .lease import Lease, by_address
from .store import Reading, Residue

LFC_TIMEOUT = 120.0
"""Seconds that an LFC run may take before its files are read."""
_PAUSE = 0.05
"""Seconds between two looks for an LFC run."""


class LeaseFiles:
    """The files of one lease database of type memfile: a LeaseStore."""

    def __init__(self, entry: Mapping[str, Any], user: str, family: int) -> None:
        """Find the files of a ``lease-database`` entry; ``user`` is Kea's. Raises KeaError if it has none."""
        path = configured_path(entry, family)
        if path is None:
            raise KeaError("lease-database has persist: false: Kea keeps no leases, so none can be moved")
        self._files = LeaseFile(path)
        self._path = path
        self._family = family
        self._user = user
        self.key = f"memfile:{path}"
        self.name = path

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Keep LFC runs of the timer away. Raises KeaError where Kea's user may not write."""
        self._check()
        with no_lfc(self._path):
            yield

    def settle(self) -> None:
        """Wait until an LFC run that Kea itself started has finished. Raises KeaError after LFC_TIMEOUT seconds."""
        deadline = time.monotonic() + LFC_TIMEOUT
        while lfc.running(self._path) is not None:
            if time.monotonic() > deadline:
                raise KeaError(f"the LFC run on {self._path} does not finish")
            time.sleep(_PAUSE)

    def read(self) -> Reading:
        """Return the leases of all files, read in Kea's load order. Raises KeaError."""
        leases: Dict[int, Lease] = {}
        rejected, has_pools = 0, False
        for path in self._files.load_order():
            try:
                with opened(path) as file:
                    bad, has_pools = lease_rows.replay(file, leases, self._family)
            except FileNotFoundError:
                continue
            except (OSError, ValueError) as error:
                raise KeaError(f"{path} cannot be read: {error}") from error
            rejected += bad
        return Reading(by_address(leases.values()), rejected, has_pools)

    def rehearse(self, _leases: Sequence[Lease], _residue: Residue) -> None:
        """Raise KeaError if the directory cannot be written."""
        if not os.access(os.path.dirname(self._path), os.W_OK | os.X_OK):
            raise KeaError(f"{os.path.dirname(self._path)} is no directory that can be written")

    def take(self, reading: Reading, _residue: Residue) -> List[Lease]:
        """Write these leases and no others; existing files are older and are set aside. Raises KeaError."""
        self.set_aside()
        wanted = [lease for lease in reading.leases if lease.valid_lifetime]
        try:
            self._write(lease_rows.render(wanted, reading.has_pools, self._family))
        except OSError as error:
            raise KeaError(f"{self._path} cannot be written: {error.strerror}") from error
        if self.read().leases != wanted:
            raise KeaError(f"{self._path} does not hold the leases that were written to it")
        return wanted

    def withdraw(self, _residue: Residue) -> None:
        """Do nothing: the next move to these files sets them aside."""

    def set_aside(self) -> List[str]:
        """Rename the files so that Kea does not load them, and return their new paths. Raises KeaError."""
        self._check()
        stamp = time.strftime("%Y%m%dT%H%M%S")
        kept = []
        for path in self._files.all():
            if tree.status(path, follow=False) is not None:
                durable.rename(path, f"{path}.before-{stamp}")
                kept.append(f"{path}.before-{stamp}")
        return kept

    def _check(self) -> None:
        """Raise KeaError where Kea's user may not write: that user may name any file as lease file to root."""
        directory = os.path.dirname(self._path)
        if not Account.of_user(pwd.getpwnam(self._user)).may_write(directory):
            raise KeaError(f"Kea's user {self._user} may not write {directory}, so it has no lease file of Kea")

    def _write(self, text: str) -> None:
        """Write the lease file for Kea's user, readable for its group, as Kea does."""
        user = pwd.getpwnam(self._user)
        durable.replace(self._path, text.encode(), 0o640, (user.pw_uid, user.pw_gid))
