# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a lease tells of the machine, and of where it is."""

from __future__ import annotations

from typing import NamedTuple

from _kea import relay, vendor_class, vendors

from kea_lease_monitor.lease import Lease


class Machine(NamedTuple):
    """Empty texts for what is not known. docs/machines.md says where each comes from."""

    vendor: str
    """Who made the network card."""
    circuit_id: str
    """The port that the relay named."""
    remote_id: str
    """The switch that the relay named."""
    vendor_class: str
    """What the client called its kind."""


def of(lease: Lease) -> Machine:
    """Return what a lease tells."""
    return Machine(
        vendors.of(lease.hwaddr), *relay.of_context(lease.user_context), vendor_class.of_context(lease.user_context)
    )
