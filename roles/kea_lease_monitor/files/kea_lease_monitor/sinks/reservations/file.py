# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sink that writes static reservations into files that Kea's configuration includes, one for each subnet."""

from __future__ import annotations

import glob
import os
import time
from dataclasses import dataclass
from typing import Collection, Dict, List, Optional, Sequence, Tuple

from kea_lease_monitor import files, telemetry
from kea_lease_monitor.batch import Delivery, Reason, Rejection
from kea_lease_monitor.errors import TemporaryError
from kea_lease_monitor.kea import asking, reservations
from kea_lease_monitor.kea.applier import report
from kea_lease_monitor.kea.applier.report import DEFAULT, Places
from kea_lease_monitor.kea.host_list import HostList
from kea_lease_monitor.kea.reservations import Verdict
from kea_lease_monitor.kea.shares import address_of, client
from kea_lease_monitor.kea.site import HWADDR, Entry, Site
from kea_lease_monitor.lease import EventKind, Lease, LeaseEvent
from kea_lease_monitor.section import Section
from kea_lease_monitor.sinks.base import Sink
from kea_lease_monitor.sinks.reservations import sites
from kea_lease_monitor.sinks.reservations.chosen import by_client, is_over, released, unchanged
from kea_lease_monitor.sinks.reservations.forgetting import EDITED, GAVE_WAY
from kea_lease_monitor.sinks.reservations.outcome import LEFT_OUT, Outcome, Reserving, resolved
from kea_lease_monitor.sinks.reservations.outcome import report as reported
from kea_lease_monitor.sinks.reservations.refused import Late

_MODE = 0o640
"""The applier reads through the directory's group."""


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
        self._lists: Dict[int, HostList] = {}
        self._stamps: Dict[int, Optional[files.Stamp]] = {}
        self._changed = False
        self._names = options.hostname == "reserve"
        self._reserving = Reserving(self.name, self._reserve, self._exchange, self._names)
        if options.prefixes == "reserve":
            self._reserving.types = asking.PREFIXES_TOO
        self._reserving.give_way = self._give_way_to
        self._late = Late(options.report, self._written)
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
        found = [(subnet, host) for subnet in self._subnets() for host in self._current(subnet).hosts()]
        return [lease for subnet, host in found for lease in reservations.managed(host, subnet)]

    def held(self, leases: Sequence[Lease]) -> List[Lease]:
        own = [lease for lease in leases if lease.family == self._family and client(lease)]
        return [lease for lease in own if address_of(lease) in self._addresses_of(lease)]

    def counted(self) -> Dict[Tuple[int, int], int]:
        return {(self._family, number): count for number, count in self._late.written().items()}

    def _addresses_of(self, lease: Lease) -> List[str]:
        """Return the addresses and prefixes of the managed reservation that the lease's client has."""
        host = self._current(lease.subnet_id).of(client(lease))
        return [address_of(one) for one in reservations.managed(host, lease.subnet_id)]

    def _subnets(self) -> List[int]:
        paths = glob.glob(self._path_of("*", glob.escape(self._directory)))
        names = [os.path.basename(path)[len("subnet-") : -len(".json")] for path in paths]
        return sorted(int(name) for name in names if name.isdigit())

    def _give_way(self, subnet: int) -> None:
        hosts = self._current(subnet)
        managed = unchanged(hosts.hosts(), subnet)
        overruled = {client(lease) for lease in self._reserving.site.overruled(managed)}
        self._remove(subnet, hosts, [lease for lease in managed if client(lease) in overruled])

    def _give_way_to(self, leases: Sequence[Lease]) -> None:
        for subnet in sorted({lease.subnet_id for lease in leases}):
            hosts = self._current(subnet)
            clients = dict.fromkeys(client(lease) for lease in leases if lease.subnet_id == subnet)
            self._remove(subnet, hosts, unchanged(map(hosts.of, clients), subnet))

    def _remove(self, subnet: int, hosts: HostList, gone: Sequence[Lease]) -> None:
        if gone:
            self._write_without(subnet, hosts, {client(lease) for lease in gone})
        for lease in gone:
            telemetry.reservation_removed(lease, GAVE_WAY)

    def _forget(self, events: Sequence[LeaseEvent]) -> Delivery:
        removed, rejected = 0, []
        own = [event for event in events if event.lease.family == self._family]
        for subnet in sorted({event.lease.subnet_id for event in own}):
            hosts = self._current(subnet)
            due: Dict[str, List[Lease]] = {}
            for identifier, meant in by_client(event for event in own if event.lease.subnet_id == subnet).items():
                host = hosts.of(identifier)
                leases = reservations.managed(host, subnet)
                over = [lease for lease in leases if is_over(meant, lease)]
                if over and reservations.is_unchanged(host):
                    due[identifier] = over
                elif over:
                    rejected.append(Rejection(meant[-1], Reason.EDITED, EDITED))
            if due:
                whole = [identifier for identifier, over in due.items() if not released(hosts, over)]
                self._write_without(subnet, hosts, whole)
            for lease in (lease for over in due.values() for lease in over):
                telemetry.reservation_removed(lease)
                removed += 1
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
            if outcomes[-1].verdict in {Verdict.CREATED, Verdict.UPDATED}:
                self._write(event.lease.subnet_id, hosts)
        return reported(self.name, len(events), outcomes)

    def _reserve(self, events: Sequence[LeaseEvent]) -> List[Outcome]:
        outcomes: List[Outcome] = []
        for subnet in sorted({event.lease.subnet_id for event in events}):
            outcomes += self._reserve_in(subnet, [event for event in events if event.lease.subnet_id == subnet])
        return outcomes

    def _settled(self, subnet: int) -> Optional[Tuple[Verdict, str]]:
        """Return the verdict about all leases of a subnet, with its detail; None if each is judged."""
        return (Verdict.LEFT_OUT, LEFT_OUT.format(subnet)) if subnet in self._left_out else None

    def _reserve_in(self, subnet: int, events: Sequence[LeaseEvent]) -> List[Outcome]:
        if settled := self._settled(subnet):
            return [Outcome(event, *settled) for event in events]
        hosts = self._current(subnet)
        outcomes = resolved(events, lambda some: [self._outcome(event, hosts) for event in some])
        if any(outcome.verdict in {Verdict.CREATED, Verdict.UPDATED} for outcome in outcomes):
            self._write(subnet, hosts)
        return outcomes

    def _outcome(self, event: LeaseEvent, hosts: HostList) -> Outcome:
        return self._late.judged(Outcome(event, *hosts.reserve(event.lease)))

    def late_refusals(self) -> List[Rejection]:
        return self._late.rejections()

    def _written(self, subnet: int) -> Tuple[HostList, Optional[files.Stamp]]:
        return self._current(subnet), self._stamps[subnet]

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
        self._changed = True
        hosts.saved()
        self._stamps[subnet] = files.stamp(self._path(subnet))

    def _write_without(self, subnet: int, hosts: HostList, clients: Collection[str]) -> None:
        """Write the file without the reservations of these clients. The next use reads it again."""
        del self._stamps[subnet]
        files.replace(self._path(subnet), hosts.without(clients), _MODE)
        self._changed = True

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
                content = files.read(path) or b""
                self._lists[subnet] = HostList(content, self._names, self._given(subnet), self._family)
            except ValueError as error:
                raise TemporaryError(f"{path}: {error}") from error
            self._stamps[subnet] = stamp
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
        self._stamps.clear()
