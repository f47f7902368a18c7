# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Static reservations in PostgreSQL, one statement for a batch."""

from __future__ import annotations

from typing import List, Sequence

from kea_lease_monitor.batch import Delivery
from kea_lease_monitor.database import Link
from kea_lease_monitor.kea import reservations, sql
from kea_lease_monitor.lease import LeaseEvent
from kea_lease_monitor.section import Section
from kea_lease_monitor.sinks.base import Sink
from kea_lease_monitor.sinks.outcome import Outcome, report, resolved


def parse(section: Section) -> None:
    """This sink has no options: where the database is, is said once for all."""
    section.done()


class ReservationSink(Sink):
    name = "reservation"

    def __init__(self, link: Link) -> None:
        self._link = link

    def check(self) -> None:
        with self._link.session() as session:
            session.rows(sql.RESERVE, reservations.parameters(()))

    def deliver(self, events: Sequence[LeaseEvent]) -> Delivery:
        chosen = reservations.chosen(events)
        outcomes = resolved(chosen, self._reserve) if chosen else []
        return report(self.name, len(events), outcomes)

    def _reserve(self, events: Sequence[LeaseEvent]) -> List[Outcome]:
        with self._link.session() as session:
            rows = session.rows(sql.RESERVE, reservations.parameters(events))
        return [(event, result, holder or "") for event, (result, holder) in zip(events, rows)]

    def close(self) -> None:
        self._link.close()
