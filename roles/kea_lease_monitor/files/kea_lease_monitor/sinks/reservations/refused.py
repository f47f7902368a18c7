# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the applier reports of reservations in files, later than the sink wrote them: those that are not in force."""

from __future__ import annotations

import itertools
import os
from typing import Callable, Dict, Iterator, List, Optional, Tuple

from kea_lease_monitor import files
from kea_lease_monitor.batch import Reason, Rejection
from kea_lease_monitor.errors import TemporaryError
from kea_lease_monitor.kea import reservations
from kea_lease_monitor.kea.applier import report
from kea_lease_monitor.kea.applier.hosts import Refusal
from kea_lease_monitor.kea.host_list import HostList
from kea_lease_monitor.kea.reservations import Verdict
from kea_lease_monitor.kea.shares import KEYS, address_of, client
from kea_lease_monitor.lease import EventKind, Lease, LeaseEvent
from kea_lease_monitor.sinks.reservations.outcome import Outcome, refused

_SUBNETS = 2**32
"""Kea's numbers of subnets are below."""

_MOST = 1000
"""Reservations of a subnet that are told one by one: the store keeps as many dead letters."""

Written = Callable[[int], HostList]
"""Return what the sink wrote for a subnet. Raises TemporaryError."""


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


class Subnets:
    """The subnets of a report. It is read again only if the applier wrote it; its damage stops nothing."""

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._stamp: Optional[files.Stamp] = None
        self._found: Dict[int, report.Subnet] = {}

    def unloaded(self) -> Dict[int, str]:
        """Return the subnets of which Kea has no reservation loaded, and why."""
        return {number: one.error for number, one in self._all().items() if one.error}

    def written(self) -> Dict[int, int]:
        """Return how many reservations the other subnets have."""
        return {number: one.written for number, one in self._all().items() if not one.error}

    def _all(self) -> Dict[int, report.Subnet]:
        stamp = files.stamp(os.path.join(self._directory, report.STATUS), follow=False)
        if stamp != self._stamp:
            self._found, self._stamp = self._listed(), stamp
        return self._found

    def _listed(self) -> Dict[int, report.Subnet]:
        try:
            found = (report.read(self._directory) or report.Status()).subnets
        except TemporaryError:
            return {}
        typed = {number: one for number, one in found.items() if (type(one.written), type(one.error)) == (int, str)}
        return {number: one for number, one in typed.items() if 0 < number < _SUBNETS}


class Late:
    """The rejections of what a sink wrote and the applier reports as not in force."""

    def __init__(self, directory: str, written: Written) -> None:
        """``directory`` is that of the report."""
        self._refused, self._subnets = Refused(directory), Subnets(directory)
        self._written = written
        self._known: Dict[int, Tuple[object, List[Rejection]]] = {}
        """Of each subnet without a reservation in force: what they were made from, and the rejections."""

    def judged(self, outcome: Outcome) -> Outcome:
        """Return what became of an event. What was written before and is not in force is not there."""
        event = outcome.event
        if outcome.verdict is not Verdict.UNCHANGED:
            return outcome
        if error := self._subnets.unloaded().get(event.lease.subnet_id):
            return Outcome(event, Verdict.LEFT_OUT, error)
        words = self._refused.of(event.lease)
        return Outcome(event, Verdict.REFUSED, words) if words else outcome

    def rejections(self) -> List[Rejection]:
        """Return what is not in force now. Raises TemporaryError."""
        unloaded = self._subnets.unloaded()
        self._known = {subnet: self._of_subnet(subnet, error) for subnet, error in unloaded.items()}
        return [*self._of_hosts(), *(each for _source, found in self._known.values() for each in found)]

    def written(self) -> Dict[int, int]:
        """Return how many reservations each subnet has, as the applier read them; none where Kea has none loaded."""
        return self._subnets.written()

    def _of_hosts(self) -> Iterator[Rejection]:
        for one in self._refused.all():
            hosts = self._written(one.subnet)
            for lease in reservations.managed(hosts.file.of(one.host.partition(" ")[2]), one.subnet):
                if self._refused.of(lease):
                    yield refused(_event(lease, f"refused:{one.subnet}:{one.host}"), one.reason)

    def _of_subnet(self, subnet: int, error: str) -> Tuple[object, List[Rejection]]:
        file = self._written(subnet).file
        source = (file.seen, error)
        known = self._known.get(subnet)
        if known and known[0] == source:
            return known
        managed = (lease for host in file.every() for lease in reservations.managed(host, subnet))
        leases = list(itertools.islice(managed, _MOST))
        return source, [Rejection(_event(one, f"unloaded:{subnet}"), Reason.LEFT_OUT, error) for one in leases]


def _event(lease: Lease, ref: str) -> LeaseEvent:
    return LeaseEvent(EventKind.ASSIGNED, lease, ref, None)
