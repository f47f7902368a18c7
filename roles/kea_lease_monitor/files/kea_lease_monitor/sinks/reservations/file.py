# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sink that writes static reservations into files that Kea's configuration includes, one for each subnet."""

from __future__ import annotations

import glob
import os
from dataclasses import dataclass
from typing import Dict, List, Optional, Sequence, Tuple

from kea_lease_monitor import files, telemetry
from kea_lease_monitor.batch import Delivery, Reason, Rejection
from kea_lease_monitor.errors import TemporaryError
from kea_lease_monitor.kea import identifiers, reservations
from kea_lease_monitor.kea.applier import report
from kea_lease_monitor.kea.host_list import HostList
from kea_lease_monitor.kea.reservations import Verdict
from kea_lease_monitor.lease import EventKind, Lease, LeaseEvent
from kea_lease_monitor.section import Section
from kea_lease_monitor.sinks.base import Sink
from kea_lease_monitor.sinks.reservations.forgetting import EDITED
from kea_lease_monitor.sinks.reservations.outcome import Outcome, Reserving, resolved

FAMILIES = frozenset({4})
"""DHCPv4 only: reservations in a DHCPv6 configuration look different, and no role of the collection writes one."""

_MODE = 0o640
"""Kea reads through the directory's group."""


@dataclass(frozen=True)
class Site:
    """A reservation that the site wrote into Kea's own configuration. Kea refuses a second one for the same client."""

    subnet: int
    hwaddr: str
    address: str


@dataclass(frozen=True)
class Options:
    """The options of this sink."""

    directory: str
    """Where the files are."""
    site: Tuple[Site, ...] = ()
    """The reservations in Kea's own configuration."""
    hostname: str = "follow"
    """``reserve`` if a reservation also has the client's name; see reservations.NAMES."""

    @classmethod
    def parse(cls, section: Section) -> Options:
        """Read the sink's section. Raises ConfigurationError."""
        options = cls(
            section.text("directory", "/etc/kea/reservations.d"),
            tuple(_site(item) for item in section.sections("site")),
            section.choice("hostname", reservations.NAMES, "follow"),
        )
        section.done()
        if not os.path.isabs(options.directory):
            raise section.error("directory", "an absolute path is needed")
        return options


def _site(section: Section) -> Site:
    subnet = section.number("subnet", 0, 0, 2**32 - 1)
    hwaddr, address = section.optional_text("hwaddr") or "", section.optional_text("address") or ""
    section.done()
    try:
        return Site(subnet, identifiers.hwaddr(hwaddr) if hwaddr else "", address)
    except ValueError as error:
        raise section.error("hwaddr", str(error)) from error


class ReservationFileSink(Sink):
    """Reserves IPv4 addresses by hardware address, and requests a reload of Kea when a file changed."""

    name = "reservation_file"
    reserves = True

    def __init__(self, options: Options) -> None:
        self._directory = options.directory
        self._site = options.site
        self._lists: Dict[int, HostList] = {}
        self._stamps: Dict[int, Optional[files.Stamp]] = {}
        self._reload_due = False
        self._names = options.hostname == "reserve"
        self._reserving = Reserving(self.name, self._reserve, self._exchange, self._names)

    def check(self) -> None:
        """Check the directory, and request the reload that a killed run of this program could not request any more."""
        files.check_directory(self._directory)
        status = report.read(self._directory) or report.Status()
        for path in glob.glob(os.path.join(glob.escape(self._directory), "subnet-*.json")):
            if self._is_pending(path, status):
                self._request()

    def deliver(self, events: Sequence[LeaseEvent]) -> Delivery:
        try:
            if events and events[0].kind is EventKind.FORGOTTEN:
                return self._forget(events)
            return self._reserving.deliver(events, FAMILIES)
        finally:
            # Also after a failure: the next attempt finds unchanged what this one wrote, and would request no reload.
            if self._reload_due:
                self._request()

    def made(self) -> List[Lease]:
        found = [(subnet, host) for subnet in self._subnets() for host in self._current(subnet).hosts()]
        leases = [reservations.managed(host, subnet) for subnet, host in found]
        return [lease for lease in leases if lease]

    def _subnets(self) -> List[int]:
        paths = glob.glob(self._path_of("*", glob.escape(self._directory)))
        names = [os.path.basename(path)[len("subnet-") : -len(".json")] for path in paths]
        return sorted(int(name) for name in names if name.isdigit())

    def _forget(self, events: Sequence[LeaseEvent]) -> Delivery:
        removed, rejected = 0, []
        for subnet in sorted({event.lease.subnet_id for event in events}):
            own = {event.lease.hwaddr: event for event in events if event.lease.subnet_id == subnet}
            hosts = self._current(subnet)
            due = {}
            for hwaddr, event in own.items():
                host = hosts.of(hwaddr)
                lease = reservations.managed(host, subnet)
                if lease and reservations.is_unchanged(host):
                    due[hwaddr] = lease
                elif lease:
                    rejected.append(Rejection(event, Reason.EDITED, EDITED))
            if due:
                self._write_without(subnet, hosts.without(due))
            for lease in due.values():
                telemetry.reservation_removed(lease)
            removed += len(due)
        skipped = len(events) - removed - len(rejected)
        delivery = Delivery(removed=removed, skipped=skipped, rejected=tuple(rejected))
        telemetry.sink_result(self.name, delivery)
        return delivery

    def _reserve(self, events: Sequence[LeaseEvent]) -> List[Outcome]:
        outcomes: List[Outcome] = []
        for subnet in sorted({event.lease.subnet_id for event in events}):
            outcomes += self._reserve_in(subnet, [event for event in events if event.lease.subnet_id == subnet])
        return outcomes

    def _reserve_in(self, subnet: int, events: Sequence[LeaseEvent]) -> List[Outcome]:
        hosts = self._current(subnet)
        outcomes = resolved(
            events,
            lambda some: [Outcome(event, *hosts.reserve(event.lease)) for event in some],
        )
        if any(outcome.verdict in {Verdict.CREATED, Verdict.UPDATED} for outcome in outcomes):
            self._write(subnet, hosts)
        return outcomes

    def _exchange(self, events: Sequence[LeaseEvent]) -> bool:
        subnet = events[0].lease.subnet_id
        hosts = self._current(subnet)
        if done := hosts.exchange([event.lease for event in events]):
            self._write(subnet, hosts)
        return done

    def _write(self, subnet: int, hosts: HostList) -> None:
        # Without a stamp until the file is written: after a failure the next attempt reads the file again.
        stamp = self._stamps.pop(subnet)
        if appendix := hosts.appendix():
            files.append(self._path(subnet), appendix, stamp)
        else:
            files.replace(self._path(subnet), hosts.render(), _MODE)
        self._reload_due = True
        hosts.saved()
        self._stamps[subnet] = files.stamp(self._path(subnet))

    def _write_without(self, subnet: int, content: bytes) -> None:
        """Write the file without some reservations. The next use reads it again."""
        del self._stamps[subnet]
        files.replace(self._path(subnet), content, _MODE)
        self._reload_due = True

    def adopt(self, events: Sequence[LeaseEvent]) -> None:
        held = reservations.held(events)
        for subnet in sorted({event.lease.subnet_id for event in held}):
            hosts = self._current(subnet)
            own = [event.lease for event in held if event.lease.subnet_id == subnet]
            if adopted := [lease for lease in own if hosts.adopt(lease)]:
                self._write(subnet, hosts)
                for lease in adopted:
                    telemetry.reservation_adopted(lease)

    def _current(self, subnet: int) -> HostList:
        """Return the reservations of a subnet. The file is read again only if another program wrote it."""
        path = self._path(subnet)
        stamp = files.stamp(path)
        if subnet not in self._stamps or self._stamps[subnet] != stamp:
            try:
                self._lists[subnet] = HostList(files.read(path) or b"", self._elsewhere(subnet), self._names)
            except ValueError as error:
                raise TemporaryError(f"{path}: {error}") from error
            self._stamps[subnet] = stamp
        return self._lists[subnet]

    def _elsewhere(self, subnet: int) -> Dict[str, str]:
        return {site.hwaddr or site.address: site.address for site in self._site if site.subnet == subnet}

    def _path(self, subnet: int) -> str:
        return self._path_of(str(subnet), self._directory)

    def _path_of(self, subnet: str, directory: str) -> str:
        return os.path.join(directory, f"subnet-{subnet}.json")

    def _request(self) -> None:
        files.touch(os.path.join(self._directory, report.REQUESTED))
        files.sync_directory(self._directory)
        self._reload_due = False

    def _is_pending(self, path: str, status: report.Status) -> bool:
        """Return whether no apply has seen this content of the file."""
        content = files.read(path) or b""
        seen = [subnet.source for subnet in status.subnets.values()]
        included = files.read(os.path.join(self._directory, report.APPLIED, os.path.basename(path))) or b""
        return content != included and report.digest(content) not in seen

    def close(self) -> None:
        self._lists.clear()
        self._stamps.clear()
