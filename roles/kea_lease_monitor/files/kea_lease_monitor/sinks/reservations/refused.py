# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The reservations in files that Kea refuses, as the applier reports them: later than the sink wrote them."""

from __future__ import annotations

import os
from typing import Dict, List, Optional, Tuple

from kea_lease_monitor import files
from kea_lease_monitor.errors import TemporaryError
from kea_lease_monitor.kea.applier import report
from kea_lease_monitor.kea.applier.hosts import Refusal
from kea_lease_monitor.kea.shares import KEYS, address_of, client
from kea_lease_monitor.lease import Lease

_SUBNETS = 2**32
"""Kea's numbers of subnets are below."""


class Refused:
    """The refusals of a report. It is read again only if the applier wrote it.

    Kea's user may write anything there. It must not stop the monitor: ``check`` tells of a report that is damaged.
    """

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._stamp: Optional[files.Stamp] = None
        self._found: Dict[Tuple[int, str], Refusal] = {}

    def all(self) -> List[Refusal]:
        """Return the refusals."""
        stamp = files.stamp(os.path.join(self._directory, report.REFUSED), follow=False)
        if stamp != self._stamp:
            self._found = {(one.subnet, one.host): one for one in self._listed()}
            self._stamp = stamp
        return list(self._found.values())

    def _listed(self) -> List[Refusal]:
        try:
            listed = report.read_refused(self._directory).refused
        except TemporaryError:
            return []
        typed = [one for one in listed if [type(field) for field in one] == [int, str, str, str, str]]
        return [one for one in typed if 0 < one.subnet < _SUBNETS]

    def of(self, lease: Lease) -> str:
        """Return why Kea refuses the address of a lease for its client; empty if it does not, as far as is known."""
        found = self._found.get((lease.subnet_id, f"{KEYS[lease.family]} {client(lease)}")) if self.all() else None
        return found.reason if found and address_of(lease) in found.address.split(", ") else ""
