# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: takes back what earlier runs wrote into a configuration and no variable names any more."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, NamedTuple, Tuple

from .document import Document
from .edits import Splice
from .foreign import foreign_parts
from .identity import MEMBERS, SUBNETS, words
from .record import Entry, Key, Record, digest
from .syntax import Item, KeaJsonError, Node, value_of
from .tree import Tree


class _Found(NamedTuple):
    entry: Entry
    container: Node
    item: Item


class Wishes(NamedTuple):
    """What a run leaves in its place."""

    named: Mapping[Key, int]
    """Position of each wanted value by its path."""
    may_remove: bool
    """Whether elements go with what another hand added to them."""
    inherited: Mapping[str, Any]
    """Members of the map at the top, before this run."""


def without_former(document: Document, tree: Tree, record: Record, wishes: Wishes) -> Document:
    """Return the document in which what the record has, and the wishes have not, is as it was found.

    ``tree`` is that of the document. A value that another hand changed since stays. Raises KeaJsonError if an element
    has something that no run wrote.
    """
    named = wishes.named
    unnamed = [entry for entry in record.entries() if record.key(entry.path) not in named]
    places = [(entry, tree.find(entry.path)) for entry in unnamed]
    found = [_Found(entry, *place) for entry, place in places if place]
    wanted = {start for start in named.values() if start >= 0}
    # The same element under another name, such as an option by its code, stays.
    gone = [one for one in found if one.item.start not in wanted]
    removed = _removed(gone)
    if not wishes.may_remove:
        _check(removed, record, wishes.inherited)
    emptied = _emptied(gone, removed, document)
    kept = [
        one for one in removed if not _is_inside(one.item.start, [(node.start, node.end) for node, _text in emptied])
    ]
    splices = [splice for node, items in _by_container(kept) for splice in document.edits.removal(node, items)]
    inside = [(one.item.start, one.item.end) for one in removed]
    for one in gone:
        node, text = one.item.node, one.entry.found
        if text is not None and digest(value_of(node)) == one.entry.wrote and not _is_inside(node.start, inside):
            splices.append(Splice(node.start, node.end, text))
    splices += [Splice(node.start, node.end, text) for node, text in emptied if not _is_inside(node.start, inside)]
    for entry in unnamed:
        record.forget_one(entry.path)
    others = {start: key for key, start in named.items()}
    for one in found:
        if one.item.start in wanted:
            record.keep(one.entry, others[one.item.start])
    return document.spliced(splices) if splices else document


def _removed(gone: List[_Found]) -> List[_Found]:
    """Return what is to be removed: elements as a whole, values that no other hand changed, and emptied containers."""
    removed: Dict[int, _Found] = {}
    for one in sorted(gone, key=lambda one: -len(one.entry.path)):
        if one.entry.found is not None:
            continue
        node = one.item.node
        if one.entry.wrote is not None:
            is_ours = digest(value_of(node)) == one.entry.wrote
        else:
            is_ours = one.entry.is_element or all(item.start in removed for item in node.items)
        if is_ours:
            removed[one.item.start] = one
    return [one for one in removed.values() if not _is_last_name(one, removed)]


def _is_last_name(one: _Found, removed: Mapping[int, _Found]) -> bool:
    """Return whether nothing would identify an element any more that stays without this member."""
    path = one.entry.path
    if len(path) < 3 or one.entry.is_element or not isinstance(path[-2], dict):
        return False
    names = [key for key in MEMBERS.get(str(path[-3]), ()) if key != "space"]
    left = [item.key for item in one.container.items if item.start not in removed]
    return path[-1] in names and one.container.start not in removed and not any(key in names for key in left)


def _emptied(gone: List[_Found], removed: List[_Found], document: Document) -> List[Tuple[Node, str]]:
    """Return the containers that lose all items and had none when they were found, each with its text of then."""
    starts = {one.item.start for one in removed}
    found: List[Tuple[Node, str]] = []
    for one in gone:
        node, text = one.item.node, one.entry.found
        if text is not None and one.entry.wrote is None and document.edits.is_blank(node):
            found += [(node, text)] if all(item.start in starts for item in node.items) else []
    return found


def _check(removed: List[_Found], record: Record, inherited: Mapping[str, Any]) -> None:
    """Raise KeaJsonError if an element would take something with it that no run wrote. Subnets are judged later."""
    found: List[str] = []
    elements = [one for one in removed if one.entry.is_element]
    spans = [(one.item.start, one.item.end) for one in elements]
    for one in elements:
        path, value = one.entry.path, value_of(one.item.node)
        by_parts = one.entry.wrote is None and isinstance(value, dict) and path[-2] not in SUBNETS
        if by_parts and not _is_inside(one.item.start, [span for span in spans if span[0] != one.item.start]):
            parts = foreign_parts(path, value, record, inherited)
            found += [f"{words(path)} with {', '.join(parts)}, which no run wrote"] if parts else []
    if found:
        raise KeaJsonError(
            f"this would remove: {'; '.join(found)}. Kea's configuration was not changed. Name the element "
            "in the variables, or remove what was added by hand. If the removal is meant, allow it with "
            "kea_allow_removals: true (allow_removals of kea_config)"
        )


def _by_container(removed: List[_Found]) -> List[Tuple[Node, List[Item]]]:
    containers: Dict[int, Tuple[Node, List[Item]]] = {}
    spans = [(one.item.start, one.item.end) for one in removed]
    for one in removed:
        if not _is_inside(one.item.start, [span for span in spans if span[0] != one.item.start]):
            containers.setdefault(one.container.start, (one.container, []))[1].append(one.item)
    return list(containers.values())


def _is_inside(at: int, spans: List[Tuple[int, int]]) -> bool:
    return any(start <= at < end for start, end in spans)
