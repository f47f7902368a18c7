# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: the layout of a configuration (lines, indentation, remarks), and new values written to match it."""

from __future__ import annotations

import bisect
import json
import re
from typing import Any, List, Optional, Tuple

from .syntax import Include, Node

WIDTH = 100
"""Characters; a longer list of plain values gets a line for each value."""

# What may follow an item on its line and belongs to it: comments that end on that line.
_REMARK = re.compile(r"(?:[ \t]*(?:/\*[^\n]*?\*/|//[^\r\n]*|#[^\r\n]*))*")
# What may hold a comment's beginning and is none, or else (in a group) a comment that ends with its line.
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|/\*.*?\*/|((?://|#)[^\n]*)', re.DOTALL)
_BLANKS = re.compile(r"[ \t\r]*")
_INDENT = re.compile(r"[ \t]*")


class Layout:
    """Lines of one text."""

    def __init__(self, text: str, root: Node) -> None:
        self.text = text
        self.unit = self._unit(root) or "    "
        self._remarks: Optional[List[Tuple[int, int]]] = None

    def indent(self, at: int) -> str:
        """Return the blanks that begin the line of position ``at``."""
        found = _INDENT.match(self.text, self._line(at))
        return found.group() if found else ""

    def begins_line(self, at: int) -> bool:
        """Return whether only blanks precede ``at`` on its line."""
        return not self.text[self._line(at) : at].strip()

    def in_one_line(self, node: Node) -> bool:
        """Return whether the text of the node has no line break."""
        return "\n" not in self.text[node.start : node.end]

    def after_remark(self, at: int) -> int:
        """Return where the comments end that follow ``at`` on its line."""
        found = _REMARK.match(self.text, at)
        return found.end() if found else at

    def without(self, start: int, end: int) -> Tuple[int, int]:
        """Extend the range by the lines, or else the blanks, that its removal would leave empty."""
        found = _BLANKS.match(self.text, end)
        rest = found.end() if found else end
        if not self.begins_line(start):
            return len(self.text[self._line(start) : start].rstrip(" \t")) + self._line(start), end
        if self.text.startswith("\n", rest):
            return self._line(start), rest + 1
        line = self._line(start)
        before = self.text[self._line(line - 1) : line].rstrip() if line else ""
        if before and not self._is_remark(self._line(line - 1) + len(before) - 1):
            # What follows on the line moves up; a remark would swallow it.
            return self._line(line - 1) + len(before), end
        return start, rest

    def _is_remark(self, at: int) -> bool:
        """Return whether a comment that ends with its line has the character at ``at``."""
        if self._remarks is None:
            self._remarks = [found.span() for found in _TOKEN.finditer(self.text) if found.group(1)]
        before = bisect.bisect_right(self._remarks, (at, len(self.text)))
        return before > 0 and at < self._remarks[before - 1][1]

    def write(self, value: Any, indent: str, in_one_line: bool = False) -> str:
        """Return the value as text with line feeds; every line after the first starts with ``indent``."""
        if isinstance(value, Include):
            return f'<?include "{value.path}"?>'
        if not isinstance(value, (dict, list)):
            # Kea reads no \\uXXXX above \\u00ff, but any UTF-8.
            return json.dumps(value, ensure_ascii=False, allow_nan=False)
        opening, closing = "{}" if isinstance(value, dict) else "[]"
        if not value:
            return opening + closing
        inner = indent if in_one_line else indent + self.unit
        if isinstance(value, dict):
            texts = [self.member(key, member, inner, in_one_line) for key, member in value.items()]
        else:
            texts = [self.write(element, inner, in_one_line) for element in value]
        short = isinstance(value, list) and not any(isinstance(element, (dict, list)) for element in value)
        if in_one_line or (short and sum(map(len, texts)) <= WIDTH):
            return f"{opening} {', '.join(texts)} {closing}"
        lines = f",\n{inner}".join(texts)
        return f"{opening}\n{inner}{lines}\n{indent}{closing}"

    def member(self, key: Optional[str], value: Any, indent: str, in_one_line: bool) -> str:
        """Return a member of a map as text, or an element of a list if ``key`` is None."""
        text = self.write(value, indent, in_one_line)
        return text if key is None else f"{json.dumps(key, ensure_ascii=False)}: {text}"

    def _line(self, at: int) -> int:
        return self.text.rfind("\n", 0, at) + 1

    def _unit(self, node: Node) -> str:
        """Return the additional indentation of the first indented item below ``node``."""
        pending = [(node, item) for item in reversed(node.items)]
        while pending:
            parent, item = pending.pop()
            outer, inner = self.indent(parent.start), self.indent(item.start)
            if self.begins_line(item.start) and inner.startswith(outer) and inner != outer:
                return inner[len(outer) :]
            pending += [(item.node, below) for below in reversed(item.node.items)]
        return ""
