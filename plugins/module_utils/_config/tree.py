# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: the subnets of a configuration, wherever they stand, and whatever else a path of identities leads to."""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from .document import Document
from .identity import CLASSES, NETWORKS, Identity, identity, label, natural_key, network
from .options import Options
from .record import Step
from .syntax import Include, Item, KeaJsonError, Node, value_of


class Place(NamedTuple):
    """Where a subnet stands."""

    item: Item
    container: Node
    """The list that it is an element of."""
    network: Optional[str]
    """Name of its shared network; None at the top level."""
    value: Dict[str, Any]

    @property
    def prefix(self) -> Optional[str]:
        return network(self.value.get("subnet"))


class Tree:
    """The configuration of one server in a document."""

    def __init__(self, document: Document, top: str, options: Optional[Options] = None) -> None:
        """``options`` are those that the configuration defines, unless others are given. Raises KeaJsonError."""
        self.document = document
        self.subnets_key = f"subnet{top[-1]}"
        if document.root.kind == "include":
            where = document.root.scalar.path
            raise KeaJsonError(f"the configuration comes from the included file {where}; it must be changed there")
        found = member(document.root, top)
        if found is None or found.node.kind != "map":
            raise KeaJsonError(f"{top} is no map in this file")
        self.root = found.node
        self.places = self._places()
        self._indexes: Dict[Tuple[int, str], Dict[Any, List[Tuple[Item, Any]]]] = {}
        self.options = options or Options(top, self.definitions())

    def place(self, wanted: Mapping[str, Any]) -> Optional[Place]:
        """Return the subnet with this id, or else with this prefix. Raises KeaJsonError if several have it."""
        if "id" in wanted:
            hits = [one for one in self.places if one.value.get("id") == wanted["id"]]
            if hits:
                return hits[0]
        prefix = network(wanted.get("subnet"))
        hits = [one for one in self.places if prefix is not None and one.prefix == prefix]
        if len(hits) > 1:
            raise KeaJsonError(f"{len(hits)} subnets have the prefix {prefix}; name the one that is meant by its id")
        return hits[0] if hits else None

    def find(self, path: Sequence[Step]) -> Optional[Tuple[Node, Item]]:
        """Return the item that a path of identities leads to, and its container; None if it is missing."""
        if len(path) > 1 and path[0] == self.subnets_key and isinstance(path[1], dict):
            place = self.place(path[1])
            if place is None:
                return None
            return self._below(place.item.node, path[2:], (place.container, place.item), self.subnets_key)
        return self._below(self.root, path, None, "")

    def start(self, path: Sequence[Step]) -> int:
        """Return the position of what a path leads to; -1 if it is missing."""
        found = self.find(path)
        return found[1].start if found else -1

    def element(
        self,
        node: Node,
        kind: str,
        wanted: Identity,
        is_known: bool = False,
        is_ours: Callable[[Identity], bool] = lambda _identity: False,
    ) -> Optional[Item]:
        """Return the element of the list ``kind`` with this identity. Raises KeaJsonError if that is not certain.

        One that ``is_known`` was found by an earlier run, which did not look at the classes of an option. An option
        that ``is_ours`` is another one if its identity differs: it goes when the variables do not name it.
        """
        key = natural_key(kind, wanted, self.options)
        hits = [item for item, _value in self._index(node, kind).get(key, ())] if key is not None else []
        if kind != "option-data" or len(hits) == 1:
            return hits[0] if hits else None
        if len(hits) > 1:
            raise self._doubled(wanted, len(hits))
        listed = [pair for one, pairs in self._index(node, kind).items() for pair in pairs if one]
        others = [(item, one) for item, one in listed if isinstance(one, Include) or not is_ours(one)]
        if CLASSES not in wanted:
            hits = [item for item, one in others if key == natural_key(kind, _without_classes(one), self.options)]
            if hits and not is_known:
                raise KeaJsonError(
                    f"{label(kind, wanted)} is there for some classes only; name them with its client-classes, or none "
                    "with client-classes: []"
                )
        if len(hits) > 1:
            raise self._doubled(wanted, len(hits))
        if not hits and not is_known:
            self._check_names(wanted, [one for _item, one in others])
        return hits[0] if hits else None

    def _index(self, node: Node, kind: str) -> Dict[Any, List[Tuple[Item, Any]]]:
        """Return the elements of a list with their values, by natural key."""
        if node.kind != "list":
            return {}
        if (node.start, kind) not in self._indexes:
            index = self._indexes[node.start, kind] = {}
            for item in node.items:
                value = value_of(item.node)
                index.setdefault(natural_key(kind, value, self.options), []).append((item, value))
        return self._indexes[node.start, kind]

    @staticmethod
    def _doubled(wanted: Identity, times: int) -> KeaJsonError:
        return KeaJsonError(f"{label('option-data', wanted)} stands {times} times; leave one of them, by hand")

    def _check_names(self, wanted: Identity, values: Sequence[Any]) -> None:
        """Raise KeaJsonError if an option may be there under a name whose code is not known, or the other way round."""
        for value in values:
            if isinstance(value, dict) and self.options.may_be_same(wanted, value):
                same = label("option-data", identity("option-data", value))
                raise KeaJsonError(
                    f"{label('option-data', wanted)} may be {same}, which is there: one has a name and the other a "
                    "code. Name it as it is there, or define it in option-def"
                )

    def definitions(self) -> List[Dict[str, Any]]:
        """Return the elements of ``option-def``, also of classes."""
        classes = member(self.root, "client-classes")
        nodes = [self.root, *(item.node for item in (classes.node.items if classes else ()))]
        found = [member(node, "option-def") for node in nodes]
        listed = [value_of(item.node) for one in found if one for item in one.node.items]
        return [one for one in listed if isinstance(one, dict)]

    def _below(
        self, node: Node, path: Sequence[Step], found: Optional[Tuple[Node, Item]], kind: str
    ) -> Optional[Tuple[Node, Item]]:
        for step in path:
            if isinstance(step, str):
                item, kind = member(node, step), step
            else:
                item = self.element(node, kind, step, is_known=True)
            if item is None:
                return None
            found, node = (node, item), item.node
        return found

    def _places(self) -> List[Place]:
        places = _listed(member(self.root, self.subnets_key), None)
        networks = member(self.root, NETWORKS)
        for one in networks.node.items if networks and networks.node.kind == "list" else ():
            name = member(one.node, "name")
            if one.node.kind == "map":
                places += _listed(member(one.node, self.subnets_key), str(name.node.scalar) if name else "")
        return places


def member(node: Node, key: str) -> Optional[Item]:
    """Return the member of a map with this key."""
    return next((item for item in node.items if item.key == key), None) if node.kind == "map" else None


def _without_classes(value: Any) -> Any:
    return {key: one for key, one in value.items() if key != CLASSES} if isinstance(value, dict) else value


def _listed(found: Optional[Item], name: Optional[str]) -> List[Place]:
    if found is None or found.node.kind != "list":
        return []
    maps = [item for item in found.node.items if item.node.kind == "map"]
    return [Place(item, found.node, name, value_of(item.node)) for item in maps]
