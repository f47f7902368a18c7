# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A new board gets the address and the name of another one in Kea's hosts database, at the request of a person."""

from __future__ import annotations

from typing import List, Sequence, Tuple

from kea_lease_monitor.batch import Delivery
from kea_lease_monitor.database import Session
from kea_lease_monitor.kea import identifiers
from kea_lease_monitor.kea.reservations import Verdict
from kea_lease_monitor.kea.sql import hosts4 as sql
from kea_lease_monitor.lease import Lease, LeaseEvent
from kea_lease_monitor.sinks.reservations.forgetting import managed
from kea_lease_monitor.sinks.reservations.outcome import Outcome, report


def replaced(session: Session, sink: str, events: Sequence[LeaseEvent]) -> Delivery:
    """Reserve the addresses and names of the events' leases as a person would: without the mark. IPv4 only."""
    outcomes: List[Outcome] = []
    for event in (event for event in events if event.lease.family == 4):
        verdict, detail = _place(session, event.lease)
        outcomes.append(Outcome(event, verdict, detail))
    return report(sink, len(events), outcomes)


def _place(session: Session, lease: Lease) -> Tuple[Verdict, str]:
    parameters = {
        "identifier": lease.hwaddr.replace(":", ""),
        "subnet": lease.subnet_id,
        "address": identifiers.number(lease.address),
        "hostname": lease.hostname,
    }
    own, address, is_right, holder = session.rows(sql.PLACE_OF, parameters)[0]
    if is_right:
        return Verdict.UNCHANGED, ""
    unchanged = {host.host_id for host in managed(session) if host.unchanged}
    if own is not None and own not in unchanged:
        return Verdict.EDITED, address or "no address"
    if holder is not None:
        return Verdict.CONFLICT, holder
    if own is not None:
        session.rows(sql.PLACE, {**parameters, "host": own})
        return Verdict.UPDATED, ""
    session.rows(sql.PLACE_NEW, parameters)
    return Verdict.CREATED, ""
