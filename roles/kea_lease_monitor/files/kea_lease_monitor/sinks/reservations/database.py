# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Static reservations in PostgreSQL, one statement for a batch."""

from __future__ import annotations

from typing import Any, Callable, Collection, Dict, FrozenSet, List, Optional, Sequence, Tuple

from kea_lease_monitor import telemetry
from kea_lease_monitor.batch import Delivery
from kea_lease_monitor.database import Link, Session
from kea_lease_monitor.errors import TemporaryError
from kea_lease_monitor.kea import reservations
from kea_lease_monitor.kea.sql import hosts4, hosts6
from kea_lease_monitor.lease import LeaseEvent
from kea_lease_monitor.prepared import Prepared
from kea_lease_monitor.section import Section
from kea_lease_monitor.sinks.base import Sink
from kea_lease_monitor.sinks.reservations.outcome import Outcome, Reserving


def parse(section: Section) -> None:
    """This sink has no options: where the database is, is said once for all."""
    section.done()


_ATTEMPTS = 5
"""At rows that somebody else writes at the same moment."""

_RESERVE = Prepared("reserve", hosts4.RESERVE)

_LAST = 2**31 - 1
"""The greatest host_id."""


class ReservationSink(Sink):
    name = "reservation"

    def __init__(self, link: Link, named: FrozenSet[int] = frozenset()) -> None:
        """``named`` are the families that the subscription asks for by name; without, DHCPv6 is served if it may be."""
        self._link = link
        self._named = named
        self._six: Tuple[int, Optional[str], bool] = (0, None, False)
        self._reserving = Reserving(self.name, self._reserve, self._exchange)

    def check(self) -> None:
        with self._link.session() as session:
            session.rows(hosts4.RESERVE, reservations.parameters(()))
            if 6 in self._named:
                session.rows(self._statement6(session), reservations.parameters6(()))
            telemetry.host_ids(session.rows(hosts4.HOST_IDS, {})[0][0])

    def deliver(self, events: Sequence[LeaseEvent]) -> Delivery:
        return self._reserving.deliver(events, self._families(events))

    def _families(self, events: Sequence[LeaseEvent]) -> Collection[int]:
        if 6 in self._named or all(event.lease.family == 4 for event in events):
            return (4, 6)
        with self._link.session() as session:
            return (4, 6) if self._capable6(session)[1] else (4,)

    def _capable6(self, session: Session) -> Tuple[Optional[str], bool]:
        """The type of an IPv6 address there, and whether we may reserve one; asked once for each session."""
        if self._six[0] != self._link.sessions:
            self._six = (self._link.sessions, *session.rows(hosts6.CAPABLE)[0])
        return self._six[1:]

    def _statement6(self, session: Session) -> str:
        return hosts6.reserve(self._capable6(session)[0] or "inet")

    def _reserve(self, events: Sequence[LeaseEvent]) -> List[Outcome]:
        four = [event for event in events if event.lease.family == 4]
        six = [event for event in events if event.lease.family == 6]
        with self._link.session() as session:
            outcomes = _agreed(session, _RESERVE, reservations.parameters, four)
            for part in reservations.rounds(six):
                outcomes += _agreed(
                    session, Prepared("reserve6", self._statement6(session)), reservations.parameters6, part
                )
        return outcomes

    def _exchange(self, events: Sequence[LeaseEvent]) -> bool:
        with self._link.session() as session:
            return bool(session.rows(hosts4.EXCHANGE, reservations.parameters(events)))

    def adopt(self, events: Sequence[LeaseEvent]) -> None:
        held = reservations.held(events)
        with self._link.session() as session:
            for (number,) in session.rows(hosts4.ADOPT, reservations.parameters(held)):
                telemetry.reservation_adopted(held[number - 1].lease)

    def close(self) -> None:
        self._link.close()


def _agreed(
    session: Session,
    statement: Prepared,
    parameters: Callable[[Sequence[LeaseEvent]], Dict[str, Any]],
    events: Sequence[LeaseEvent],
) -> List[Outcome]:
    outcomes: List[Outcome] = []
    for _attempt in range(_ATTEMPTS):
        if not events:
            return outcomes
        rows = statement.rows(session, parameters(events), len(events))
        if made := [host_id for _result, _detail, host_id in rows if host_id]:
            telemetry.host_ids(max(made) / _LAST)
        pairs = list(zip(events, rows))
        outcomes += [(event, row[0], row[1]) for event, row in pairs if row[0] != "again"]
        events = [event for event, row in pairs if row[0] == "again"]
    raise TemporaryError("somebody else keeps changing the same reservations")
