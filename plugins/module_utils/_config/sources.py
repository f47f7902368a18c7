# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: a configuration together with the files that it includes, as one text and back as files.

Kea's includes are lexical: a file stands in place of its directive. So the text of the whole is made the same way, with
a comment at both ends of each file, which an edit leaves alone like every other comment.
"""

from __future__ import annotations

import os
from typing import Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

from .._kea import tree
from .marks import BEGIN, END, MARK, taken
from .syntax import KeaJsonError, Node, parse

DEPTH = 10
"""Files that Kea opens inside one another (dhcp4_lexer.ll)."""


class _Part(NamedTuple):
    path: str
    directive: str


class Sources:
    """One configuration file and files that it includes."""

    def __init__(self, path: str, text: str, expand: Sequence[str] = ()) -> None:
        """Put those of the files ``expand`` that are included once in place of their directives.

        Raises KeaJsonError.
        """
        self.path = path
        self.files = {path: text}
        """Text of each file that is part of the whole, by its path."""
        self._parts: List[_Part] = []
        self.text = text
        if MARK.search(text):
            raise KeaJsonError("the file holds a comment that this collection uses while it edits")
        for _level in range(DEPTH if expand else 0):
            text = self._expanded(self.text, expand)
            if text == self.text:
                break
            self.text = text

    @property
    def directives(self) -> List[str]:
        """The directives that the files replace, by the numbers in the comments around them."""
        return [part.directive for part in self._parts]

    def split(self, text: str) -> Dict[str, str]:
        """Return the text of each file after an edit, without those that are no part of it any more.

        Raises KeaJsonError if the edit took a part of a file with its comment.
        """
        found: Dict[str, str] = {}

        def take(number: int, content: str) -> str:
            part = self._parts[number]
            found[part.path] = content
            return part.directive

        text = taken(text, take)
        if MARK.search(text):
            missing = ", ".join(part.path for part in self._parts if part.path not in found)
            raise KeaJsonError(f"a value comes from the included file {missing}; it must be changed there")
        return {self.path: text, **found}

    def whole(self, text: str) -> str:
        """Return the text as Kea reads it, with the files in place and without the comments around them."""
        return MARK.sub("", text)

    def where(self, text: str, at: int) -> Tuple[str, int]:
        """Return the file and the line of a position in the text after an edit."""
        opened: List[Tuple[str, int]] = [(self.path, 1)]
        start = 0
        for found in [*MARK.finditer(text, 0, at), None]:
            path, line = opened.pop()
            opened.append((path, line + text.count("\n", start, found.start() if found else at)))
            if found is None:
                break
            start = found.end()
            if found.group(1):
                opened.pop()
            else:
                opened.append((self._parts[int(found.group(2))].path, 1))
        return opened[-1]

    def _expanded(self, text: str, expand: Sequence[str]) -> str:
        real = [(node, _real(node.scalar.path)) for node in _includes(parse(text))]
        found = [(node, path) for node, path in real if path is not None and path in expand]
        paths = [path for _node, path in found]
        pieces, at = [], 0
        for node, path in found:
            if paths.count(path) > 1 or path in self.files:
                continue
            try:
                content = tree.read(path).decode("utf-8", "surrogateescape")
            except OSError as error:
                raise KeaJsonError(f"{path}, which is included, cannot be read: {error.strerror}") from error
            if MARK.search(content):
                raise KeaJsonError(f"{path} holds a comment that this collection uses while it edits")
            self.files[path] = content
            self._parts.append(_Part(path, text[node.start : node.end]))
            number = len(self._parts) - 1
            pieces += [text[at : node.start], BEGIN.format(number), content, END.format(number)]
            at = node.end
        return "".join([*pieces, text[at:]])


def included_files(path: str, text: str, accept: Callable[[str], bool]) -> List[str]:
    """Return the real paths of the files that a configuration includes, also inside one another, if accepted.

    Raises KeaJsonError.
    """
    known: List[str] = []
    while True:
        sources = Sources(path, text, known)
        nodes = _includes(parse(sources.text))
        new = {_real(node.scalar.path) for node in nodes if os.path.isabs(node.scalar.path)}
        more = sorted(one for one in new if one and one not in known and accept(one) and os.path.isfile(one))
        if not more:
            return known
        known += more


def _includes(root: Node) -> List[Node]:
    """Return the include directives, in order."""
    found, pending = [], [root]
    while pending:
        node = pending.pop()
        if node.kind == "include":
            found.append(node)
        pending += [item.node for item in reversed(node.items)]
    return found


def _real(path: str) -> Optional[str]:
    """Return the path without links; None for a link that another user may have made, which stays a directive."""
    try:
        with tree.at(path) as spot:
            return spot.path
    except OSError:
        return None
