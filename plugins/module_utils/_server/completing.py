# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: gives reservations of the site that name no address the address that their client has.

Such a reservation keeps no address, and the lease monitor cannot add one: Kea refuses a second host for the client, and
one in the configuration hides one in a database. One without a name, with classes or options only, is left alone: its
client may be meant to have any address.
"""

from __future__ import annotations

import ipaddress
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Tuple

from .._config.document import Document
from .._config.edits import Splice
from .._config.identity import client
from .._config.servers import family_of
from .._config.syntax import Item, value_of
from .._config.tree import Place, Tree, member
from .._kea.host_maps import addresses_of
from .leases import Leases

_TOLD = ("hw-address", "client-id", "duid")
"""Identifiers that a lease tells."""


class _Open(NamedTuple):
    """A reservation without an address."""

    place: Place
    item: Item
    identifier: Tuple[str, bytes]
    taken: List[Any]
    """Addresses of the other reservations of the subnet."""


def completed(document: Document, top: str, leases: Callable[[], Leases]) -> Tuple[Document, List[str]]:
    """Return the document with the addresses, and words for each. Raises KeaError if the leases cannot be read.

    ``leases`` is called only if it is needed: a large site has many.
    """
    found = list(_open(document, top))
    known = leases() if found else None
    splices: List[Splice] = []
    words: List[str] = []
    for one in found:
        address = _address(one, known) if known else None
        if address is not None:
            node = one.item.node
            told = ("ip-addresses", [address]) if family_of(top) == 6 else ("ip-address", address)
            splices += document.edits.insertion(node, document.edits.last(node), [told])
            words.append(f"{address} in {one.place.prefix} (id {one.place.value['id']})")
    return (document.spliced(splices) if splices else document), words


def _open(document: Document, top: str) -> Iterator[_Open]:
    for place in Tree(document, top).places:
        listed = member(place.item.node, "reservations")
        items = listed.node.items if listed and listed.node.kind == "list" else ()
        hosts: List[Tuple[Item, Dict[str, Any]]] = [(item, value_of(item.node)) for item in items if _is_map(item)]
        taken = [address for _item, host in hosts for address in addresses_of(host)]
        for item, host in hosts:
            identifier = client(host)
            named = "hostname" in host and not addresses_of(host) and "id" in place.value
            if named and identifier and identifier[0] in _TOLD:
                yield _Open(place, item, identifier, taken)


def _is_map(item: Item) -> bool:
    return bool(item.node.kind == "map")


def _address(one: _Open, leases: Leases) -> Optional[str]:
    """Return the address of the client's one live lease in the subnet; None unless it can be reserved."""
    held = leases.held(one.place.value["id"], *one.identifier)
    if len(held) != 1 or one.place.prefix is None:
        return None
    address = ipaddress.ip_address(held[0])
    is_free = str(address) not in one.taken and address in ipaddress.ip_network(one.place.prefix)
    return str(address) if is_free else None
