# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which reservations of a file are managed, and which of them go with a client."""

from __future__ import annotations

from typing import Any, Dict, Iterable, List, Mapping, Sequence

from kea_lease_monitor.kea import reservations
from kea_lease_monitor.kea.shares import client
from kea_lease_monitor.lease import Lease, LeaseEvent
from kea_lease_monitor.sinks.base import is_meant


def unchanged(hosts: Iterable[Mapping[str, Any]], subnet: int) -> List[Lease]:
    """Return the leases of the managed reservations among these."""
    return [lease for host in hosts if reservations.is_unchanged(host) for lease in reservations.managed(host, subnet)]


def by_client(events: Iterable[LeaseEvent]) -> Dict[str, List[LeaseEvent]]:
    found: Dict[str, List[LeaseEvent]] = {}
    for event in events:
        found.setdefault(client(event.lease), []).append(event)
    return found


def is_over(events: Sequence[LeaseEvent], lease: Lease) -> bool:
    """Return whether one of the FORGOTTEN events is about this address of the client."""
    own = [event for event in events if (event.lease.iaid, event.lease.lease_type) == (lease.iaid, lease.lease_type)]
    return any(is_meant(event, lease.address) for event in own)
