# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: changes single values in a Kea configuration and leaves every other byte as it was.

The configuration is never printed from the tree. A change is a few splices in the text: the value, a comma, an inserted
line. The text is parsed again after each round of splices, so positions never outlive a change.
"""

from __future__ import annotations

from typing import Any, List, Sequence, Tuple, Union

from .edits import Edits, Entry, Splice, splice
from .layout import Layout
from .marks import folded
from .path import (
    Path,
    Where,
    format_path,
    nested,
    with_members,
)
from .secret import masks
from .syntax import (
    Item,
    KeaJsonError,
    Node,
    parse,
    value_of,
)


class _Missing:
    pass


MISSING = _Missing()
"""Result of ``Document.get`` for a path that does not exist; None is a value (null)."""


class Document:
    """An immutable configuration: ``put`` and ``drop`` return a new one, or itself if nothing differs."""

    def __init__(self, text: str, directives: Sequence[str] = ()) -> None:
        """Parse the text. ``directives`` are those of the included files in it. Raises KeaJsonError."""
        self.text = text
        self._directives = directives
        self.root = parse(text)
        self.edits = Edits(text, Layout(text, self.root))

    def get(self, path: Path) -> Any:
        """Return the value at ``path``, or MISSING. Raises KeaJsonError if it leads into an include or a scalar."""
        found, rest = self._walk(path)
        return MISSING if rest else value_of(found[-1].node)

    def put(self, path: Path, value: Any) -> "Document":
        """Set ``value`` at ``path``, and create what is missing on the way. Raises KeaJsonError if that fails."""
        if isinstance(path[-1], Where):
            value = with_members(path[-1], value)
        document = self
        while True:
            found, rest = document._walk(path)
            node = found[-1].node if found else document.root
            splices = document._add(node, rest, value) if rest else document.edits.change(node, value)
            if not splices:
                return document
            document = document.spliced(splices)

    def drop(self, path: Path) -> "Document":
        """Remove what is at ``path``. Comments stay: they may belong to something else."""
        found, rest = self._walk(path)
        if rest:
            return self
        parent = found[-2].node if len(found) > 1 else self.root
        return self.spliced(self.edits.removal(parent, [found[-1]]))

    def masked(self) -> str:
        """Return the text with every password and secret masked, for diffs."""
        return splice(self.text, [Splice(*mask) for mask in masks(self.text, self.root)])

    # The walk

    def _walk(self, path: Path) -> Tuple[List[Item], Path]:
        """Return the items along ``path`` as far as they exist, and the remaining steps."""
        node = self.root
        found: List[Item] = []
        for at, step in enumerate(path):
            wanted = "list" if isinstance(step, Where) else "map"
            here = format_path(path[:at]) or "the configuration"
            if node.kind == "include":
                raise KeaJsonError(f"{here} comes from the included file {node.scalar.path}; it must be changed there")
            if node.kind != wanted:
                raise KeaJsonError(f"{here} is a {node.kind}, not a {wanted}")
            hits = [item for item in node.items if _is_at(step, item)]
            if len(hits) > 1:
                raise KeaJsonError(f"{here} has {len(hits)} elements that match {step}")
            if not hits:
                return found, path[at:]
            found.append(hits[0])
            node = hits[0].node
        return found, ()

    # How it is changed

    def _add(self, node: Node, path: Path, value: Any) -> List[Splice]:
        step, made = path[0], nested(path[1:], value)
        entry: Entry = (None, with_members(step, made)) if isinstance(step, Where) else (step, made)
        return self.edits.insertion(node, self.edits.last(node), [entry])

    def spliced(self, splices: Sequence[Splice]) -> "Document":
        """Return the document with all splices applied."""
        return Document(splice(self.text, splices), self._directives)

    def original(self, node: Node) -> str:
        """Return the text of a node as it stands in its file, with the directives in it."""
        return folded(self.text[node.start : node.end], self._directives)


def _is_at(step: Union[str, Where], item: Item) -> bool:
    return bool(step.matches(value_of(item.node))) if isinstance(step, Where) else item.key == step
