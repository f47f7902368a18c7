# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The clients of one subscription that are not confirmed, or whose lease ended: those of the store and the changes."""

from __future__ import annotations

import json
from typing import Collection, Dict, List, Mapping, Optional, Protocol, Sequence

from kea_lease_monitor.kea import changes
from kea_lease_monitor.kea.reservations import ENDS
from kea_lease_monitor.lease import EventKind, Lease, LeaseEvent, LeaseState
from kea_lease_monitor.state.records import LIVING, Client

ALIVE = frozenset({EventKind.ASSIGNED, EventKind.RENEWED, EventKind.CHANGED})
"""Kinds of event of a lease that the client has."""

_TEMPORARY, _PREFIX = 1, 2
"""Lease::TYPE_TA, for which nothing lasts, and Lease::TYPE_PD, whose associations have IAIDs of their own."""


class ClientStore(Protocol):
    """What ``Clients`` needs of the state store."""

    def has_clients(self, subscription: str) -> bool: ...

    def clients(self, subscription: str, names: Collection[str]) -> List[Client]: ...

    def clients_at(self, subscription: str, addresses: Collection[str]) -> List[Client]: ...


def name_of(lease: Lease) -> str:
    """Return the text that tells clients apart; empty for a lease of which no client is known or nothing lasts."""
    identifier = lease.hwaddr or lease.client_id if lease.family == 4 else lease.duid or lease.hwaddr
    if not identifier or lease.lease_type == _TEMPORARY:
        return ""
    kind = "/prefix" if lease.lease_type == _PREFIX else ""
    return f"{lease.family}/{lease.subnet_id}/{identifier}/{lease.iaid}{kind}"


def is_unconfirmed(record: Client, heard: int, lifetime: float) -> bool:
    """Return whether a client last heard of at ``heard`` is not confirmed."""
    return not changes.is_confirmed(record.made, heard, lifetime)


def confirming(event: LeaseEvent, record: Optional[Client]) -> Optional[Lease]:
    """Return the lease that confirms a client, with its times, if an event tells that; None if it does not."""
    if record is None or record.state != LIVING or record.address != event.lease.address:
        return None
    if event.kind in ALIVE:
        lease = event.lease
    elif event.kind in ENDS:
        lease = last_lease(record)._replace(cltt=event.lease.cltt)
    else:
        return None
    return None if is_unconfirmed(record, lease.cltt, lease.valid_lifetime) else lease


def dumped(lease: Lease) -> str:
    """Return the text that a record keeps of a lease: its fields in order."""
    return json.dumps(lease)


def last_lease(record: Client) -> Lease:
    """Return the client's last lease."""
    lease = Lease(*json.loads(record.lease))
    return lease._replace(state=LeaseState(lease.state))


def forgotten(record: Client, reason: str) -> LeaseEvent:
    """Return the event that has all sinks remove what they made for a client."""
    return LeaseEvent(EventKind.FORGOTTEN, last_lease(record), reason, None)


class Clients:
    """What is known of clients. All methods raise TemporaryError."""

    def __init__(self, subscription: str, store: ClientStore) -> None:
        """Nothing is read from the store yet."""
        self._subscription = subscription
        self._store = store
        self.drop()

    def drop(self) -> None:
        """Drop all that is not stored."""
        self.changes: Dict[str, Optional[Client]] = {}
        """What is to be stored by name; None removes a client."""
        self._any: Optional[bool] = None
        self.reserved_changed = True
        """Whether an address became reserved for a client without a lease, or stopped to be."""

    def any(self) -> bool:
        """Return whether there is a client in the store or to be stored. Without one, nothing needs to be looked up."""
        if self._any is None:
            self._any = self._store.has_clients(self._subscription)
        return self._any

    def of(self, leases: Sequence[Lease]) -> Dict[str, Client]:
        """Return the clients of these leases by name, and those that had the addresses of leases without a client."""
        if not self.any():
            return {}
        names = {name_of(lease) for lease in leases} - {""}
        vacated = {lease.address for lease in leases if not name_of(lease)}
        unchanged = [name for name in names if name not in self.changes]
        stored = self._store.clients(self._subscription, unchanged) if unchanged else []
        changed = [record for name in names if (record := self.changes.get(name)) is not None]
        return {record.client: record for record in [*stored, *changed, *(self.at(vacated) if vacated else [])]}

    def at(self, addresses: Collection[str]) -> List[Client]:
        """Return the clients that have or had a lease of these addresses, in any subnet."""
        stored = self._store.clients_at(self._subscription, addresses)
        changed = [record for record in self.changes.values() if record and record.address in addresses]
        return [record for record in stored if record.client not in self.changes] + changed

    def change(self, name: str, before: Optional[Client], after: Optional[Client]) -> None:
        """Have a client stored, or removed if ``after`` is None."""
        self.changes[name] = after
        self._any = self._any or after is not None
        if any(record and record.reserves and record.state != LIVING for record in (before, after)):
            self.reserved_changed = True


def holder(records: Mapping[str, Client], lease: Lease) -> Optional[Client]:
    """Return the client that had the address of a lease without a client, as that of a declined one."""
    spot = lease.family, lease.subnet_id, lease.address
    for record in records.values():
        if record.state == LIVING and (record.family, record.subnet_id, record.address) == spot:
            return record
    return None
