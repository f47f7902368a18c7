# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: parses Kea's dialect of JSON into a tree with positions in the text.

The dialect is that of Kea's lexer (src/bin/dhcp4/dhcp4_lexer.ll): comments ``//``, ``#`` and ``/* */``, superfluous
commas, ``<?include "file"?>`` wherever a value, a list element or a map member may stand. What is included is never
opened. Nothing here judges what Kea would accept, which is asked of Kea itself. Nesting has no limit.
"""

from __future__ import annotations

import re
from typing import Any, Dict, List, NamedTuple, Optional, Set, Tuple

from .._errors import KeaError
from .._kea import includes
from .rebuilding import Shape, rebuild

INCLUDE_KEY = "<?include?>"
"""Key under which a plain value stands for an include directive: ``{"<?include?>": "/path"}``."""

_SPACE = re.compile(r"(?:[ \t\r\n]+|#[^\n]*|//[^\n]*|/\*.*?\*/)*", re.DOTALL)
_STRING = re.compile(r'"[^\x00-\x1f"\\]*(?:\\.[^\x00-\x1f"\\]*)*"')
_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|(.))", re.DOTALL)
_ESCAPED = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_WORD = re.compile(r"[-+.0-9A-Za-z]+")
_INTEGER = re.compile(r"-?[0-9]+")
_NUMBER = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_KEYWORDS = {"true": True, "false": False, "null": None}
_MOST_DIGITS = 4000  # Python converts these; Kea reads 19.


class KeaJsonError(KeaError):
    """The text cannot be parsed, or not changed as requested; says where."""


class Include(NamedTuple):
    """The directive ``<?include "path"?>``, used as a value."""

    path: str


class Node(NamedTuple):
    """One value in the text, ``text[start:end]``."""

    kind: str
    """``map``, ``list``, ``scalar`` or ``include``."""
    start: int
    end: int
    scalar: Any = None
    """The value of a scalar; an Include for an include."""
    items: Tuple["Item", ...] = ()
    """Members of a map or elements of a list, in order, include directives among them."""


class Item(NamedTuple):
    """One member or element; ``start`` is that of the key for a member."""

    start: int
    key: Optional[str]
    """None for list elements and for include directives among map members."""
    node: Node
    commas: Tuple[int, ...]
    """Positions of the commas between it and the next one. Kea takes more than one, and one after the last item."""

    @property
    def comma(self) -> Optional[int]:
        """Position of the first comma after it, if there is one."""
        return self.commas[0] if self.commas else None

    @property
    def end(self) -> int:
        return self.node.end


def parse(text: str) -> Node:
    """Parse a whole document. Raises KeaJsonError with line and column."""
    return _Parser(text).document()


def literal(text: str) -> Any:
    """Return the number, boolean, null or quoted string in ``text``. Raises KeaJsonError if it is none of them."""
    parser = _Parser(text)
    node = parser.node()
    if node.kind != "scalar" or node.end != len(text):
        raise KeaJsonError(f"{text!r} is no number, boolean, null or string")
    return node.scalar


def value_of(node: Node) -> Any:
    """Return the plain value of a node, in which an include directive is an Include.

    Those among the members of a map are listed under INCLUDE_KEY, so that such a map equals none that a user writes.
    """
    return rebuild(node, _value_shape)


def _value_shape(node: Node) -> Shape:
    if node.kind == "map":
        members: Dict[str, Any] = {item.key: None for item in node.items if item.key is not None}
        included = [item.node.scalar for item in node.items if item.key is None]
        made = {**members, INCLUDE_KEY: included} if included else members
        return made, [(item.key, item.node) for item in node.items if item.key is not None]
    if node.kind == "list":
        return [None] * len(node.items), [(at, item.node) for at, item in enumerate(node.items)]
    return node.scalar, ()


def from_plain(value: Any) -> Any:
    """Convert a value as a user writes it: ``{"<?include?>": path}`` becomes an Include. Raises KeaJsonError."""
    return rebuild(value, _plain_shape)


def _plain_shape(value: Any) -> Shape:
    if isinstance(value, dict) and INCLUDE_KEY in value:
        path = value[INCLUDE_KEY]
        if len(value) > 1 or not isinstance(path, str) or not re.fullmatch(r'[^"\n]+', path):
            raise KeaJsonError(f'an include stands alone and names one file: {{"{INCLUDE_KEY}": "/path"}}')
        return Include(path), ()
    if isinstance(value, dict):
        return {str(key): None for key in value}, [(str(key), member) for key, member in value.items()]
    if isinstance(value, (list, tuple)) and not isinstance(value, Include):
        return [None] * len(value), list(enumerate(value))
    return value, ()


def same(one: Any, other: Any) -> bool:
    """Return whether Kea takes two values for equal: 1 equals neither true nor 1.0."""
    pending = [(one, other)]
    while pending:
        left, right = pending.pop()
        if type(left) is not type(right):
            return False
        if isinstance(left, dict):
            if left.keys() != right.keys():
                return False
            pending += [(left[key], right[key]) for key in left]
        elif isinstance(left, list):
            if len(left) != len(right):
                return False
            pending += zip(left, right)
        elif left != right:
            return False
    return True


class _Open:
    """A container that is not closed yet; ``item`` and ``key`` are the start and the name of what is being read."""

    def __init__(self, kind: str, start: int) -> None:
        self.kind = kind
        self.start = start
        self.items: List[Item] = []
        self.keys: Set[str] = set()
        self.item = start
        self.key: Optional[str] = None


class _Parser:
    """Parser of one text; ``at`` is the position of the next character."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def document(self) -> Node:
        self.space()
        node = self.node()
        if node.kind not in ("map", "include"):
            raise self.error("the configuration is not a map", node.start)
        self.space()
        if self.at != len(self.text):
            raise self.error("something follows the end of the configuration")
        return node

    def node(self) -> Node:
        """Parse one value. Its open containers are a list, so its depth has no limit."""
        opened: List[_Open] = []
        node = self.begin(opened)
        while opened:
            if node is not None:
                self.add(opened[-1], node)
            node = self.close(opened[-1])
            if node is not None:
                opened.pop()
                continue
            self.name(opened[-1])
            node = self.begin(opened)
        if node is None:
            raise self.error("a value is expected")
        return node

    def begin(self, opened: List[_Open]) -> Optional[Node]:
        """Parse a value that is no container; None if it is one, which is open then."""
        start, first = self.at, self.text[self.at : self.at + 1]
        if first in ("{", "["):
            opened.append(_Open("map" if first == "{" else "list", start))
            self.at += 1
            return None
        if first == "<":
            return self.include()
        value = self.string() if first == '"' else self.word()
        return Node("scalar", start, self.at, scalar=value)

    def close(self, container: _Open) -> Optional[Node]:
        """Skip blanks and commas; return the container if it ends here."""
        while True:
            self.space()
            if self.text.startswith("}" if container.kind == "map" else "]", self.at):
                self.at += 1
                return Node(container.kind, container.start, self.at, items=tuple(container.items))
            if not self.text.startswith(",", self.at):
                return None
            for last in container.items[-1:]:
                container.items[-1] = last._replace(commas=(*last.commas, self.at))
            self.at += 1

    def name(self, container: _Open) -> None:
        """Parse what stands before the value of the next item: in a map, its name."""
        container.item, container.key = self.at, None
        if container.kind == "list" or self.text.startswith("<", self.at):
            return
        if not self.text.startswith('"', self.at):
            raise self.error("a name in double quotes or a closing } is expected")
        container.key = self.string()
        self.space()
        if not self.text.startswith(":", self.at):
            raise self.error(f"a colon is missing after {container.key!r}")
        self.at += 1
        self.space()

    def add(self, container: _Open, node: Node) -> None:
        """Add the item that was read to its container. Raises KeaJsonError if it may not stand there."""
        items, key = container.items, container.key
        if items and not items[-1].commas and "include" not in (node.kind, items[-1].node.kind):
            raise self.error("a comma is missing", container.item)
        if key is not None and key in container.keys:
            raise self.error(f"{key!r} stands twice in the same map", container.item)
        if key is not None:
            container.keys.add(key)
        items.append(Item(container.item, key, node, ()))

    def include(self) -> Node:
        found = includes.DIRECTIVE.match(self.text, self.at)
        if not found:
            raise self.error('an include directive looks like <?include "/path"?>')
        self.at = found.end()
        return Node("include", found.start(), found.end(), scalar=Include(found.group(1)))

    def string(self) -> str:
        found = _STRING.match(self.text, self.at)
        if not found:
            raise self.error("a string is not closed, or holds a control character")
        escaped = False

        def decode(escape: "re.Match[str]") -> str:
            nonlocal escaped
            code, letter = escape.groups()
            if letter is not None and letter not in _ESCAPED:
                raise self.error(f"\\{letter} is no escape sequence")
            if letter is not None:
                return _ESCAPED[letter]
            number = int(code, 16)
            if number > 0xFF:
                raise self.error("Kea reads only \\u0000 to \\u00ff")
            # Kea makes one *byte* of it; the document holds the bytes that are no UTF-8 as lone surrogates.
            escaped = escaped or number > 0x7F
            return chr(number if number <= 0x7F else 0xDC00 + number)

        value = _ESCAPE.sub(decode, found.group()[1:-1])
        self.at = found.end()
        return value.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape") if escaped else value

    def word(self) -> Any:
        found = _WORD.match(self.text, self.at)
        if not found:
            raise self.error("a value is expected" if self.at < len(self.text) else "the configuration ends too early")
        word, self.at = found.group(), found.end()
        if word in _KEYWORDS:
            return _KEYWORDS[word]
        if len(word) > _MOST_DIGITS:
            raise self.error(f"a number of {len(word)} characters is larger than any that Kea reads", found.start())
        if _INTEGER.fullmatch(word):
            return int(word)
        if _NUMBER.fullmatch(word):
            return float(word)
        raise self.error(f"{word!r} is no value", found.start())

    def space(self) -> None:
        found = _SPACE.match(self.text, self.at)
        self.at = found.end() if found else self.at
        if self.text.startswith("/*", self.at):
            raise self.error("a comment is not closed")

    def error(self, problem: str, at: Optional[int] = None) -> KeaJsonError:
        where = self.at if at is None else at
        line = self.text.count("\n", 0, where) + 1
        column = where - (self.text.rfind("\n", 0, where) + 1) + 1
        return KeaJsonError(f"line {line}, column {column}: {problem}")
