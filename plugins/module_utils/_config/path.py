# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Paths into a configuration: C(Dhcp4/subnet4[id=1]/pools)."""

from __future__ import annotations

import re
from typing import Any, Dict, List, NamedTuple, Tuple, Union

from .syntax import (
    KeaJsonError,
    literal,
    same,
)

_STEP = re.compile(r"([^/\[\]]+)((?:\[[^\[\]=]+=[^\[\]]*\])*)(?:/|$)")
_CONDITION = re.compile(r"\[([^\[\]=]+)=([^\[\]]*)\]")


class Where(NamedTuple):
    """Picks the element of a list whose members have these values."""

    members: Tuple[Tuple[str, Any], ...]

    def matches(self, value: Any) -> bool:
        """Whether a plain value is such an element."""
        return isinstance(value, dict) and all(k in value and same(value[k], v) for k, v in self.members)

    def __str__(self) -> str:
        return "".join(f"[{key}={value}]" for key, value in self.members)


Path = Tuple[Union[str, Where], ...]


def parse_path(text: str) -> Path:
    """C(Dhcp4/subnet4[id=1]/pools) as steps. Raises KeaJsonError when it cannot be understood.

    Inside brackets a slash is part of the value; a value that reads as a number, boolean or null is one, and double
    quotes make it a string again.
    """
    steps: List[Union[str, Where]] = []
    at = 0
    while at < len(text) or not steps:
        found = _STEP.match(text, at)
        if not found:
            raise KeaJsonError(f"{text!r} is no path such as Dhcp4/interfaces-config or Dhcp4/subnet4[id=1]/pools")
        steps.append(found.group(1))
        if found.group(2):
            steps.append(Where(tuple((key, _loosely(value)) for key, value in _CONDITION.findall(found.group(2)))))
        at = found.end()
    return tuple(steps)


def format_path(path: Path) -> str:
    """The text that C(parse_path) reads as C(path) (but for quotes), for messages and results."""
    return "".join(str(step) if isinstance(step, Where) else "/" + step for step in path)[1:]


def nested(path: Path, value: Any) -> Any:
    """What must be made so that C(path) leads to C(value)."""
    for step in reversed(path):
        value = [with_members(step, value)] if isinstance(step, Where) else {step: value}
    return value


def with_members(where: Where, value: Any) -> Dict[str, Any]:
    """The element C(value) with the members that C(where) looks for, or it would not be found again."""
    if not isinstance(value, dict):
        raise KeaJsonError(f"what stands at {where} must be a map")
    for key, member in where.members:
        if key in value and not same(value[key], member):
            raise KeaJsonError(f"{key} is {value[key]!r} in the value, but {member!r} in its path")
    return {**dict(where.members), **value}


def _loosely(text: str) -> Any:
    """A value in a path: a JSON scalar if it can be read as one, else the text itself."""
    try:
        return literal(text)
    except KeaJsonError:
        return text
