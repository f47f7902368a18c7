# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: the splices that change, remove or insert items of one parsed text."""

from __future__ import annotations

from typing import Any, List, NamedTuple, Optional, Sequence, Tuple

from .layout import Layout
from .marks import Files
from .syntax import Item, Node, same, value_of

Entry = Tuple[Optional[str], Any]
"""A new member of a map, or (key None) a new element of a list."""


class Splice(NamedTuple):
    """Replace ``text[start:end]``."""

    start: int
    end: int
    text: str


class Edits:
    """Makes splices for one text."""

    def __init__(self, text: str, layout: Layout) -> None:
        self.text = text
        self.layout = layout
        self._files = Files(text)

    def change(self, node: Node, value: Any) -> List[Splice]:
        """Return splices that bring ``node`` closer to ``value``; none if it is equal.

        Additions wait for the removals in the same container: both deal with the comma after the last item.
        """
        if same(value_of(node), value):
            return []
        if node.kind == "map" and isinstance(value, dict):
            kept = [item for item in node.items if item.key in value]
            splices = [splice for item in kept for splice in self.change(item.node, value[item.key])]
            removed = [item for item in node.items if item.key not in value]
            if removed:
                return splices + self.removal(node, removed)
            have = {item.key for item in kept}
            return splices + self.insertion(node, self.last(node), [(k, v) for k, v in value.items() if k not in have])
        if node.kind == "list" and isinstance(value, list):
            return self._change_list(node, value)
        return self._replacement(node, value)

    def _change_list(self, node: Node, value: List[Any]) -> List[Splice]:
        """Keep equal elements at both ends with their comments, and change similar elements between them in place.

        If no old element remains, the comments are removed with the elements: they would be wrong.
        """
        old = [value_of(item.node) for item in node.items]
        head = _common(old, value)
        tail = _common(old[head:][::-1], value[head:][::-1])
        items = node.items[head : len(old) - tail]
        wanted = value[head : len(value) - tail]
        alike = [_resemble(one, other) for one, other in zip(old[head : len(old) - tail], wanted)]
        if old and not (head or tail or any(alike)):
            return self._replacement(node, value)
        splices = []
        for item, element, is_alike in zip(items, wanted, alike):
            splices += self.change(item.node, element) if is_alike else self._replacement(item.node, element)
        if len(items) > len(wanted):
            return splices + self.removal(node, items[len(wanted) :])
        added = [(None, element) for element in wanted[len(items) :]]
        return splices + self.insertion(node, head + len(items) - 1, added)

    def replacement(self, node: Node, value: Any) -> List[Splice]:
        """Return the splices that set a value as a whole; none if it is equal."""
        return [] if same(value_of(node), value) else self._replacement(node, value)

    def _replacement(self, node: Node, value: Any) -> List[Splice]:
        text = self.layout.write(value, self.layout.indent(node.start))
        return [Splice(node.start, node.end, self._lines(text, node.start))]

    def _lines(self, text: str, at: int) -> str:
        """Return a text with the line ends of the file at a position."""
        return text.replace("\n", self._files.newline(at))

    def is_blank(self, container: Node) -> bool:
        """Return whether a container has nothing, no comment either, besides its items and the commas after them."""
        spans = [(item.start, item.end) for item in container.items]
        starts = [container.start + 1, *(end for _start, end in spans)]
        ends = [*(start for start, _end in spans), container.end - 1]
        return not "".join(self.text[start:end] for start, end in zip(starts, ends)).strip(", \t\r\n")

    def last(self, node: Node) -> int:
        """Return the number of the last item of the file in which a container begins, -1 if there is none.

        So what is added stands beside it. Nothing is added after an include: whether a comma may follow it depends on
        the content of the included file.
        """
        file = self._files.at(node.start)
        items = [
            number
            for number, item in enumerate(node.items)
            if (item.node.kind != "include" or item.key) and self._files.at(item.start) == file
        ]
        return max(items, default=-1)

    def removal(self, container: Node, removed: Sequence[Item]) -> List[Splice]:
        """Return splices that remove items. Comments stay: they may belong to something else."""
        splices = []
        spans: List[Tuple[int, int]] = []
        gone = {item.start for item in removed}
        for item in sorted(removed, key=lambda one: one.start):
            end = item.end
            if item.comma is not None and not self.text[end : item.comma].strip():
                end = item.comma + 1
            elif item.comma is not None:
                splices.append(Splice(item.comma, item.comma + 1, ""))
            # Kea takes superfluous commas after an item, and none before the first one.
            is_first = all(other.start in gone for other in container.items if other.start < item.start)
            splices += [Splice(comma, comma + 1, "") for comma in (item.commas[1:] if is_first else ())]
            if spans and not self.text[spans[-1][1] : item.start].strip():
                spans[-1] = (spans[-1][0], end)
            else:
                spans.append((item.start, end))
        splices += [Splice(*self.layout.without(*span), "") for span in spans]
        kept = [item for item in container.items if item.start not in gone]
        last = container.items[-1]
        if last.start in gone and not last.commas and kept:
            splices += [Splice(comma, comma + 1, "") for comma in kept[-1].commas]
        return splices

    def insertion(self, container: Node, after: int, entries: Sequence[Entry]) -> List[Splice]:
        """Insert items after item number ``after`` (-1: before the first), formatted like their neighbour."""
        if not entries:
            return []
        if not container.items:
            return self._filling(container, entries)
        neighbour = container.items[max(after, 0)]
        own_line = self.layout.begins_line(neighbour.start)
        indent = self.layout.indent(neighbour.start)
        separator = "\n" + indent if own_line else " "
        in_one_line = self.layout.in_one_line(container)
        whole = [separator + self.layout.member(key, value, indent, in_one_line) for key, value in entries]
        texts = [self._lines(text, neighbour.start if after >= 0 else container.start) for text in whole]
        if after >= 0 and neighbour.comma is None:
            at = self.layout.after_remark(neighbour.end) if own_line else neighbour.end
            return [Splice(neighbour.end, neighbour.end, ","), Splice(at, at, ",".join(texts))]
        at = container.start + 1 if after < 0 or neighbour.comma is None else neighbour.comma + 1
        at = self.layout.after_remark(at) if own_line else at
        return [Splice(at, at, "".join(text + "," for text in texts))]

    def _filling(self, container: Node, entries: Sequence[Entry]) -> List[Splice]:
        """Insert the first items of a container that has only blanks and comments."""
        outer = self.layout.indent(container.start)
        at, end = container.start + 1, container.end - 1
        if not self.text[at:end].strip():
            value = dict(entries) if container.kind == "map" else [element for _key, element in entries]
            return [Splice(container.start, container.end, self._lines(self.layout.write(value, outer), at))]
        at = self.layout.after_remark(at)
        inner = "\n" + outer + self.layout.unit
        texts = [inner + self.layout.member(key, value, outer + self.layout.unit, False) for key, value in entries]
        if "\n" in self.text[at:end]:
            return [Splice(at, at, self._lines(",".join(texts), at))]
        return [Splice(at, end, self._lines(",".join(texts) + "\n" + outer, at))]


def splice(text: str, splices: Sequence[Splice]) -> str:
    """Return the text with all splices applied; blanks that two splices erase are erased once."""
    parts, at = [], 0
    for start, end, new in sorted(splices, key=lambda splice: splice[:2]):
        parts += [text[at : max(start, at)], new]
        at = max(end, at)
    return "".join([*parts, text[at:]])


def _resemble(one: Any, other: Any) -> bool:
    """Return whether one element can be a changed version of the other."""
    both = isinstance(one, dict) and isinstance(other, dict)
    return both and any(key in other and same(one[key], other[key]) for key in one)


def _common(one: Sequence[Any], other: Sequence[Any]) -> int:
    """Return how many elements at the beginning are equal."""
    length = 0
    while length < min(len(one), len(other)) and same(one[length], other[length]):
        length += 1
    return length
