# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Leases and their changes, independent of the source."""

from __future__ import annotations

import enum
from typing import NamedTuple, Optional


class LeaseState(enum.IntEnum):
    """Kea's numbers (src/lib/dhcpsrv/lease.h; RELEASED from Kea 2.7.0, REGISTERED from 2.7.7)."""

    DEFAULT = 0
    DECLINED = 1
    RECLAIMED = 2
    RELEASED = 3
    REGISTERED = 4


class EventKind(enum.Enum):
    """What happened to a lease. EXPIRED is found only when all leases are read: Kea writes no row for it."""

    ASSIGNED = "assigned"
    RENEWED = "renewed"
    CHANGED = "changed"
    RELEASED = "released"
    DECLINED = "declined"
    EXPIRED = "expired"
    RECLAIMED = "reclaimed"
    DELETED = "deleted"
    FORGOTTEN = "forgotten"
    """Everything made for the lease's client is to be removed: a person requested it, or its time is over (endings). No
    source tells of it."""
    REPLACED = "replaced"
    """A person requested that the lease's client gets its address and name from another one. No source tells of it."""


BY_PERSON = "forget"
"""The ``ref`` of a FORGOTTEN event that a person requested."""


class Lease(NamedTuple):
    """One lease. A NamedTuple takes a fifth of the time and half of the memory of a dataclass."""

    family: int
    address: str
    subnet_id: int
    hwaddr: str
    """Lower-case hex with colons; empty when Kea knows none."""
    client_id: str
    """Lower-case hex with colons; empty when Kea knows none."""
    hostname: str
    cltt: int
    """Client's last transmission time, epoch seconds."""
    valid_lifetime: int
    """Seconds; 0 once the client released the lease."""
    expires: Optional[int]
    """Epoch seconds; None means never."""
    state: LeaseState
    user_context: str
    duid: str = ""
    """Lower-case hex with colons. IPv6 only, like all following fields."""
    iaid: int = 0
    lease_type: int = 0
    """0 is an address, 1 a temporary one, 2 a delegated prefix (Lease::Type)."""
    prefix_len: int = 0
    hwaddr_source: int = 0
    """Where Kea found ``hwaddr``, by its numbers; see identifiers.proven_hwaddr."""

    @property
    def key(self) -> str:
        """Return the text of which Kea has at most one lease."""
        return self.address


class LeaseEvent(NamedTuple):
    """A change of a lease. ``ref`` names the row it was read from, for logs and dead letters."""

    kind: EventKind
    lease: Lease
    ref: str
    recorded_at: Optional[float]
    """Epoch seconds by the database's clock; None where the source keeps no time."""
