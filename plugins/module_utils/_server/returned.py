# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: removes copies of managed reservations from a configuration that Kea wrote itself (``config-write``).

Kea writes what it has loaded, so each reservation of an included file stands in the configuration then, and the include
is gone. Beside the include, Kea would refuse the copies.
"""

from __future__ import annotations

from typing import Dict, List, Set, Tuple

from .._config.document import Document
from .._config.edits import Splice
from .._config.syntax import Include, Item, value_of
from .._config.tree import Tree, member
from .._errors import KeaError
from .._kea import host_maps, reservation_files
from .config import is_applied


def without_copies(document: Document, top: str) -> Tuple[Document, Dict[str, int]]:
    """Return the document without the copies, and how many were removed, by subnet.

    A copy stays if the subnet's included file does not have its client, or if a person added something to it. Raises
    KeaError.
    """
    splices: List[Splice] = []
    removed: Dict[str, int] = {}
    for place in Tree(document, top).places:
        listed = member(place.item.node, "reservations")
        items = listed.node.items if listed and listed.node.kind == "list" else ()
        copies = [item for item in items if _is_copy(item)]
        held = _held(items) if copies else set()
        gone = [item for item in copies if host_maps.client(value_of(item.node)) in held]
        if listed and gone:
            splices += document.edits.removal(listed.node, gone)
            removed[f"{place.prefix} (id {place.value.get('id')})"] = len(gone)
    return (document.spliced(splices) if splices else document), removed


def _is_copy(item: Item) -> bool:
    return item.node.kind == "map" and host_maps.is_managed(value_of(item.node))


def _held(items: Tuple[Item, ...]) -> Set[str]:
    """Return the clients of the managed reservations that a list of reservations includes. Raises KeaError."""
    values = [value_of(item.node) for item in items if item.node.kind == "include"]
    paths = [one.path for one in values if isinstance(one, Include) and is_applied(one.path)]
    return {client for path in paths for client in _clients(path)} - {""}


def _clients(path: str) -> List[str]:
    try:
        return [host_maps.client(one.value) for one in host_maps.parse(reservation_files.text(path)).maps]
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        raise KeaError(f"{path} cannot be compared with the copies in Kea's configuration: {error}") from error
