# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: a state of nested mappings and lists as text for a diff, in the form of YAML but without a library."""

from __future__ import annotations

import json
from typing import Any, Dict, List, Mapping


def render(state: Any) -> str:
    """Return one line per value with sorted keys, so that a diff shows only what differs; long texts are blocks."""
    return "".join(line + "\n" for line in _lines(state))


def diff(before: Any, after: Any) -> Dict[str, str]:
    """Return the value of ``diff`` in a module's result."""
    return {"before": render(before), "after": render(after)}


def _lines(value: Any) -> List[str]:
    if isinstance(value, Mapping) and value:
        return [line for key, item in sorted(value.items()) for line in _entry(key + ":", item)]
    if isinstance(value, list) and value:
        return [line for item in value for line in _entry("-", item)]
    return [_scalar(value)]


def _entry(head: str, value: Any) -> List[str]:
    if isinstance(value, str) and "\n" in value:
        return [head + " |", *("  " + line for line in value.strip("\n").split("\n"))]
    if isinstance(value, (Mapping, list)) and value:
        return [head, *("  " + line for line in _lines(value))]
    return [f"{head} {_scalar(value)}"]


def _scalar(value: Any) -> str:
    """Return plain text as it is, and everything else as JSON, which is also YAML."""
    return value if isinstance(value, str) and value else json.dumps(value)
