# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sink that writes static reservations into files that Kea's configuration includes, one for each subnet."""

from __future__ import annotations

import glob
import os
import time
from dataclasses import dataclass
from typing import Callable, Dict, Iterable, List, Optional, Sequence, Tuple, TypeVar

from kea_lease_monitor import files, telemetry
from kea_lease_monitor.batch import Delivery, Reason, Rejection
from kea_lease_monitor.errors import TemporaryError
from kea_lease_monitor.kea import asking, reservations
from kea_lease_monitor.kea.applier import report
from kea_lease_monitor.kea.applier.report import DEFAULT, Places
from kea_lease_monitor.kea.host_file import HostFile
from kea_lease_monitor.kea.host_index import HostIndex
from kea_lease_monitor.kea.host_list import HostList
from kea_lease_monitor.kea.reservations import Verdict
from kea_lease_monitor.kea.shares import KEYS, address_of, client
from kea_lease_monitor.kea.site import HWADDR, Entry, Site
from kea_lease_monitor.lease import EventKind, Lease, LeaseEvent
from kea_lease_monitor.section import Section
from kea_lease_monitor.sinks.base import Sink
from kea_lease_monitor.sinks.reservations import sites
from kea_lease_monitor.sinks.reservations.chosen import by_client, is_over, unchanged
from kea_lease_monitor.sinks.reservations.forgetting import EDITED, GAVE_WAY
from kea_lease_monitor.sinks.reservations.outcome import LEFT_OUT, Outcome, Reserving, resolved
from kea_lease_monitor.sinks.reservations.outcome import report as reported
from kea_lease_monitor.sinks.reservations.refused import Late

_T = TypeVar("_T")


@dataclass(frozen=True)
class Options:
    """The options of this sink."""

    directory: str = DEFAULT.written
    """Where the files are. Only the monitor writes there."""
    report: str = DEFAULT.report
    """Where the applier says what is in force."""
    site: Tuple[Entry, ...] = ()
    """The reservations in Kea's own configuration."""
    hostname: str = "follow"
    """``reserve`` if a reservation also has the client's name; see reservations.NAMES."""
    prefixes: str = "skip"
    """``reserve`` if delegated prefixes are reserved, too."""
    left_out: Tuple[int, ...] = ()
    """Subnets in which Kea includes no reservations of the monitor, so that none is made."""

    @classmethod
    def parse(cls, section: Section) -> Options:
        """Read the sink's section. Raises ConfigurationError."""
        options = cls(
            section.text("directory", cls().directory),
            section.text("report", cls().report),
            sites.read(section),
            section.choice("hostname", reservations.NAMES, "follow"),
            section.choice("prefixes", asking.PREFIXES_OPTION, "skip"),
            section.numbers("left_out"),
        )
        section.done()
        for name, path in (("directory", options.directory), ("report", options.report)):
            if not os.path.isabs(path):
                raise section.error(name, "an absolute path is needed")
        return options

    @property
    def places(self) -> Places:
        return Places(self.directory, self.report)


class ReservationFileSink(Sink):
    """Reserves IPv4 addresses by hardware address, or IPv6 addresses by DUID.

    The files are of one server of Kea, and so of one family. The applier watches the directory, and has Kea load them.
    """

    name = "reservation_file"

    def __init__(self, options: Options, family: int = 4) -> None:
        self._family = family
        self._directory, self._places = options.directory, options.places
        self._index = HostIndex()
        self._lists: Dict[int, HostList] = {}
        self._changed = False
        self._names = options.hostname == "reserve"
        self._reserving = Reserving(self.name, self._reserve, self._exchange, self._names)
        if options.prefixes == "reserve":
            self._reserving.types = asking.PREFIXES_TOO
        self._reserving.give_way = self._give_way_to
        self._late = Late(options.report, self._current)
        self._entries = [one for one in options.site if one.family == family]
        self._reserving.site = Site(self._entries)
        self._left_out = frozenset(options.left_out)

    def check(self) -> None:
        """Check the directory, and remove managed reservations for clients and addresses of the site.

        Kea would refuse them.
        """
        files.check_directory(self._directory)
        for subnet in self._subnets() if self._reserving.site else ():
            self._give_way(subnet)
        self._request()

    def deliver(self, events: Sequence[LeaseEvent]) -> Delivery:
        try:
            if events and events[0].kind is EventKind.FORGOTTEN:
                return self._forget(events)
            if events and events[0].kind is EventKind.REPLACED:
                return self._replace(events)
            return self._reserving.deliver(events, (self._family,))
        finally:
            # Also after a failure: the next attempt finds unchanged what this one wrote.
            self._request()

    def _request(self) -> None:
        if self._changed:
            report.request(self._places, time.time())
            self._changed = False

    def made(self) -> List[Lease]:
        found = [(subnet, host) for subnet in self._subnets() for host in self._current(subnet).file.every()]
        return [lease for subnet, host in found for lease in reservations.managed(host, subnet)]

    def held(self, leases: Sequence[Lease]) -> List[Lease]:
        own = [lease for lease in leases if lease.family == self._family and client(lease)]
        return [lease for found in _by_subnet(own, lambda lease: lease).items() for lease in self._held_in(*found)]

    def counted(self) -> Dict[Tuple[int, int], int]:
        return {(self._family, number): count for number, count in self._late.written().items()}

    def _held_in(self, subnet: int, leases: Sequence[Lease]) -> List[Lease]:
        hosts = self._current(subnet)
        hosts.know(leases)
        own = {lease: reservations.managed(hosts.file.of(client(lease)), subnet) for lease in leases}
        return [lease for lease, kept in own.items() if address_of(lease) in map(address_of, kept)]

    def _subnets(self) -> List[int]:
        paths = glob.glob(self._path_of("*", glob.escape(self._directory)))
        names = [os.path.basename(path)[len("subnet-") : -len(".json")] for path in paths]
        return sorted(int(name) for name in names if name.isdigit())

    def _give_way(self, subnet: int) -> None:
        hosts, site = self._current(subnet), self._reserving.site
        managed = (unchanged([one], subnet) for one in hosts.file.every())
        self._remove(hosts, [lease for leases in managed if site.overruled(leases) for lease in leases])

    def _give_way_to(self, leases: Sequence[Lease]) -> None:
        for subnet, own in sorted(_by_subnet(leases, lambda lease: lease).items()):
            hosts = self._current(subnet)
            hosts.know(own)
            clients = dict.fromkeys(map(client, own))
            self._remove(hosts, unchanged(map(hosts.file.of, clients), subnet))

    def _remove(self, hosts: HostList, gone: Sequence[Lease]) -> None:
        for lease in gone:
            hosts.file.remove(client(lease))
        self._write(hosts)
        for lease in gone:
            telemetry.reservation_removed(lease, GAVE_WAY)

    def _forget(self, events: Sequence[LeaseEvent]) -> Delivery:
        removed, rejected = 0, []
        own = [event for event in events if event.lease.family == self._family]
        for subnet, meant in sorted(_by_subnet(own, lambda event: event.lease).items()):
            hosts = self._current(subnet)
            hosts.know([event.lease for event in meant])
            due: List[Lease] = []
            for identifier, about in by_client(meant).items():
                host = hosts.file.of(identifier)
                over = [lease for lease in reservations.managed(host, subnet) if is_over(about, lease)]
                if over and reservations.is_unchanged(host):
                    due += over
                elif over:
                    rejected.append(Rejection(about[-1], Reason.EDITED, EDITED))
            for lease in due:
                hosts.release(lease)
            self._write(hosts)
            for lease in due:
                telemetry.reservation_removed(lease)
            removed += len(due)
        skipped = len(events) - removed - len(rejected)
        delivery = Delivery(removed=removed, skipped=skipped, rejected=tuple(rejected))
        telemetry.sink_result(self.name, delivery)
        return delivery

    def _replace(self, events: Sequence[LeaseEvent]) -> Delivery:
        outcomes: List[Outcome] = []
        # The command ``replace`` is for hardware addresses, and so for DHCPv4.
        for event in (event for event in events if event.lease.family == self._family == 4):
            hosts = self._current(event.lease.subnet_id)
            settled = self._reserving.site.judge(event.lease) or self._settled(event.lease.subnet_id)
            outcomes.append(Outcome(event, *(settled or hosts.place(event.lease))))
            self._write(hosts)
        return reported(self.name, len(events), outcomes)

    def _reserve(self, events: Sequence[LeaseEvent]) -> List[Outcome]:
        by_subnet = _by_subnet(events, lambda event: event.lease)
        return [outcome for found in sorted(by_subnet.items()) for outcome in self._reserve_in(*found)]

    def _settled(self, subnet: int) -> Optional[Tuple[Verdict, str]]:
        """Return the verdict about all leases of a subnet, with its detail; None if each is judged."""
        return (Verdict.LEFT_OUT, LEFT_OUT.format(subnet)) if subnet in self._left_out else None

    def _reserve_in(self, subnet: int, events: Sequence[LeaseEvent]) -> List[Outcome]:
        if settled := self._settled(subnet):
            return [Outcome(event, *settled) for event in events]
        hosts = self._current(subnet)
        hosts.know([event.lease for event in events])
        outcomes = resolved(events, lambda some: [self._outcome(event, hosts) for event in some])
        self._write(hosts)
        return outcomes

    def _outcome(self, event: LeaseEvent, hosts: HostList) -> Outcome:
        return self._late.judged(Outcome(event, *hosts.reserve(event.lease)))

    def late_refusals(self) -> List[Rejection]:
        return self._late.rejections()

    def _exchange(self, events: Sequence[LeaseEvent]) -> bool:
        hosts = self._current(events[0].lease.subnet_id)
        done = hosts.exchange([event.lease for event in events])
        self._write(hosts)
        return done

    def _write(self, hosts: HostList) -> None:
        self._changed = hosts.file.write() or self._changed

    def adopt(self, events: Sequence[LeaseEvent]) -> None:
        held = reservations.held(events)
        for subnet, own in sorted(_by_subnet(held, lambda event: event.lease).items()):
            hosts = self._current(subnet)
            hosts.know([event.lease for event in own])
            adopted = [event.lease for event in own if hosts.adopt(event.lease)]
            self._write(hosts)
            for lease in adopted:
                telemetry.reservation_adopted(lease)

    def _current(self, subnet: int) -> HostList:
        """Return the reservations of a subnet. The file is read again only if another program wrote it."""
        path = self._path(subnet)
        if subnet not in self._lists:
            file = HostFile(path, KEYS[self._family], self._index)
            self._lists[subnet] = HostList(file, self._names, self._given(subnet))
        try:
            self._lists[subnet].file.refresh()
        except ValueError as error:
            raise TemporaryError(f"{path}: {error}") from error
        return self._lists[subnet]

    def _given(self, subnet: int) -> Dict[str, str]:
        """Return the names that the site gives to clients by hardware address."""
        named = [one for one in self._entries if one.subnet == subnet and one.name and one.kind == HWADDR]
        return {one.identifier: one.name for one in named}

    def _path(self, subnet: int) -> str:
        return self._path_of(str(subnet), self._directory)

    def _path_of(self, subnet: str, directory: str) -> str:
        return os.path.join(directory, f"subnet-{subnet}.json")

    def close(self) -> None:
        self._lists.clear()
        self._index.close()


def _by_subnet(items: Iterable[_T], lease_of: Callable[[_T], Lease]) -> Dict[int, List[_T]]:
    found: Dict[int, List[_T]] = {}
    for one in items:
        found.setdefault(lease_of(one).subnet_id, []).append(one)
    return found
