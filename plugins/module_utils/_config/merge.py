# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: merges values into a configuration: only what they name is set, and all else stays byte for byte."""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

from .document import Document
from .edits import Entry, Splice
from .former import Wishes, without_former
from .identity import NETWORKS, SUBNETS, identity, is_settled, label, network, words
from .record import Key, Record, Steps, digest
from .syntax import Include, Item, KeaJsonError, Node, value_of
from .tree import Place, Tree, member
from .wanted import Element, Elements, Wanted, bare, check_doubles, is_nothing, options_of


def merged(document: Document, wanted: Wanted, record: Record) -> Document:
    """Return the document with the values. What earlier runs wrote and is not wanted any more goes back.

    Raises KeaJsonError.
    """
    options = options_of(document, wanted)
    record.resolve(options)
    check_doubles(wanted.values, (), options)
    before = Tree(document, wanted.top)
    wanted = wanted._replace(values=_settled(wanted.values, before, record))
    while True:
        round_ = _Round(Tree(document, wanted.top, options), wanted, record)
        splices = round_.splices()
        if not splices:
            besides = {record.key(path): round_.tree.start(path) for path in wanted.besides}
            wishes = Wishes({**round_.named, **besides}, wanted.may_remove, value_of(before.root))
            document = without_former(document, round_.tree, record, wishes)
            record.respell(round_.paths)
            return document
        document = document.spliced(splices)


def _settled(values: Dict[str, Any], tree: Tree, record: Record) -> Dict[str, Any]:
    """Return the values without subnets of the state ``found`` that an earlier run created, or that are missing."""
    found: Dict[str, Any] = {}
    for key, value in values.items():
        if not isinstance(value, Elements):
            found[key] = value
            continue
        kept = Elements(one for one in value if not (one.is_found and _is_ours_or_missing(key, one, tree, record)))
        if kept or not value:
            found[key] = kept
    return found


def _is_ours_or_missing(kind: str, one: Element, tree: Tree, record: Record) -> bool:
    place = tree.place(identity(kind, one.value)) if kind in SUBNETS else None
    return place is None or record.owns((kind, {"id": place.value.get("id")}))


class _Round:
    """One pass over the text: collects splices that do not touch one another, and where the wanted values stand."""

    def __init__(self, tree: Tree, wanted: Wanted, record: Record) -> None:
        self.tree = tree
        self.edits = tree.document.edits
        self.wanted = wanted
        self.record = record
        self.named: Dict[Key, int] = {}
        """Position of each value that is wanted, by its path; -1 for one that is missing."""
        self.paths: Dict[Key, Steps] = {}
        """The same paths as the variables spell them."""

    def splices(self) -> List[Splice]:
        """Return the splices of this pass; none if everything is as it is wanted."""
        found = self._map(self.tree.root, self.wanted.values, ())
        return found or (self._exclusive() if self.wanted.exclusive else [])

    def _map(self, node: Node, values: Dict[str, Any], path: Steps) -> List[Splice]:
        splices: List[Splice] = []
        added: List[Entry] = []
        for key, value in values.items():
            here, item = (*path, key), member(node, key)
            entry = self.record.entry(here)
            if not is_nothing(value) or (entry is not None and entry.wrote is not None):
                self._name(here, item)
            if item is not None:
                splices += self._member(item.node, value, here)
            elif isinstance(value, Elements):
                # Subnets are set where they stand, also without a list at the top level.
                elsewhere, _removed, new = self._elements(_NOWHERE, value, here)
                splices += elsewhere
                if new:
                    self.record.note_new(here)
                    added.append((key, [element for _key, element in new]))
            else:
                added.append((key, self._made(value, here)))
        if path and added:
            self._note_filled(node, path)
        return splices + self.edits.insertion(node, self.edits.last(node), added)

    def _note_filled(self, node: Node, path: Steps) -> None:
        if not node.items and self.edits.is_blank(node):
            self.record.note_filled(path, self.tree.document.original(node))

    def _member(self, node: Node, value: Any, path: Steps) -> List[Splice]:
        if isinstance(value, dict) and node.kind == "map" and not self._is_whole(node, path):
            return self._map(node, value, path)
        if isinstance(value, Elements) and node.kind == "list" and all(one.node.kind != "scalar" for one in node.items):
            splices, removed, added = self._elements(node, value, path)
            if removed:
                return splices + self.edits.removal(node, removed)
            if added:
                self._note_filled(node, path)
            return splices + self.edits.insertion(node, self.edits.last(node), added)
        if node.kind == "include" and not isinstance(value, Include):
            where = node.scalar.path
            raise KeaJsonError(f"{words(path)} comes from the included file {where}; it must be changed there")
        wanted = bare(value)
        found = self.tree.document.original(node)
        is_included = found != self.edits.text[node.start : node.end]
        # The included file stays as it is: what was found comes back with its directive.
        splices = self.edits.replacement(node, wanted) if is_included else self.edits.change(node, wanted)
        if splices:
            self.record.note(path, found, value_of(node), wanted)
        return splices

    def _is_whole(self, node: Node, path: Steps) -> bool:
        """Return whether an earlier run wrote this map in place of a value of another kind, to which it goes back."""
        entry = self.record.entry(path)
        return entry is not None and entry.wrote is not None and entry.wrote == digest(value_of(node))

    def _elements(
        self, node: Node, values: Sequence[Element], path: Steps
    ) -> Tuple[List[Splice], List[Item], List[Entry]]:
        """Return the splices inside existing elements, the elements of this list to remove, and those to add."""
        kind = str(path[-1])
        splices: List[Splice] = []
        removed: List[Item] = []
        added: List[Entry] = []
        for one in values:
            here, item, container = self._place(node, identity(kind, one.value), path)
            self._name(here, item)
            if one.is_absent:
                self.record.forget(here)
            if item is None:
                added += [] if one.is_absent else [(None, self._made(one.value, here))]
            elif one.is_absent and container is node:
                removed.append(item)
            elif one.is_absent:
                splices += self.edits.removal(container, [item])
            elif isinstance(one.value, dict):
                splices += self._element(item, one.value, here)
        return splices, removed, added

    def _element(self, item: Item, value: Dict[str, Any], path: Steps) -> List[Splice]:
        """Set the members of an existing element. What identifies it keeps its spelling."""
        kind, found = str(path[-2]), value_of(item.node)
        others = {key: one for key, one in value.items() if not is_settled(kind, key, one, found)}
        for key in set(value) - set(others):
            self._name((*path, key), member(item.node, key))
        if kind in SUBNETS and "id" in others and "id" in found:
            self.record.rename((kind, {"id": found["id"]}), path)
        return self._map(item.node, others, path)

    def _place(self, node: Node, wanted: Dict[str, Any], path: Steps) -> Tuple[Steps, Optional[Item], Node]:
        """Return the path of an element, and its item and list if it exists. A subnet is sought everywhere."""
        kind = str(path[-1])
        if kind not in SUBNETS:
            return (*path, wanted), self.tree.element(node, kind, wanted, is_ours=self._is_ours(path)), node
        place = self.tree.place(wanted)
        number = wanted.get("id", place.value.get("id") if place else None)
        here: Steps = (kind, {"id": number} if number is not None else wanted)
        if place is None:
            return here, None, node
        if len(path) > 1 and place.container is not node:
            where = f"shared network {place.network}" if place.network else "no shared network"
            raise KeaJsonError(f"{label(kind, wanted)} stands in {where}, not in {words(path[:-1])}; move it by hand")
        return here, place.item, place.container

    def _is_ours(self, path: Steps) -> Callable[[Dict[str, Any]], bool]:
        """Return a function that tells whether a run created an option of the list at ``path``."""
        return lambda option: self.record.owns((*path, identity("option-data", option)))

    def _made(self, value: Any, path: Steps) -> Any:
        """Return a new value, and note it and its parts as ours."""
        if isinstance(value, dict):
            self._check_new(value, path)
            self.record.note_new(path)
            return {key: self._made(one, (*path, key)) for key, one in value.items() if not is_nothing(one)}
        if isinstance(value, Elements):
            self.record.note_new(path)
            return [new for _key, new in self._elements(_NOWHERE, value, path)[2]]
        if isinstance(path[-1], str):
            self.record.note(path, None, None, bare(value))
        else:
            self.record.note_new(path)
        return bare(value)

    def _check_new(self, value: Dict[str, Any], path: Steps) -> None:
        number, prefix = value.get("id"), network(value.get("subnet"))
        if not isinstance(path[-1], str) and path[-2] in SUBNETS and (number is None or prefix is None):
            raise KeaJsonError(
                f"{words(path)} is new here, so it needs both an id other than 0 and a subnet (its prefix)"
            )

    def _name(self, path: Steps, item: Optional[Item]) -> None:
        key = self.record.key(path)
        self.named[key] = item.start if item else -1
        self.paths[key] = path

    def _exclusive(self) -> List[Splice]:
        """Remove the shared networks and the subnets that are not named; a network with a named subnet stays."""
        unnamed = [one for one in self.tree.places if self._path(one) not in self.named]
        kept = {one.network for one in self.tree.places if one not in unnamed}
        networks = member(self.tree.root, NETWORKS)
        for item in networks.node.items if networks else ():
            name = value_of(item.node).get("name") if item.node.kind == "map" else None
            if name is not None and name not in kept and self.record.key((NETWORKS, {"name": name})) not in self.named:
                return self.edits.removal(networks.node, [item]) if networks else []
        for one in unnamed[:1]:
            return self.edits.removal(
                one.container, [other.item for other in unnamed if other.container is one.container]
            )
        return []

    def _path(self, place: Place) -> Key:
        return self.record.key((self.tree.subnets_key, {"id": place.value.get("id")}))


_NOWHERE = Node("list", 0, 0)
