# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: Kea's own statistics of its subnets, by one command."""

from __future__ import annotations

import contextlib
from typing import Any, Dict, Mapping, NamedTuple, Optional, Sequence

from .._kea import control

TIMEOUT = 10.0
"""Seconds that Kea has for its statistics."""

_TOTAL = {4: ("total-addresses",), 6: ("total-nas",)}
_ASSIGNED = {4: ("assigned-addresses",), 6: ("assigned-nas",)}
_LEASES = {4: ("assigned-addresses",), 6: ("assigned-nas", "assigned-pds")}


class Usage(NamedTuple):
    """How many addresses the pools of a subnet have, and how many of them have a lease, also a declined one."""

    total: int
    assigned: int


def leases(sockets: Any, family: int) -> Optional[Dict[int, int]]:
    """Return the number of leases by subnet; None if Kea does not answer."""
    found = _ask(sockets)
    return None if found is None else _by_subnet(found, _LEASES[family])


def usage(sockets: Any, family: int) -> Optional[Dict[int, Usage]]:
    """Return the usage of the pools by subnet; None if Kea does not answer."""
    found = _ask(sockets)
    if found is None:
        return None
    assigned = _by_subnet(found, _ASSIGNED[family])
    totals = _by_subnet(found, _TOTAL[family])
    return {subnet: Usage(total, assigned.get(subnet, 0)) for subnet, total in totals.items()}


def _ask(sockets: Any) -> Optional[Mapping[str, Any]]:
    for path in control.unix_sockets(sockets):
        with contextlib.suppress(control.ControlError):
            return control.send(path, "statistic-get-all", TIMEOUT).arguments
    return None


def _by_subnet(statistics: Mapping[str, Any], names: Sequence[str]) -> Dict[int, int]:
    """Return the sum of these statistics by subnet. The samples of one begin with the newest."""
    found: Dict[int, int] = {}
    for key, samples in statistics.items():
        subnet, _end, name = key.partition("].")
        if subnet.startswith("subnet[") and name in names and samples:
            number = int(subnet[len("subnet[") :])
            found[number] = found.get(number, 0) + int(samples[0][0])
    return found
