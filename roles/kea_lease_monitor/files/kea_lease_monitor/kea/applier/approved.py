# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The approvals in the directory of the report, until Kea includes what they are for. Only Kea's user writes there."""

from __future__ import annotations

import os
from typing import Collection, Iterable, Mapping, Set

from _kea import approvals

from kea_lease_monitor import files
from kea_lease_monitor.errors import TemporaryError
from kea_lease_monitor.kea.applier.hosts import Claim

_MODE = 0o640


def add(directory: str, claims: Iterable[Claim]) -> None:
    """Approve these claims durably. Raises TemporaryError."""
    try:
        approvals.write(directory, claims)
    except OSError as error:
        raise TemporaryError(f"{directory} cannot be written: {error.strerror}") from error


class Approved:
    """All approvals. All methods raise TemporaryError."""

    def __init__(self, directory: str) -> None:
        """``directory`` is that of the report."""
        self._directory = directory
        self._kept = os.path.join(directory, approvals.KEPT)
        self._read: Mapping[str, Set[Claim]] = {}
        self._judged: Set[str] = set()
        """The files that were there when all was judged last."""

    def is_changed(self) -> bool:
        """Return whether a person approved something since ``mark``."""
        return bool(self._present() - self._judged - {approvals.KEPT})

    def mark(self) -> None:
        """Have what is approved by now count as judged. The caller judges all afterwards."""
        self._judged = self._present()

    def claims(self) -> Set[Claim]:
        """Return what is approved."""
        self._update()
        return {claim for claims in self._read.values() for claim in claims}

    def kept(self) -> Set[Claim]:
        """Return what ``keep`` approved."""
        self._update()
        return self._read.get(self._kept, set())

    def keep(self, claims: Set[Claim]) -> None:
        """Approve these claims instead of those that were kept before."""
        if claims != self.kept():
            self._write(self._kept, claims)
            self._update()

    def leave(self, included: Collection[Claim]) -> None:
        """Drop what Kea includes already."""
        self._update()
        for path, claims in self._read.items():
            rest = claims.difference(included)
            if path != self._kept and rest != claims:
                self._write(path, rest)
        self._update()

    def _write(self, path: str, claims: Collection[Claim]) -> None:
        if claims:
            files.replace(path, approvals.render(claims), _MODE)
        else:
            files.remove(path)

    def _present(self) -> Set[str]:
        try:
            return set(filter(approvals.is_name, os.listdir(self._directory)))
        except OSError as error:
            raise TemporaryError(f"{self._directory} cannot be read: {error.strerror}") from error

    def _update(self) -> None:
        """Read the files. Only this program changes one that is there."""
        paths = [os.path.join(self._directory, name) for name in sorted(self._present())]
        self._read = {path: _claims(path) for path in paths}


def _claims(path: str) -> Set[Claim]:
    try:
        return {Claim(*one) for one in approvals.parse(files.read_regular(path) or b"[]")}
    except (ValueError, RecursionError) as error:
        raise TemporaryError(f"{path} is damaged, remove it: {error}") from error
