# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builders of leases, events, rows and clocks."""

from __future__ import annotations

from typing import Any

from _kea.lease_csv import header_line
from kea_lease_monitor.clock import Clock
from kea_lease_monitor.lease import EventKind, Lease, LeaseEvent, LeaseState

NOW = 1_700_000_000
HEADER = f"{header_line(4)}\n"


def lease(number: int = 1, client: int = 0, **more: Any) -> Lease:
    """A lease of 10.0.0.NUMBER, held by the client of the same number unless another is named."""
    values = {
        "family": 4,
        "address": f"10.0.0.{number}",
        "subnet_id": 1,
        "hwaddr": f"02:00:00:00:00:{client or number:02x}",
        "client_id": "",
        "hostname": f"host-{client or number}",
        "cltt": NOW,
        "valid_lifetime": 3600,
        "expires": NOW + 3600,
        "state": LeaseState.DEFAULT,
        "user_context": "",
    }
    return Lease(**{**values, **more})


def event(number: int = 1, client: int = 0, kind: EventKind = EventKind.ASSIGNED, **more: Any) -> LeaseEvent:
    return LeaseEvent(kind, lease(number, client, **more), f"ref-{number}", None)


def row(number: int, client: int = 0, cltt: int = NOW, valid: int = 3600, hostname: str = "") -> str:
    hwaddr = f"02:00:00:00:00:{client or number:02x}"
    return f"10.0.0.{number},{hwaddr},,{valid},{cltt + valid},1,0,0,{hostname},0,\n"


class Time:
    """A clock that only a test moves, and a chance that always returns its greatest value."""

    def __init__(self) -> None:
        self.now = 0.0
        self.waited = 0.0
        """Seconds that the thread waited for a processor."""

    def clock(self) -> Clock:
        return Clock(lambda: self.now, lambda: NOW + self.now, lambda: 0.999, lambda: self.waited)
