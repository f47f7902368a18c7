# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: copies of nested maps and lists, made without recursion."""

from __future__ import annotations

from typing import Any, Callable, Iterable, List, Tuple

Shape = Tuple[Any, Iterable[Tuple[Any, Any]]]
"""Copy of a value with places for its children, and the children by their places."""


def rebuild(root: Any, shape: Callable[[Any], Shape]) -> Any:
    """Return a copy of nested maps and lists, made without recursion.

    ``shape`` returns the copy of one value with a place for each of its children, and the children by their places.
    """
    holder: List[Any] = [None]
    pending: List[Tuple[Any, Any, Any]] = [(holder, 0, root)]
    while pending:
        into, place, value = pending.pop()
        into[place], children = shape(value)
        pending += [(into[place], key, child) for key, child in children]
    return holder[0]
