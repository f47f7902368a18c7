# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: paths into a configuration, such as ``Dhcp4/subnet4[id=1]/pools``."""

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
        """Return whether a plain value is such an element."""
        return isinstance(value, dict) and all(k in value and same(value[k], v) for k, v in self.members)

    def __str__(self) -> str:
        return "".join(f"[{key}={value}]" for key, value in self.members)


Path = Tuple[Union[str, Where], ...]


def parse_path(text: str) -> Path:
    """Split ``Dhcp4/subnet4[id=1]/pools`` into steps. Raises KeaJsonError if that is no path.

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
    """Return the text of a path, for messages and results; the reverse of ``parse_path``, without quotes."""
    return "".join(str(step) if isinstance(step, Where) else "/" + step for step in path)[1:]


def nested(path: Path, value: Any) -> Any:
    """Return what must be created so that ``path`` leads to ``value``."""
    for step in reversed(path):
        value = [with_members(step, value)] if isinstance(step, Where) else {step: value}
    return value


def with_members(where: Where, value: Any) -> Dict[str, Any]:
    """Add the members that ``where`` looks for to the element ``value``, so that it is found again."""
    if not isinstance(value, dict):
        raise KeaJsonError(f"the value at {where} must be a map")
    for key, member in where.members:
        if key in value and not same(value[key], member):
            raise KeaJsonError(f"{key} is {value[key]!r} in the value, but {member!r} in its path")
    return {**dict(where.members), **value}


def _loosely(text: str) -> Any:
    """Return a value in a path: a JSON scalar if it can be read as one, or else the text itself."""
    try:
        return literal(text)
    except KeaJsonError:
        return text
