# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Static reservations in PostgreSQL, one statement for a batch."""

from __future__ import annotations

from typing import List, Sequence

from kea_lease_monitor import telemetry
from kea_lease_monitor.batch import Delivery
from kea_lease_monitor.database import Link
from kea_lease_monitor.errors import TemporaryError
from kea_lease_monitor.kea import reservations, sql
from kea_lease_monitor.lease import LeaseEvent
from kea_lease_monitor.section import Section
from kea_lease_monitor.sinks.base import Sink
from kea_lease_monitor.sinks.outcome import Outcome, Reserving


def parse(section: Section) -> None:
    """This sink has no options: where the database is, is said once for all."""
    section.done()


_ATTEMPTS = 5
"""At rows that somebody else writes at the same moment."""

_LAST = 2**31 - 1
"""The greatest host_id."""


class ReservationSink(Sink):
    name = "reservation"

    def __init__(self, link: Link) -> None:
        self._link = link
        self._reserving = Reserving(self.name, self._reserve)

    def check(self) -> None:
        with self._link.session() as session:
            session.rows(sql.RESERVE, reservations.parameters(()))
            telemetry.host_ids(session.rows(sql.HOST_IDS, {})[0][0])

    def deliver(self, events: Sequence[LeaseEvent]) -> Delivery:
        return self._reserving.deliver(events)

    def _reserve(self, events: Sequence[LeaseEvent]) -> List[Outcome]:
        outcomes: List[Outcome] = []
        with self._link.session() as session:
            for _attempt in range(_ATTEMPTS):
                rows = session.rows(sql.RESERVE, reservations.parameters(events))
                if made := [host_id for _result, _detail, host_id in rows if host_id]:
                    telemetry.host_ids(max(made) / _LAST)
                pairs = list(zip(events, rows))
                outcomes += [(event, row[0], row[1]) for event, row in pairs if row[0] != "again"]
                events = [event for event, row in pairs if row[0] == "again"]
                if not events:
                    return outcomes
        raise TemporaryError("somebody else keeps changing the same reservations")

    def close(self) -> None:
        self._link.close()
