# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: the subnets, pools and reservations of a configuration as values, and what an edit takes away from them."""

from __future__ import annotations

from itertools import count
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Set, Tuple

from .._kea.host_maps import addresses_of, is_managed, prefixes_of
from .document import Document
from .edits import Splice
from .foreign import foreign_parts
from .identity import NETWORKS, client, delegated_range, pool_range
from .record import Record, Steps
from .syntax import Include, KeaJsonError, value_of
from .tree import Place, Tree, member

Client = Tuple[str, bytes]
"""Kind and bytes of the identifier of a reservation."""


class Subnet(NamedTuple):
    """One subnet."""

    id: Optional[int]
    """None for one without a number of its own."""
    prefix: str
    network: Optional[str]
    """Name of its shared network."""
    pools: List[str]
    reservations: List[Dict[str, Any]]
    start: int
    """Position in the text."""
    value: Dict[str, Any]

    @property
    def name(self) -> str:
        return f"{self.prefix} (id {self.id})"

    @property
    def included(self) -> List[str]:
        """Files with reservations that the subnet includes and that are no part of the document."""
        found = self.value.get("reservations")
        return [one.path for one in (found if isinstance(found, list) else [found]) if isinstance(one, Include)]


class Loss(NamedTuple):
    """What an edit takes away."""

    subnet: Subnet
    what: str
    """Words for a message."""
    ranges: Optional[List[Tuple[int, int]]]
    """Addresses and prefixes that are not served any more; None for all of the subnet.

    The prefixes that a subnet delegates are not in its own one.
    """
    owned: bool
    """Whether an earlier run of ours wrote what goes, and nothing else goes with it."""
    holds_reservations: bool = False
    """Whether it is a subnet or a pool, in whose ranges there may be reservations of included files and databases."""


def subnets_of(document: Document, top: str) -> List[Subnet]:
    """Return the subnets in the order of the text. Raises KeaJsonError."""
    return [_subnet(place) for place in Tree(document, top).places]


def with_ids(document: Document, top: str, known: Mapping[str, int]) -> Document:
    """Write the ids that Kea gave to subnets without one or with 0, by their prefixes. Raises KeaJsonError."""
    numbers = numbered(subnets_of(document, top), known)
    splices: List[Splice] = []
    for place in Tree(document, top).places:
        number, own = numbers.get(str(place.prefix)), member(place.item.node, "id")
        if number is not None and not place.value.get("id"):
            node = place.item.node
            added = (
                document.edits.change(own.node, number) if own else document.edits.insertion(node, -1, [("id", number)])
            )
            splices += added
    return document.spliced(splices) if splices else document


def numbered(subnets: Sequence[Subnet], known: Mapping[str, int]) -> Dict[str, int]:
    """Return the ids of the subnets without one, by prefix: those that Kea told, or as Kea counts.

    Kea numbers them from 1, in shared networks first (dhcp4 of 2.2: SimpleParser goes through the keys by name). A
    subnet that Kea does not know yet gets no id that another one has: there may be leases under it.
    """
    taken = {*known.values(), *(one.id for one in subnets if one.id)}
    free = (number for number in count(1) if number not in taken)
    without = [one for one in subnets if not one.id]
    order = sorted(without, key=lambda one: one.network is None)
    return {one.prefix: known[one.prefix] if one.prefix in known else next(free) for one in order}


def losses(
    before: Document, after: Document, top: str, record: Record, moved: Sequence[Mapping[str, Any]] = ()
) -> List[Loss]:
    """Return what ``after`` does not have any more: subnets, addresses of pools, and reservations.

    ``moved`` are reservations, each with its subnet-id, that Kea has elsewhere. One that we wrote is not lost then.
    """
    old, new = subnets_of(before, top), subnets_of(after, top)
    tree = Tree(before, top)
    key, whole = tree.subnets_key, value_of(tree.root)
    found: List[Loss] = []
    for subnet in old:
        same = next((one for one in new if one.id == subnet.id), None)
        if same is None or same.prefix != subnet.prefix:
            found.append(_gone(key, subnet, new, record, _inherited(whole, subnet)))
            same = next((one for one in new if one.prefix == subnet.prefix), None)
        elsewhere = [one for one in moved if one.get("subnet-id") == subnet.id]
        found += _lost_inside(key, subnet, same, record, elsewhere) if same else []
    hosts = {client(one): one for one in _globals(before, top)}
    for identifier in set(hosts) - {client(one) for one in _globals(after, top)}:
        everywhere = Subnet(0, "all subnets", None, [], [], 0, {})
        words = _host_words(hosts[identifier])
        found.append(Loss(everywhere, words, [], record.owns(("reservations", _identifier(hosts[identifier])))))
    return found


def _inherited(whole: Mapping[str, Any], subnet: Subnet) -> Dict[str, Any]:
    """Return the members of the maps that a subnet is in. ``whole`` is the one at the top."""
    networks = _maps(whole.get(NETWORKS)) if subnet.network else []
    return {**whole, **next((one for one in networks if one.get("name") == subnet.network), {})}


def _gone(key: str, subnet: Subnet, new: Sequence[Subnet], record: Record, inherited: Mapping[str, Any]) -> Loss:
    """Return the loss of a subnet: it is removed, or clients of its id get another subnet."""
    path: Steps = (key, {"id": subnet.id})
    same_id = next((one for one in new if one.id == subnet.id), None)
    same_prefix = next((one for one in new if one.prefix == subnet.prefix), None)
    what = "subnet"
    if same_prefix is not None:
        what = f"subnet, whose id becomes {same_prefix.id}"
    elif same_id is not None:
        what = f"subnet, whose prefix becomes {same_id.prefix}"
    pools, hosts = len(subnet.pools) + len(_delegated(subnet)), _hosts_words(path, subnet, record)
    foreign = foreign_parts(path, subnet.value, record, inherited) if record.owns(path) else []
    owned = (record.owns(path) and not foreign) or same_prefix is not None
    more = f" and {', '.join(foreign)}, which no run wrote" if foreign else ""
    return Loss(subnet, f"{what} with {pools} pools and {hosts}{more}", None, owned, True)


def _hosts_words(path: Steps, subnet: Subnet, record: Record) -> str:
    """Return words for the reservations that stand in a subnet: how many, and whose those are that no run wrote."""
    managed = sum(map(is_managed, subnet.reservations))
    named = [(host, (*path, "reservations", _identifier(host))) for host in subnet.reservations]
    site = sum(not is_managed(host) and not record.owns(name) for host, name in named)
    kinds = [f"{count} {words}" for count, words in ((managed, "managed"), (site, "of the site")) if count]
    return f"{len(subnet.reservations)} reservations" + (f" ({', '.join(kinds)})" if kinds else "")


def _lost_inside(
    key: str, old: Subnet, new: Subnet, record: Record, elsewhere: Sequence[Mapping[str, Any]]
) -> List[Loss]:
    path: Steps = (key, {"id": old.id})
    found: List[Loss] = []
    kept = [pool_range(pool) for pool in new.pools]
    for pool in old.pools:
        left = _without(pool_range(pool), kept)
        if left:
            found.append(Loss(old, f"pool {pool}", left, record.owns((*path, "pools", {"pool": pool})), True))
    delegated = [delegated_range(pool) for pool in _delegated(new)]
    for one in _delegated(old):
        left = _without(delegated_range(one), delegated)
        if left:
            name: Dict[str, Any] = {key: one[key] for key in ("prefix", "prefix-len") if key in one}
            words = f"pool of prefixes {'/'.join(str(text) for text in name.values())}"
            found.append(Loss(old, words, left, record.owns((*path, "pd-pools", name)), True))
    there: Set[Any] = {client(one) for one in new.reservations}
    for host in old.reservations:
        if client(host) is not None and client(host) not in there:
            owned = record.owns((*path, "reservations", _identifier(host)))
            if not (owned and any(_is_same_host(host, one) for one in elsewhere)):
                found.append(Loss(old, _host_words(host), _ranges(host), owned))
    return found


def _is_same_host(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Return whether two reservations are for the same client and addresses, however they are spelled."""
    return client(one) == client(other) and sorted(_ranges(one)) == sorted(_ranges(other))


def _without(span: Tuple[int, int], others: Sequence[Tuple[int, int]]) -> List[Tuple[int, int]]:
    """Return the parts of a range that none of the others covers."""
    parts = [span] if span[0] <= span[1] else []
    for first, last in others:
        cut = []
        for begin, end in parts:
            if last < begin or first > end:
                cut.append((begin, end))
                continue
            cut += [(begin, first - 1)] if begin < first else []
            cut += [(last + 1, end)] if end > last else []
        parts = cut
    return parts


def _ranges(host: Mapping[str, Any]) -> List[Tuple[int, int]]:
    try:
        return [pool_range(f"{one} - {one}") for one in addresses_of(host)] + [
            pool_range(one) for one in prefixes_of(host)
        ]
    except KeaJsonError:
        return []


def _host_words(host: Mapping[str, Any]) -> str:
    words = " ".join(str(text) for text in _identifier(host).values())
    return f"reservation of {words} ({', '.join(addresses_of(host)) or host.get('hostname', 'no address')})"


def _identifier(host: Mapping[str, Any]) -> Dict[str, Any]:
    found = client(host)
    return {found[0]: host[found[0]]} if found else {}


def _globals(document: Document, top: str) -> List[Dict[str, Any]]:
    found = member(Tree(document, top).root, "reservations")
    return _maps(value_of(found.node)) if found else []


def _subnet(place: Place) -> Subnet:
    value = place.value
    pools = [str(pool["pool"]) for pool in _maps(value.get("pools")) if "pool" in pool]
    hosts = _maps(value.get("reservations"))
    number = value.get("id")
    prefix = place.prefix or str(value.get("subnet"))
    return Subnet(number or None, prefix, place.network, pools, hosts, place.item.start, value)


def _delegated(subnet: Subnet) -> List[Dict[str, Any]]:
    return _maps(subnet.value.get("pd-pools"))


def _maps(value: Any) -> List[Dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
