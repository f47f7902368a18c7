# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: the reservations in a file that the configuration of a subnet includes, of either family."""

from __future__ import annotations

import json
from typing import Iterable, List, Union

from . import reservation4, reservation6
from .._kea import host_maps
from .reservation4 import Reservation4
from .reservation6 import Reservation6

Reservation = Union[Reservation4, Reservation6]


def parse(text: str, subnet_id: int, family: int) -> List[Reservation]:
    """Return the reservations of a file that the configuration of a subnet includes.

    Raises ValueError that names the line, or the reservation and what a database cannot hold of it.
    """
    return [_of_host_map(one, subnet_id, family) for one in host_maps.parse(text).maps]


def render(reservations: Iterable[Reservation]) -> str:
    """Return the text of such a file."""
    return host_maps.render(("", json.dumps(one.to_map(), ensure_ascii=False)) for one in reservations)


def _of_host_map(one: host_maps.HostMap, subnet_id: int, family: int) -> Reservation:
    try:
        if family == 6:
            return reservation6.of_map(one.value, subnet_id)
        return reservation4.of_map(one.value, subnet_id)
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"line {one.line}: {error}") from error
