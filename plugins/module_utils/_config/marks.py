# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: the comments around an included file, in the text of a configuration and of the files that it includes."""

from __future__ import annotations

import bisect
import re
from typing import Callable, List, Match, Sequence, Set

BEGIN, END = "/*<baremetal.kea {0}>*/", "\n/*</baremetal.kea {0}>*/"
MARK = re.compile(r"/\*<(/?)baremetal\.kea (\d+)>\*/")

_PART = re.compile(
    r"/\*<baremetal\.kea (\d+)>\*/((?:(?!/\*<baremetal\.kea ).)*?)\n/\*</baremetal\.kea \1>\*/", re.DOTALL
)


def taken(text: str, take: Callable[[int, str], str]) -> str:
    """Return the text in which ``take``, called with number and content, replaces each file; the innermost first."""

    def replaced(found: "Match[str]") -> str:
        return take(int(found.group(1)), found.group(2))

    count = 1
    while count:
        text, count = _PART.subn(replaced, text)
    return text


def folded(text: str, directives: Sequence[str]) -> str:
    """Return the text with the directive of each file in place of it."""
    return taken(text, lambda number, _content: directives[number]) if MARK.search(text) else text


class Files:
    """Which file of the whole each position is in."""

    def __init__(self, text: str) -> None:
        self._starts: List[int] = [0]
        self._files: List[int] = [-1]
        self._with_returns: Set[int] = set()
        opened = [-1]
        for found in [*MARK.finditer(text), None]:
            if "\r\n" in text[self._starts[-1] : found.start() if found else len(text)]:
                self._with_returns.add(opened[-1])
            if found is None:
                break
            if found.group(1):
                opened.pop()
            else:
                opened.append(int(found.group(2)))
            self._starts.append(found.end())
            self._files.append(opened[-1])

    def at(self, position: int) -> int:
        """Return the number of the included file at a position, -1 for the configuration itself."""
        return self._files[bisect.bisect_right(self._starts, position) - 1]

    def newline(self, position: int) -> str:
        """Return how the lines of the file at a position end."""
        return "\r\n" if self.at(position) in self._with_returns else "\n"
