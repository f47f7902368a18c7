# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Removal of managed reservations from Kea's hosts database: for a person, or because a client's time is over."""

from __future__ import annotations

from typing import Dict, List, NamedTuple, Sequence, Tuple

from kea_lease_monitor import telemetry
from kea_lease_monitor.batch import Delivery, Reason, Rejection
from kea_lease_monitor.database import Session
from kea_lease_monitor.errors import TemporaryError
from kea_lease_monitor.kea import identifiers, reservations
from kea_lease_monitor.kea.shares import address_of
from kea_lease_monitor.kea.site import Site
from kea_lease_monitor.kea.sql import managed as sql
from kea_lease_monitor.lease import BY_PERSON, Lease, LeaseEvent, LeaseState

GAVE_WAY = "the site has a reservation for this client or address"
EDITED = "a person edited this reservation; delete it by hand if it is to go"
_NO_RIGHT = "this role may not execute kea_forget_reservations(bigint[]); the next run of the play grants that"


class Host(NamedTuple):
    """An address of a managed reservation."""

    host_id: int
    lease: Lease
    unchanged: bool
    """Whether the reservation is as the monitor wrote it."""


def check_right(session: Session) -> None:
    """Raises TemporaryError if this role may remove no reservation."""
    if not session.rows(sql.MAY_FORGET)[0][0]:
        raise TemporaryError(_NO_RIGHT)


def managed(session: Session) -> List[Host]:
    """Return the managed reservations, with the leases as far as the marks tell of them."""
    return [_host(*row) for row in session.rows(sql.MANAGED)]


def _host(host_id: int, four: bool, identifier: str, *rest: object) -> Host:
    subnet, address, iaid, client_id, circuit_id, name, unchanged = rest
    spelled = identifiers.spelled(identifier)
    known = (spelled if four else "", str(client_id), str(name))
    lease = Lease(4 if four else 6, "", int(str(subnet)), *known, 0, 0, None, LeaseState.DEFAULT, "")
    if not four:
        lease = lease._replace(duid=spelled, iaid=int(str(iaid)))
    lease = reservations.at_port(lease, circuit_id)
    return Host(host_id, reservations.of_mark(lease, str(address)), bool(unchanged))


def held(session: Session, leases: Sequence[Lease]) -> List[Lease]:
    """Return those leases whose address is reserved for their client by a managed reservation."""
    own = [lease for lease in leases if _client(lease)[0]]
    kept = {(*_client(host.lease), address_of(host.lease)) for host in _managed_of(session, own)}
    return [lease for lease in own if (*_client(lease), address_of(lease)) in kept]


def give_way(session: Session, site: Site) -> None:
    """Remove the managed IPv4 reservations for clients and addresses of the site, as far as no person edited them."""
    if not site or not session.rows(sql.MAY_FORGET)[0][0]:
        return
    hosts = [host for host in managed(session) if host.unchanged and host.lease.family == 4]
    overruled = site.overruled([host.lease for host in hosts])
    _remove(session, [host for host in hosts if host.lease in overruled])


def give_way_to(session: Session, leases: Sequence[Lease]) -> None:
    """Remove the managed reservations of these leases' clients, as far as no person edited them."""
    if session.rows(sql.MAY_FORGET)[0][0]:
        _remove(session, [host for host in _managed_of(session, leases) if host.unchanged and host.lease.family == 4])


def _remove(session: Session, hosts: Sequence[Host]) -> None:
    due = {host.host_id: host.lease for host in hosts}
    for (host_id,) in session.rows(sql.FORGET, {"hosts": list(due)}) if due else ():
        telemetry.reservation_removed(due[host_id], GAVE_WAY)


def forgotten(session: Session, sink: str, events: Sequence[LeaseEvent]) -> Delivery:
    """Remove the reservations of the events' clients; one that a person edited is rejected.

    Raises TemporaryError if this role may remove none, unless a person requested it: only the next deployment helps.
    """
    hosts = _of_clients(session, events)
    found = [(event, hosts[_client(event.lease)]) for event in events if _client(event.lease) in hosts]
    due = {host.host_id: host.lease for _event, host in found if host.unchanged}
    if due and not session.rows(sql.MAY_FORGET)[0][0]:
        if any(event.ref != BY_PERSON for event in events):
            raise TemporaryError(_NO_RIGHT)
        rejected = [Rejection(event, Reason.REFUSED, _NO_RIGHT) for event, host in found if host.unchanged]
        return Delivery(skipped=len(events) - len(rejected), rejected=tuple(rejected))
    gone = session.rows(sql.FORGET, {"hosts": list(due)}) if due else []
    for (host_id,) in gone:
        telemetry.reservation_removed(due[host_id])
    left = set(due) - {host_id for (host_id,) in gone}
    # The function leaves a host to which a person added what this role cannot read. Another session may remove one.
    kept = left & {host.host_id for host in _of_clients(session, events).values()} if left else left
    edited = tuple(
        Rejection(event, Reason.EDITED, EDITED) for event, host in found if not host.unchanged or host.host_id in kept
    )
    delivery = Delivery(removed=len(gone), skipped=len(events) - len(gone) - len(edited), rejected=edited)
    telemetry.sink_result(sink, delivery)
    return delivery


def _of_clients(session: Session, events: Sequence[LeaseEvent]) -> Dict[Tuple[str, int], Host]:
    """Return the hosts of the events' clients, without those that have an address of no event.

    A DHCPv6 client has one host for all its identity associations.
    """
    hosts = _managed_of(session, [event.lease for event in events])
    over = {(*_client(event.lease), address_of(event.lease)) for event in events}
    kept = {host.host_id for host in hosts if (*_client(host.lease), address_of(host.lease)) not in over}
    return {_client(host.lease): host for host in hosts if host.host_id not in kept}


def _managed_of(session: Session, leases: Sequence[Lease]) -> List[Host]:
    clients = sorted({_client(lease) for lease in leases})
    named = {
        "identifiers": [identifier.replace(":", "") for identifier, _subnet in clients],
        "subnets": [subnet for _identifier, subnet in clients],
    }
    return [_host(*row) for row in session.rows(sql.MANAGED_OF, named)]


def _client(lease: Lease) -> Tuple[str, int]:
    return (lease.duid if lease.family == 6 else lease.hwaddr), lease.subnet_id
