# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: what in a configuration is secret, and the configuration without it.

A pattern tells, not a list: Kea, its hooks and sites name their secrets as they like. A key of a file is no secret.
"""

from __future__ import annotations

import json
import re
from typing import Any, Iterator, List, Tuple

from .rebuilding import Shape, rebuild
from .syntax import INCLUDE_KEY, Include, Node

MASK = "********"

_SECRET = re.compile(r"passw|passphrase|secret|token|credential|authorization|^basic-auth$|[-_]key$", re.IGNORECASE)
_LOCATION = re.compile(r"(?:file|path|dir|directory)$", re.IGNORECASE)
# A number or a word such as "token-lifetime" says how long, and not which.
_VALUE = re.compile(r"(?:passw(?:or)?d|passphrase|secret|token|key)s?$", re.IGNORECASE)
# The password in http://user:password@host/.
_URL = re.compile(r"(?<=://)([^/?#\s\"@:]*):([^/?#\s\"]+)(?=@)")
_STRING = r'"((?:[^"\\\n]|\\.)*)"'
# A member in a comment, which the parser passes over.
_MEMBER = re.compile(_STRING + r"\s*:\s*" + _STRING)


SHORTEST = 8
"""Characters of a secret in a comment that is masked wherever it occurs."""


def is_secret(key: str) -> bool:
    """Return whether the values below this key are secret. A key may be a path, as Dhcp4/lease-database/password."""
    name = key.rsplit("/", 1)[-1]
    return bool(_SECRET.search(name)) and not _LOCATION.search(name)


def secrets_in(value: Any) -> List[str]:
    """Return every secret inside a value, as text."""
    found: List[str] = []
    pending: List[Tuple[Any, str]] = [(value, "")]
    while pending:
        one, key = pending.pop()
        if isinstance(one, dict):
            # The path of an included file is no secret.
            below = [
                (member, str(name) if is_secret(str(name)) else key)
                for name, member in one.items()
                if name != INCLUDE_KEY
            ]
            pending += below[::-1]
        elif isinstance(one, (list, tuple)) and not isinstance(one, Include):
            pending += [(element, key) for element in one][::-1]
        elif isinstance(one, str):
            found += [one] if key else [match.group(2) for match in _URL.finditer(one)]
        elif _is_secret_number(key, one):
            found.append(str(one))
    return found


def secrets_in_text(text: str) -> List[str]:
    """Return every secret in the comments of a configuration, and in members that stand in its texts.

    A member shorter than SHORTEST is left out. Debian's example has the password "kea" in a comment: masked wherever it
    occurs, that word would make every message unreadable. ``masks`` hides it where it stands.
    """
    members = [match.group(2) for match in _MEMBER.finditer(text) if is_secret(match.group(1))]
    return [one for one in members if len(one) >= SHORTEST] + [match.group(2) for match in _URL.finditer(text)]


def without_secrets(value: Any) -> Any:
    """Return a value for output: without its secrets, and an Include as ``from_plain`` reads it."""
    return rebuild(value, _shape)


def masks(text: str, root: Node) -> Iterator[Tuple[int, int, str]]:
    """Yield start, end and replacement of each secret in a text, and in its comments. They do not overlap."""
    found = {(start, end): json.dumps(MASK) for start, end in _scalars(root)}
    for match in _MEMBER.finditer(text):
        if is_secret(match.group(1)):
            found[(match.start(2) - 1, match.end(2) + 1)] = json.dumps(MASK)
    for match in _URL.finditer(text):
        found[match.span(2)] = MASK
    end = 0
    for span, mask in sorted(found.items(), key=lambda one: (one[0][0], -one[0][1])):
        if span[0] >= end:
            yield (*span, mask)
            end = span[1]


def _scalars(root: Node) -> Iterator[Tuple[int, int]]:
    pending = [(root, "")]
    while pending:
        node, key = pending.pop()
        pending += [(item.node, item.key if item.key and is_secret(item.key) else key) for item in node.items]
        if node.kind == "scalar" and key and (isinstance(node.scalar, str) or _is_secret_number(key, node.scalar)):
            yield node.start, node.end


def _is_secret_number(key: str, value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and bool(_VALUE.search(key))


def _shape(value: Any) -> Shape:
    if isinstance(value, Include):
        return {INCLUDE_KEY: value.path}, ()
    if isinstance(value, dict):
        kept = {key: member for key, member in value.items() if not is_secret(key)}
        return dict.fromkeys(kept), list(kept.items())
    if isinstance(value, list):
        return [None] * len(value), list(enumerate(value))
    if isinstance(value, str):
        return _URL.sub(rf"\1:{MASK}", value), ()
    return value, ()
