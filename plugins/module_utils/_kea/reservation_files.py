# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: the file of managed reservations that Kea's configuration includes, and the parts that it includes itself.

Beside 100,000 reservations a new one must not cost a new copy of all. So most of them stand in parts, which are never
changed, and the file has a line for each part and then the latest reservations. Its rename changes all of it at once.
"""

from __future__ import annotations

import os
import re
from typing import List, Sequence

from . import tree

LOCK = ".lock"
"""File beside them. Who writes them holds its lock: the applier, or a play that has reservations give way."""

_LINE = re.compile(rb'<\?include "([^"\n]*)"\?>(?=,?\n)')
_PART = re.compile(r"subnet-[0-9]{1,10}\.[0-9]{1,12}\.json")


def part_name(subnet: int, number: int) -> str:
    """Return the name of a part, which lies beside the file that includes it."""
    return f"subnet-{subnet}.{number}.json"


def is_part(name: str) -> bool:
    """Return whether a file of this name is a part."""
    return _PART.fullmatch(name) is not None


def parts(content: bytes) -> List[str]:
    """Return the names of the parts that a file with this content includes, in order."""
    return [name for name in map(_name, _LINE.findall(content)) if is_part(name)]


def _name(path: bytes) -> str:
    return os.path.basename(os.fsdecode(path))


def joined(directory: str, names: Sequence[str], latest: bytes) -> bytes:
    """Return the content of a file that includes these parts of its directory and has the latest reservations."""
    lines = [b'<?include "%s"?>' % os.fsencode(os.path.join(directory, name)) for name in names]
    return b",\n".join([*lines, latest]) if latest else b",\n".join(lines) + b"\n" if lines else b""


def latest(content: bytes) -> bytes:
    """Return a file's content without its parts."""
    found = list(_LINE.finditer(content))
    return content[found[-1].end() :].lstrip(b",\n") if parts(content) else content


def whole(path: str, follow: bool = False) -> bytes:
    """Return the content of the file as Kea reads it: each part in its place. Raises OSError.

    The line of a part that is missing stays, which is no reservation. A link is followed only with ``follow``, and
    never to a part: Kea's user may write into the directory.
    """
    content, directory = _read(path, follow), os.path.dirname(path)

    def _inserted(line: "re.Match[bytes]") -> bytes:
        name = _name(line[1])
        try:
            return _read(os.path.join(directory, name)).rstrip(b"\n") if is_part(name) else line[0]
        except FileNotFoundError:
            return line[0]

    return _LINE.sub(_inserted, content) if parts(content) else content


def text(path: str, follow: bool = False) -> str:
    """Return ``whole`` as text; surrogates stand for bytes that are not UTF-8. Raises OSError."""
    return whole(path, follow).decode("utf-8", "surrogateescape")


def _read(path: str, follow: bool = False) -> bytes:
    with tree.at(path, follow=follow) as spot:
        return spot.read()
