# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sink that writes static reservations into Kea's hosts database, with one statement for a batch."""

from __future__ import annotations

import time
from typing import Any, Callable, Collection, Dict, FrozenSet, List, NamedTuple, Optional, Sequence, Tuple

from kea_lease_monitor import telemetry
from kea_lease_monitor.batch import Delivery
from kea_lease_monitor.database import Link, Session
from kea_lease_monitor.errors import TemporaryError
from kea_lease_monitor.kea import asking, reservations
from kea_lease_monitor.kea.reservations import Verdict
from kea_lease_monitor.kea.site import Entry, Site, of_rows
from kea_lease_monitor.kea.sql import hosts4, hosts6
from kea_lease_monitor.kea.sql import managed as managed_sql
from kea_lease_monitor.lease import EventKind, Lease, LeaseEvent
from kea_lease_monitor.prepared import Prepared
from kea_lease_monitor.section import Section
from kea_lease_monitor.sinks.base import Sink
from kea_lease_monitor.sinks.reservations import sites
from kea_lease_monitor.sinks.reservations.forgetting import check_right, forgotten, give_way, give_way_to, held, managed
from kea_lease_monitor.sinks.reservations.outcome import Outcome, Reserving
from kea_lease_monitor.sinks.reservations.replacing import replaced

_ATTEMPTS = 5
"""Attempts to write rows that other sessions write at the same time."""

_RESERVE = Prepared("reserve", hosts4.RESERVE)

_SITE_AGE = 60.0
"""Seconds after which the hosts by other identifiers are read again, before a batch."""

_COUNT_AGE = 60.0
"""Seconds after which the reservations are counted again."""

_LAST = 2**31 - 1
"""The greatest host_id."""


class Options(NamedTuple):
    """The options of this sink. The database is configured once for the whole monitor."""

    hostname: str = "follow"
    """``reserve`` if a reservation also has the client's name; see reservations.NAMES."""
    site: Tuple[Entry, ...] = ()
    """The reservations in Kea's own configuration."""
    global_subnets: FrozenSet[int] = frozenset()
    """Subnets that also use the hosts of subnet 0 (reservations-global)."""
    prefixes: str = "skip"
    """``reserve`` if delegated prefixes are reserved, too."""

    @classmethod
    def parse(cls, section: Section) -> Options:
        """Read the sink's section. Raises ConfigurationError."""
        options = cls(
            section.choice("hostname", reservations.NAMES, "follow"),
            sites.read(section),
            frozenset(section.numbers("global_subnets")),
            section.choice("prefixes", asking.PREFIXES_OPTION, "skip"),
        )
        section.done()
        return options


_FOLLOW = Options()


class ReservationSink(Sink):
    """Reserves IPv4 addresses by hardware address, and IPv6 addresses by DUID where the database allows it."""

    name = "reservation"

    def __init__(
        self,
        link: Link,
        named: FrozenSet[int] = frozenset(),
        options: Options = _FOLLOW,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """``named`` are the families that the subscription names. If it names none, DHCPv6 is served where possible.

        ``now`` returns seconds that never go back.
        """
        self._options, self._now = options, now
        self._site_read: Optional[float] = None
        self._entries: Optional[List[Entry]] = None
        """The reservations of the site, sorted; None unless managed reservations gave way to them."""
        self._counted: Dict[Tuple[int, int], int] = {}
        self._counted_at: Optional[float] = None
        self._link = link
        self._named = named
        self._six: Tuple[int, Optional[str], bool] = (0, None, False)
        self._names = options.hostname == "reserve"
        self._reserving = Reserving(self.name, self._reserve, self._exchange, self._names)
        self._reserving.give_way = self._give_way
        if options.prefixes == "reserve":
            self._reserving.types = asking.PREFIXES_TOO

    def check(self) -> None:
        with self._link.session() as session:
            session.rows(hosts4.RESERVE, reservations.parameters((), self._names))
            if 6 in self._named:
                session.rows(self._statement6(session), reservations.parameters6((), self._names))
            telemetry.host_ids(session.rows(hosts4.HOST_IDS, {})[0][0])
            self._entries = None
            self._read_site(session)

    def deliver(self, events: Sequence[LeaseEvent]) -> Delivery:
        if events and events[0].kind is EventKind.FORGOTTEN:
            with self._link.session() as session:
                return forgotten(session, self.name, events)
        if events and events[0].kind is EventKind.REPLACED:
            with self._link.session() as session:
                return replaced(session, self.name, events)
        if self._site_read is None or self._now() - self._site_read >= _SITE_AGE:
            with self._link.session() as session:
                self._read_site(session)
        return self._reserving.deliver(events, self._families(events))

    def _read_site(self, session: Session) -> None:
        """Read the hosts that the statement for a batch does not look at; managed ones give way to new ones of them."""
        rows = session.rows(hosts4.BY_OTHERS, reservations.parameters((), self._names))
        entries = [*self._options.site, *of_rows(rows, self._options.global_subnets)]
        if sorted(entries) != self._entries:
            self._reserving.site = Site(entries)
            give_way(session, self._reserving.site)
            self._entries = sorted(entries)
        self._site_read = self._now()

    def _give_way(self, leases: Sequence[Lease]) -> None:
        with self._link.session() as session:
            give_way_to(session, leases)

    def _families(self, events: Sequence[LeaseEvent]) -> Collection[int]:
        if 6 in self._named or all(event.lease.family == 4 for event in events):
            return (4, 6)
        with self._link.session() as session:
            return (4, 6) if self._capable6(session)[1] else (4,)

    def _capable6(self, session: Session) -> Tuple[Optional[str], bool]:
        """Return the type of an IPv6 address and whether this role may reserve one; read once for each session."""
        if self._six[0] != self._link.sessions:
            self._six = (self._link.sessions, *session.rows(hosts6.CAPABLE)[0])
        return self._six[1:]

    def _statement6(self, session: Session) -> str:
        return hosts6.reserve(self._capable6(session)[0] or "inet")

    def _reserve(self, events: Sequence[LeaseEvent]) -> List[Outcome]:
        four = [event for event in events if event.lease.family == 4]
        six = [event for event in events if event.lease.family == 6]
        with self._link.session() as session:
            outcomes: List[Outcome] = []
            for part in asking.rounds(four):
                outcomes += self._agreed(session, _RESERVE, reservations.parameters, part)
            for part in asking.rounds(six):
                reserve6 = Prepared("reserve6", self._statement6(session))
                outcomes += self._agreed(session, reserve6, reservations.parameters6, part)
        return outcomes

    def _exchange(self, events: Sequence[LeaseEvent]) -> bool:
        with self._link.session() as session:
            if events[0].lease.family == 6:
                statement = hosts6.exchange(self._capable6(session)[0] or "inet")
                return bool(session.rows(statement, reservations.parameters6(events, self._names)))
            return bool(session.rows(hosts4.EXCHANGE, reservations.parameters(events, self._names)))

    def made(self) -> List[Lease]:
        with self._link.session() as session:
            check_right(session)
            return [host.lease for host in managed(session)]

    def counted(self) -> Dict[Tuple[int, int], int]:
        if self._counted_at is None or self._now() - self._counted_at >= _COUNT_AGE:
            with self._link.session() as session:
                self._counted = {(family, subnet): count for family, subnet, count in session.rows(managed_sql.COUNTED)}
            self._counted_at = self._now()
        return self._counted

    def held(self, leases: Sequence[Lease]) -> List[Lease]:
        with self._link.session() as session:
            return held(session, leases)

    def adopt(self, events: Sequence[LeaseEvent]) -> None:
        found = reservations.held(events)
        with self._link.session() as session:
            for (number,) in session.rows(hosts4.ADOPT, reservations.parameters(found, True)):
                telemetry.reservation_adopted(found[number - 1].lease)

    def _agreed(
        self,
        session: Session,
        statement: Prepared,
        parameters: Callable[[Sequence[LeaseEvent], bool], Dict[str, Any]],
        events: Sequence[LeaseEvent],
    ) -> List[Outcome]:
        """Run a statement of hosts4 or hosts6 until no event meets a concurrent change. Raises TemporaryError."""
        outcomes: List[Outcome] = []
        for _attempt in range(_ATTEMPTS):
            if not events:
                return outcomes
            rows = statement.rows(session, parameters(events, self._names), len(events))
            if made := [host_id for _verdict, _detail, host_id, _made in rows if host_id]:
                telemetry.host_ids(max(made) / _LAST)
            found = [
                Outcome(event, Verdict(row[0]), row[1], reservations.moment(row[3])) for event, row in zip(events, rows)
            ]
            outcomes += [outcome for outcome in found if outcome.verdict is not Verdict.RETRY]
            events = [outcome.event for outcome in found if outcome.verdict is Verdict.RETRY]
        raise TemporaryError("other sessions keep changing the same reservations")

    def close(self) -> None:
        self._link.close()
