# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Circles of leases in which each has the address that is reserved for the next one's client.

A conflict names the client that holds the address, not the lease of that client. A DHCPv6 client may have several, so
some circles found here are none; the exchange refuses them.
"""

from __future__ import annotations

from collections import Counter
from typing import Dict, Iterator, List, Mapping, Sequence, Set, Tuple

from kea_lease_monitor.kea.shares import client as client_of
from kea_lease_monitor.lease import LeaseEvent

Conflict = Tuple[LeaseEvent, str]
"""A lease, and the client for which its address is reserved."""

_Place = Tuple[str, int, int]
"""Client, subnet and type of its leases: only these can exchange addresses."""

_STEPS = 2000
"""Steps of one search: a client may have any number of leases, and then any number of paths lead on."""
_CIRCLES = 4
"""Circles of one search. Further ones are found once one of these is solved."""


def circles(conflicts: Sequence[Conflict]) -> List[List[LeaseEvent]]:
    """Return the circles of these leases. Each passes a client once: an exchange changes one lease of a client."""
    places = [_place(event, client_of(event.lease)) for event, _holder in conflicts]
    holders = [_place(event, holder) for event, holder in conflicts]
    # What leads nowhere, and what nothing leads to.
    numbers = _led_on(holders, places, _led_on(places, holders, range(len(conflicts))))
    waiting: Dict[_Place, List[int]] = {}
    for number in numbers:
        waiting.setdefault(places[number], []).append(number)
    following = {number: waiting[holders[number]] for number in numbers}
    found: Dict[Tuple[int, ...], List[int]] = {}
    in_one: Set[int] = set()
    for first in numbers:
        # A client with one lease is in one circle at most.
        if first in in_one and len(waiting[places[first]]) == 1:
            continue
        for circle in _through(first, following, places):
            found.setdefault(tuple(sorted(circle)), circle)
            in_one.update(circle)
    return [[conflicts[number][0] for number in circle] for circle in found.values()]


def _led_on(tails: Sequence[_Place], heads: Sequence[_Place], numbers: Sequence[int]) -> List[int]:
    """Return those of these numbered ways from tail to head after whose head there is always a further way."""
    ways = Counter(tails[number] for number in numbers)
    arriving: Dict[_Place, List[int]] = {}
    for number in numbers:
        arriving.setdefault(heads[number], []).append(number)
    ends = [head for head in arriving if not ways[head]]
    dropped: Set[int] = set()
    while ends:
        for number in arriving.get(ends.pop(), []):
            dropped.add(number)
            ways[tails[number]] -= 1
            if not ways[tails[number]]:
                ends.append(tails[number])
    return [number for number in numbers if number not in dropped]


def _place(event: LeaseEvent, client: str) -> _Place:
    return client.replace(":", ""), event.lease.subnet_id, event.lease.lease_type


def _through(first: int, following: Mapping[int, Sequence[int]], places: Sequence[_Place]) -> Iterator[List[int]]:
    """Yield circles that begin with this lease, by a search in depth."""
    path, passed, count = [first], {places[first]}, 0
    branches = [iter(following[first])]
    for _step in range(_STEPS):
        each = next(branches[-1], None)
        if each is None:
            branches.pop()
            passed.discard(places[path.pop()])
            if not path:
                return
        elif each == first:
            yield list(path)
            count += 1
            if count == _CIRCLES:
                return
        elif places[each] not in passed:
            path.append(each)
            passed.add(places[each])
            branches.append(iter(following[each]))
