# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: a file of reservations that a configuration includes: host maps with commas between, no brackets around.

The monitor changes its own file by lines at the end, so that a change costs the same beside any number of reservations.
A map after ``REPLACES`` takes the place of the client's map before it, and one after ``REMOVED`` only names the client
whose map before it is gone. Both are comments in Kea's grammar. Of several maps of a client, the last one is meant.
"""

from __future__ import annotations

import json
import re
from typing import Any, Callable, Dict, Iterable, Iterator, List, Mapping, NamedTuple, Tuple, TypeVar

from . import identifiers
from .host_commands import is_empty

MARK = "kea-lease-monitor"
"""Key in the user context of each managed reservation."""

GIVEN = "baremetal.kea"
"""Key in the user context of each reservation of the variable ``kea_reservations`` in a database."""

KEYS = frozenset({*identifiers.TYPES, "ip-address", "ip-addresses", "prefixes", "hostname", "user-context"})
"""Keys that the monitor may set in a map."""

_CHANGES = REPLACES, REMOVED = "/*replaces*/", "/*removed*/"

# What Kea's grammar allows between two maps: white space, commas and its three kinds of comment (dhcp4_lexer.ll).
_GAP = re.compile(r"(?:[\s,]+|#[^\n]*|//[^\n]*|/\*.*?\*/)*", re.DOTALL)
_AROUND = re.compile(r"^[\s,]+|[\s,]+$")
_GROUP = 65536
"""Bytes that ``Stream`` parses at once, at least."""
# What Kea's grammar allows inside a map and JSON does not. Strings come first, so that nothing inside one is found.
_STRING = r'"(?:[^"\\]|\\.)*"'
_COMMENT = re.compile(rf"{_STRING}|(?P<extra>#[^\n]*|//[^\n]*|/\*.*?\*/)", re.DOTALL)
_COMMA = re.compile(rf"{_STRING}|(?P<extra>,(?=\s*[}}\]]))", re.DOTALL)

_T = TypeVar("_T")


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
    at: int = 0
    """Where it begins, in characters; in bytes if ``Stream`` read it."""
    change: str = ""
    """REPLACES, REMOVED, or empty."""


class HostMaps(NamedTuple):
    """All reservations of a file."""

    maps: List[HostMap]
    comment: str
    """What stands after the last one, like ``HostMap.comment``."""


def parse(text: str) -> HostMaps:
    """Return what counts in the text of such a file, each map in the place of the one that it replaces.

    Raises ValueError with the line of a reservation that Kea cannot read. A last line that the monitor could not append
    to its end is left out.
    """
    found = _split(text)
    if not any(one.change for one in found.maps):
        return found
    counting = latest((one, one) for one in found.maps)
    maps: List[HostMap] = []
    comment = ""
    for number, one in enumerate(found.maps):
        comment = joined(comment, one.comment)
        if number in counting:
            maps.append(counting[number]._replace(comment=comment, change=""))
            comment = ""
    return HostMaps(maps, joined(comment, found.comment))


def latest(entries: Iterable[Tuple[HostMap, _T]]) -> Dict[int, _T]:
    """Return what counts of the values of all maps of a file, by the number of the map in whose place it stands."""
    found: Dict[int, _T] = {}
    places: Dict[str, int] = {}
    for number, (one, value) in enumerate(entries):
        name = client(one.value)
        place = places.pop(name, None) if one.change else None
        if one.change == REMOVED:
            if place is not None:
                del found[place]
            continue
        place = number if place is None else place
        found[place] = value
        if name:
            places[name] = place
    return found


def client(value: Any) -> str:
    """Return the kind and the bytes of a map's identifier: ``hw-address 02:00:00:00:00:01``; empty if it has none."""
    for kind in identifiers.TYPES if isinstance(value, dict) else ():
        if kind in value:
            spelled = _spelled(value[kind])
            return f"{kind} {spelled}" if spelled else ""
    return ""


def _spelled(identifier: Any) -> str:
    try:
        return identifiers.normal(identifier)
    except (ValueError, AttributeError):
        pass
    try:
        return identifiers.spell(identifiers.parse(identifier))
    except (ValueError, AttributeError):
        return ""


class Stream:
    """All maps of a file one after another, as they stand there. A file with a million maps takes no memory."""

    def __init__(self, lines: Iterable[bytes]) -> None:
        """``lines`` are those of the file. ``at`` of each map counts its bytes."""
        self._lines = lines
        self.comment = ""
        """What stands after the last map, once all were read."""

    def __iter__(self) -> Iterator[HostMap]:
        """Yield the maps. Raises as ``parse``."""
        group: List[bytes] = []
        size, enough, begin, line = 0, _GROUP, 0, 1
        for each in self._lines:
            group.append(each)
            size += len(each)
            if size < enough:
                continue
            text = b"".join(group).decode("utf-8", "surrogateescape")
            try:
                found = _split(text, line)
            except ValueError:
                # A map, or a comment, goes on in the next line.
                enough = 2 * size
                continue
            yield from self._placed(found, text, begin)
            begin, line = begin + size, line + len(group)
            group, size, enough = [], 0, _GROUP
        text = b"".join(group).decode("utf-8", "surrogateescape")
        yield from self._placed(_split(text, line), text, begin)

    def _placed(self, found: HostMaps, text: str, begin: int) -> Iterator[HostMap]:
        """Yield the maps of a text that begins at this byte of the file."""
        characters, at = 0, begin
        for one in found.maps:
            at += len(text[characters : one.at].encode("utf-8", "surrogateescape"))
            characters = one.at
            yield HostMap(joined(self.comment, one.comment), one.text, one.value, one.line, at, one.change)
            self.comment = ""
        self.comment = joined(self.comment, found.comment)


def joined(*comments: str) -> str:
    """Return comments as one, each in lines of its own."""
    return "\n".join(filter(None, comments))


def _split(text: str, line: int = 1) -> HostMaps:
    """Return all maps of a text that begins in this line."""
    try:
        return _parsed(text, text, line)
    except ValueError:
        # Only now, because it takes ten times as long, and few files have comments inside a map.
        return _parsed(text, _blanked(text), line, can_be_torn=True)


def _parsed(text: str, plain: str, line: int, can_be_torn: bool = False) -> HostMaps:
    """Split the text. ``plain`` has the same maps at the same offsets."""
    decoder, at = json.JSONDecoder(), 0
    found: List[HostMap] = []
    while True:
        gap = _GAP.match(text, at)
        begin = gap.end() if gap else at
        change, comment = _comment(text[at:begin])
        if begin == len(text):
            return HostMaps(found, comment)
        line += text.count("\n", at, begin)
        try:
            value, at = decoder.raw_decode(plain, begin)
        except (ValueError, RecursionError) as error:
            if can_be_torn and _is_torn(text, begin):
                return HostMaps(found, comment)
            raise ValueError(f"the reservation that begins in line {line} is not valid: {error}") from error
        found.append(HostMap(comment, text[begin:at], value, line, begin, change))
        line += text.count("\n", begin, at)


def _comment(gap: str) -> Tuple[str, str]:
    """Return the change that is said before a map, and the comment there without it."""
    if not gap.strip(",\n "):
        return "", ""
    # Only right before the map, as ``line`` writes it: one that ends a file must not change a map that follows later.
    change = next((one for one in _CHANGES if gap.endswith(one)), "")
    return change, _AROUND.sub("", gap[: len(gap) - len(change)])


def _is_torn(text: str, begin: int) -> bool:
    """Return whether the line of this map, which is not valid, is one that the monitor could not append to its end.

    A crash left it, before it was acknowledged.
    """
    head, rest = text[text.rfind("\n", 0, begin) + 1 : begin], text[begin:]
    if "\n" in rest:
        return False
    is_map = head in (",", *(f",{change}" for change in _CHANGES)) and rest.startswith("{")
    return is_map or (head == "," and any(change.startswith(rest) for change in _CHANGES))


def addresses_of(host: Mapping[str, Any]) -> List[str]:
    """Return the addresses of a reservation: ``ip-address`` in DHCPv4, the list ``ip-addresses`` in DHCPv6."""
    listed = host.get("ip-addresses")
    single = [host["ip-address"]] if "ip-address" in host else []
    return [str(one) for one in [*single, *(listed if isinstance(listed, list) else [])]]


def prefixes_of(host: Mapping[str, Any]) -> List[str]:
    """Return the delegated prefixes of a DHCPv6 reservation, each with its length: ``2001:db8:1::/56``."""
    listed = host.get("prefixes")
    return [str(one) for one in listed] if isinstance(listed, list) else []


def is_managed(host: Mapping[str, Any]) -> bool:
    """Return whether a map has the mark and nothing of a person, as Kea writes a managed reservation by config-write.

    Kea adds the keys that a reservation does not have, with empty values.
    """
    context = host.get("user-context")
    marked = isinstance(context, dict) and set(context) == {MARK}
    return marked and all(key in KEYS or is_empty(value) for key, value in host.items())


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
    return "".join(pieces(maps, lambda: comment))


def pieces(maps: Iterable[Tuple[str, str]], comment: Callable[[], str]) -> Iterator[str]:
    """Yield the text that ``render`` returns, piece by piece. ``comment`` is called after the last of the maps."""
    end = ""
    for before, text in maps:
        yield "".join([end, before, "\n" if before else "", text])
        end = ",\n"
    last = comment()
    yield f"{end[1:]}{last}\n" if last or not end else end[1:]


def compacted(content: bytes) -> bytes:
    """Return the content of such a file without the maps that do not count. Raises as ``parse``.

    Releases up to 1.1.0 read every map as one that counts.
    """
    if not any(change.encode() in content for change in _CHANGES):
        return content
    found = parse(content.decode("utf-8", "surrogateescape"))
    return render(((one.comment, one.text) for one in found.maps), found.comment).encode("utf-8", "surrogateescape")


def line(text: str, change: str = "") -> str:
    """Return the line that adds a map, given as text, to the end of such a file."""
    return f",{change}{text}\n"
