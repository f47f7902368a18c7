# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All leases of the lease files, read in portions so that no other subscription waits for a million of them."""

from __future__ import annotations

from typing import Dict, List, Optional, Tuple

from kea_lease_monitor import telemetry
from kea_lease_monitor.kea import changes
from kea_lease_monitor.kea.companions import LeaseFiles
from kea_lease_monitor.lease import Lease
from kea_lease_monitor.position import FilePosition
from kea_lease_monitor.sources.ledger import Ledger
from kea_lease_monitor.sources.memfile import present

_PORTION = 10_000
"""Rows read at once: a few tenths of a second."""

EVERYTHING = FilePosition(0, 0, 0, 0)
"""The position before all leases."""


class Loader:
    """Reads all leases into the ledger: to hand them over, or to know those before a position.

    All methods raise TemporaryError.
    """

    def __init__(self, files: LeaseFiles, ledger: Ledger) -> None:
        """Nothing is being read yet."""
        self._files = files
        self._ledger = ledger
        self._reading: Optional[present.Reading] = None
        self._keys: Dict[int, str] = {}
        self.missing = False
        """Whether there is no lease file."""
        self.end = EVERYTHING
        """Position after the last row, once all leases are read."""

    def stop(self) -> None:
        """Stop reading and forget what was read."""
        if self._reading:
            self._reading.close()
        self._reading = None
        self._keys.clear()

    def load(self) -> bool:
        """Read the next portion. Return whether all leases are read and may be handed over."""
        if self._reading is None:
            self._ledger.begin()
            self._reading = present.Reading(self._files)
            if self._reading.missing:
                self._report_missing()
                self.stop()
                return False
            self.missing = False
        known = self._reading.portion(_PORTION)
        if known is not None:
            self._ledger.put(known)
            return False
        self._ledger.finish()
        self.end, self._reading, self._keys = self._reading.end, None, {0: ""}
        return True

    def knows(self, offset: int) -> bool:
        """Return whether ``portion`` can begin after this number of leases: the last two offsets are known."""
        return offset in self._keys

    def portion(self, offset: int, limit: int) -> List[Tuple[str, Lease]]:
        """Return up to ``limit`` leases with their keys, after the first ``offset`` ones."""
        found = self._ledger.portion(self._keys[offset], limit)
        if len(found) == limit:
            self._keys = {offset: self._keys[offset], offset + len(found): found[-1][0]}
        return found

    def forget(self) -> None:
        """Drop the leases that were handed over."""
        if self._keys:
            self._keys.clear()
            self._ledger.begin()

    def prime(self, after: FilePosition) -> None:
        """Begin to read the leases before a position, to know them."""
        self.stop()
        self._ledger.unlearn()
        self._reading = present.Reading(self._files, after)

    def primed(self) -> bool:
        """Read the next portion of them. Return whether all are known."""
        if self._reading is None:
            return True
        known = self._reading.portion(_PORTION)
        if known is not None:
            self._ledger.learn({key: changes.trace(lease) if lease else None for key, lease in known})
            return False
        self._reading = None
        return True

    def _report_missing(self) -> None:
        if not self.missing:
            telemetry.file_missing(self._files.current)
        self.missing = True
