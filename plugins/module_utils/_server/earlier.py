# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: what release 1.0.0 wrote into a configuration, which kept no record of it.

That release wrote ``subnet4`` as a whole, and each subnet with an include of its managed reservations. So in a subnet
with such an include, a pool that overlaps one of the variables is the one that the variables named before.
"""

from __future__ import annotations

from typing import Any, Dict, Iterator, List, Mapping, Tuple

from .._config.document import Document
from .._config.identity import pool_range
from .._config.record import Steps
from .._config.subnets import Subnet, subnets_of
from .._config.syntax import Include
from .._config.tree import Tree
from .config import is_applied


def replaced_pools(document: Document, top: str, values: Mapping[str, Any]) -> List[Tuple[Steps, Dict[str, Any]]]:
    """Return the pools that pools of the wanted values replace, each with its path. Raises KeaJsonError.

    Kea refuses pools that overlap, so both could not stay.
    """
    tree, present = Tree(document, top), {one.start: one for one in subnets_of(document, top)}
    return [pool for wanted in _wanted(values, tree.subnets_key) for pool in _replaced(tree, present, wanted)]


def _wanted(values: Mapping[str, Any], key: str) -> Iterator[Dict[str, Any]]:
    """Yield the wanted subnets, also those of shared networks."""
    places = [values, *(one.value for one in values.get("shared-networks") or [])]
    for place in places:
        yield from (one.value for one in place.get(key) or [] if not one.is_absent)


def _replaced(
    tree: Tree, present: Mapping[int, Subnet], wanted: Mapping[str, Any]
) -> Iterator[Tuple[Steps, Dict[str, Any]]]:
    place = tree.place(wanted)
    subnet = present[place.item.start] if place else None
    if subnet is None or subnet.id is None or not _includes_managed(subnet):
        return
    ranges = [pool_range(one.value["pool"]) for one in wanted.get("pools") or [] if "pool" in one.value]
    for pool in (
        [one for one in subnet.value["pools"] if isinstance(one, dict) and "pool" in one] if subnet.pools else []
    ):
        span = pool_range(pool["pool"])
        if span not in ranges and any(_overlap(span, one) for one in ranges):
            yield (tree.subnets_key, {"id": subnet.id}, "pools", {"pool": pool["pool"]}), pool


def _includes_managed(subnet: Subnet) -> bool:
    listed = subnet.value.get("reservations")
    return isinstance(listed, list) and any(isinstance(one, Include) and is_applied(one.path) for one in listed)


def _overlap(one: Tuple[int, int], other: Tuple[int, int]) -> bool:
    return one[0] <= other[1] and other[0] <= one[1]
