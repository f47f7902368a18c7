# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: a file of reservations that a configuration includes: host maps with commas between, no brackets around."""

from __future__ import annotations

import json
import re
from typing import Any, Iterable, List, NamedTuple, Tuple

# What Kea's grammar allows between two maps: white space, commas and its three kinds of comment (dhcp4_lexer.ll).
_GAP = re.compile(r"(?:[\s,]+|#[^\n]*|//[^\n]*|/\*.*?\*/)*", re.DOTALL)
_AROUND = re.compile(r"^[\s,]+|[\s,]+$")


class HostMap(NamedTuple):
    """One reservation, as it stands in the file."""

    comment: str
    """What stands before it, without the white space and the commas around that; empty if nothing does."""
    text: str
    """The map as it was written."""
    value: Any
    """The map; whatever JSON the text is, if it is no map."""
    line: int
    """Number of the line in which it begins, from 1."""


class HostMaps(NamedTuple):
    """All reservations of a file."""

    maps: List[HostMap]
    comment: str
    """What stands after the last one, like ``HostMap.comment``."""


def parse(text: str) -> HostMaps:
    """Split the text of such a file. Raises ValueError with the line of a reservation that is no JSON."""
    decoder, at = json.JSONDecoder(), 0
    found: List[HostMap] = []
    while True:
        gap = _GAP.match(text, at)
        begin = gap.end() if gap else at
        comment = _AROUND.sub("", text[at:begin])
        if begin == len(text):
            return HostMaps(found, comment)
        line = text.count("\n", 0, begin) + 1
        try:
            value, at = decoder.raw_decode(text, begin)
        except ValueError as error:
            raise ValueError(f"the reservation that begins in line {line} is not valid: {error}") from error
        found.append(HostMap(comment, text[begin:at], value, line))


def render(maps: Iterable[Tuple[str, str]], comment: str = "") -> str:
    """Return the text of such a file.

    ``maps`` are pairs of the comment before a map, which may be empty, and the map as text. ``comment`` stands last.
    """
    listed = list(maps)
    lines: List[str] = []
    for number, (before, text) in enumerate(listed, 1):
        lines += [before] if before else []
        lines.append(text if number == len(listed) else f"{text},")
    lines += [comment] if comment else []
    return "\n".join(lines) + "\n"
