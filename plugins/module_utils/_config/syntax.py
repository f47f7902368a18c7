# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: parses Kea's dialect of JSON into a tree with positions in the text.

The dialect is that of Kea's lexer (src/bin/dhcp4/dhcp4_lexer.ll): comments ``//``, ``#`` and ``/* */``, superfluous
commas, ``<?include "file"?>`` wherever a value, a list element or a map member may stand. What is included is never
opened. Nothing here judges whether Kea would accept the configuration; that is asked of Kea itself.
"""

from __future__ import annotations

import re
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from .._errors import KeaError
from .._kea import includes

SECRET_KEYS = frozenset(("password", "secret"))
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
    comma: Optional[int]
    """Position of the comma after it, if there is one."""

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
    if node.kind == "map":
        members: Dict[str, Any] = {item.key: value_of(item.node) for item in node.items if item.key is not None}
        included = [item.node.scalar for item in node.items if item.key is None]
        return {**members, INCLUDE_KEY: included} if included else members
    if node.kind == "list":
        return [value_of(item.node) for item in node.items]
    return node.scalar


def from_plain(value: Any) -> Any:
    """Convert a value as a user writes it: ``{"<?include?>": path}`` becomes an Include. Raises KeaJsonError."""
    if isinstance(value, dict) and INCLUDE_KEY in value:
        path = value[INCLUDE_KEY]
        if len(value) > 1 or not isinstance(path, str) or not re.fullmatch(r'[^"\n]+', path):
            raise KeaJsonError(f'an include stands alone and names one file: {{"{INCLUDE_KEY}": "/path"}}')
        return Include(path)
    if isinstance(value, dict):
        return {str(key): from_plain(member) for key, member in value.items()}
    if isinstance(value, (list, tuple)):
        return [from_plain(element) for element in value]
    return value


def without_secrets(value: Any) -> Any:
    """Return a value for output: without passwords and secrets, and an Include as ``from_plain`` reads it."""
    if isinstance(value, Include):
        return {INCLUDE_KEY: value.path}
    if isinstance(value, dict):
        return {key: without_secrets(member) for key, member in value.items() if key not in SECRET_KEYS}
    if isinstance(value, list):
        return [without_secrets(element) for element in value]
    return value


def same(one: Any, other: Any) -> bool:
    """Return whether Kea takes two values for equal: 1 equals neither true nor 1.0."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def secrets_in(value: Any) -> List[str]:
    """Return every password and secret inside a value."""
    if isinstance(value, dict):
        found = [member for key, member in value.items() if key in SECRET_KEYS and isinstance(member, str)]
        return found + [secret for member in value.values() for secret in secrets_in(member)]
    if isinstance(value, list):
        return [secret for element in value for secret in secrets_in(element)]
    return []


class _Parser:
    """Recursive descent parser of one text; ``at`` is the position of the next character."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def document(self) -> Node:
        self.space()
        node = self.node()
        if node.kind != "map":
            raise self.error("the configuration is not a map", node.start)
        self.space()
        if self.at != len(self.text):
            raise self.error("something follows the end of the configuration")
        return node

    def node(self) -> Node:
        first = self.text[self.at : self.at + 1]
        if first == "{":
            return self.container("map", "}")
        if first == "[":
            return self.container("list", "]")
        if first == "<":
            return self.include()
        start = self.at
        value = self.string() if first == '"' else self.word()
        return Node("scalar", start, self.at, scalar=value)

    def container(self, kind: str, close: str) -> Node:
        start = self.at
        self.at += 1
        items: List[Item] = []
        while True:
            self.space()
            if self.text.startswith(close, self.at):
                self.at += 1
                return Node(kind, start, self.at, items=tuple(items))
            if self.text.startswith(",", self.at):
                if items and items[-1].comma is None:
                    items[-1] = items[-1]._replace(comma=self.at)
                self.at += 1
                continue
            item = self.item(kind)
            if items and items[-1].comma is None and "include" not in (item.node.kind, items[-1].node.kind):
                raise self.error("a comma is missing", item.start)
            if item.key is not None and any(item.key == other.key for other in items):
                raise self.error(f"{item.key!r} stands twice in the same map", item.start)
            items.append(item)

    def item(self, kind: str) -> Item:
        start = self.at
        if kind == "list" or self.text.startswith("<", start):
            return Item(start, None, self.node(), None)
        if not self.text.startswith('"', start):
            raise self.error("a name in double quotes or a closing } is expected")
        key = self.string()
        self.space()
        if not self.text.startswith(":", self.at):
            raise self.error(f"a colon is missing after {key!r}")
        self.at += 1
        self.space()
        return Item(start, key, self.node(), None)

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
        word = found.group()
        self.at = found.end()
        if word in _KEYWORDS:
            return _KEYWORDS[word]
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
