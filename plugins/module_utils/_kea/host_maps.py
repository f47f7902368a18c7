# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: a file of reservations that a configuration includes: host maps with commas between, no brackets around."""

from __future__ import annotations

import json
import re
from typing import Any, Iterable, List, Mapping, NamedTuple, Tuple

MARK = "kea-lease-monitor"
"""Key in the user context of each managed reservation."""

# What Kea's grammar allows between two maps: white space, commas and its three kinds of comment (dhcp4_lexer.ll).
_GAP = re.compile(r"(?:[\s,]+|#[^\n]*|//[^\n]*|/\*.*?\*/)*", re.DOTALL)
_AROUND = re.compile(r"^[\s,]+|[\s,]+$")
# The monitor appends whole lines that begin so. One without its end was left by a crash, before it was acknowledged.
_TORN = re.compile(r"(?<![^\n]),\{[^\n]*\Z")
# What Kea's grammar allows inside a map and JSON does not. Strings come first, so that nothing inside one is found.
_STRING = r'"(?:[^"\\]|\\.)*"'
_COMMENT = re.compile(rf"{_STRING}|(?P<extra>#[^\n]*|//[^\n]*|/\*.*?\*/)", re.DOTALL)
_COMMA = re.compile(rf"{_STRING}|(?P<extra>,(?=\s*[}}\]]))", re.DOTALL)


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
    """Split the text of such a file. Raises ValueError with the line of a reservation that Kea cannot read.

    A last line that the monitor could not append to its end is left out.
    """
    try:
        return _parsed(text, text)
    except ValueError:
        # Only now, because it takes ten times as long, and few files have comments inside a map.
        return _parsed(text, _blanked(text), can_be_torn=True)


def _parsed(text: str, plain: str, can_be_torn: bool = False) -> HostMaps:
    """Split the text. ``plain`` has the same maps at the same offsets."""
    decoder, at, line = json.JSONDecoder(), 0, 1
    found: List[HostMap] = []
    while True:
        gap = _GAP.match(text, at)
        begin = gap.end() if gap else at
        comment = _AROUND.sub("", text[at:begin])
        if begin == len(text):
            return HostMaps(found, comment)
        line += text.count("\n", at, begin)
        try:
            value, at = decoder.raw_decode(plain, begin)
        except (ValueError, RecursionError) as error:
            if can_be_torn and _TORN.match(text, max(0, begin - 1)):
                return HostMaps(found, comment)
            raise ValueError(f"the reservation that begins in line {line} is not valid: {error}") from error
        found.append(HostMap(comment, text[begin:at], value, line))
        line += text.count("\n", begin, at)


def addresses_of(host: Mapping[str, Any]) -> List[str]:
    """Return the addresses of a reservation: ``ip-address`` in DHCPv4, the list ``ip-addresses`` in DHCPv6."""
    listed = host.get("ip-addresses")
    single = [host["ip-address"]] if "ip-address" in host else []
    return [str(one) for one in [*single, *(listed if isinstance(listed, list) else [])]]


def prefixes_of(host: Mapping[str, Any]) -> List[str]:
    """Return the delegated prefixes of a DHCPv6 reservation, each with its length: ``2001:db8:1::/56``."""
    listed = host.get("prefixes")
    return [str(one) for one in listed] if isinstance(listed, list) else []


def read(text: str) -> Any:
    """Return the value of one map's text. Raises ValueError if Kea cannot read it."""
    (found,) = parse(text).maps
    return found.value


def _blanked(text: str) -> str:
    """Return the text with spaces for each comment and each comma that nothing follows. Offsets and lines stay."""
    return _COMMA.sub(_spaces, _COMMENT.sub(_spaces, text))


def _spaces(found: re.Match[str]) -> str:
    return re.sub(r"[^\n]", " ", found.group()) if found.group("extra") else found.group()


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
