# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Kea that takes no reservations by command: changes that it does not use cost neither a test nor a reload."""

from __future__ import annotations

from typing import Dict, Optional

from kea_lease_monitor.kea.applier import report
from kea_lease_monitor.kea.applier.confirming import Confirming
from kea_lease_monitor.kea.applier.hosts import Refusal
from kea_lease_monitor.kea.applier.known import Due, Known, Reporting, Tested
from kea_lease_monitor.kea.applier.live_subnet import LiveSubnet
from kea_lease_monitor.kea.applier.placing import Held
from kea_lease_monitor.kea.applier.report import Status


class Followed:
    """What is known since the last apply. Nothing is, once a method raised TemporaryError or returned False."""

    by_command = False

    def __init__(self, reporting: Reporting, tested: Tested, done: Status, confirming: Confirming) -> None:
        """``done`` is what the last apply reported."""
        self._reporting, self._done, self._confirming = reporting, done, confirming
        self._due = Due(reporting)
        self._known = Known(reporting.places, tested.sources)
        refused: Dict[int, Dict[str, Refusal]] = {}
        for one in report.read_refused(reporting.places.report).refused:
            refused.setdefault(one.subnet, {})[one.host] = one
        for number, written in tested.written.items():
            if done.subnets[number].error:
                self._known.others.append(written.tail)
                continue
            held = Held(tested.hosts.get(number, []))
            subnet = LiveSubnet(written.tail, written.files, held, done.subnets[number])
            subnet.refused = refused.get(number, {})
            self._known.subnets[number] = subnet

    def take(self) -> bool:
        """Take what the monitor changed. Return False if Kea must read anything of it. Raises TemporaryError."""
        if self._confirming.has_news() or not self._known.is_current():
            return False
        read_at = self._reporting.now()
        changes = self._known.changes(again=False)
        if changes is None or not all(self._known.subnets[number].keeps(one) for number, one in changes.items()):
            return False
        self._due.read_at = read_at
        return self.report()

    def report_in(self) -> Optional[float]:
        """Return in how many seconds a report is due, None if nothing is to be reported."""
        return self._due.within()

    def report(self) -> bool:
        """Report that nothing waits, once that is due. Return as ``take``. Raises TemporaryError."""
        if self._due.read_at is not None and not self._due.within():
            subnets = {number: one.status for number, one in self._known.subnets.items()}
            self._done = self._done._replace(subnets={**self._done.subnets, **subnets}, read_at=self._due.read_at)
            report.write(self._reporting.places.report, self._done)
            self._due.done()
        return True

    def is_stale(self) -> bool:
        """Return whether a file of the monitor was changed before the end of what was read. Raises TemporaryError."""
        return not self._known.is_certain()
