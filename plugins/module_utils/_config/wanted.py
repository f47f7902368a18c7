# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: the values that are merged into a configuration, as users write them and as Kea has them."""

from __future__ import annotations

from typing import Any, Dict, List, NamedTuple, Sequence, Set

from .document import Document
from .identity import OPAQUE, SUBNETS, alike, has_identities, identity, natural_key, words
from .options import Options
from .record import Steps
from .syntax import INCLUDE_KEY, KeaJsonError, from_plain
from .tree import Tree

PRESENT, ABSENT, FOUND = "present", "absent", "found"


class Wanted(NamedTuple):
    """What is merged."""

    top: str
    values: Dict[str, Any]
    """Members of the map at the top, as ``plain`` returns them."""
    exclusive: bool = False
    """Whether subnets and shared networks that are not named are removed."""
    may_remove: bool = False
    """Whether elements of earlier runs go with what another hand added to them."""
    besides: Sequence[Steps] = ()
    """Paths of elements that another option of the module sets. An element that a run created this way is ours."""


class Element(NamedTuple):
    """An element of a list with identities."""

    value: Any
    """The element, without its state."""
    is_absent: bool
    is_found: bool = False
    """Whether it is merged only into what is there and no earlier run created."""


class Elements(List[Element]):
    """A list whose elements are found by their identities."""


def plain(values: Any, kind: str = "") -> Any:
    """Return values as Kea has them: includes become Include, lists with identities Elements.

    Raises KeaJsonError.
    """
    if isinstance(values, dict) and INCLUDE_KEY not in values:
        return {key: from_plain(one) if key in OPAQUE else plain(one, key) for key, one in values.items()}
    if isinstance(values, list) and has_identities(kind) and all(isinstance(one, dict) for one in values):
        return Elements(_element(kind, one) for one in values)
    return from_plain(values)


def options_of(document: Document, wanted: Wanted) -> Options:
    """Return the options that the configuration or the wanted values define."""
    places = [wanted.values, *_maps(wanted.values.get("client-classes"))]
    listed = [one for place in places for one in _maps(place.get("option-def"))]
    return Options(wanted.top, [*Tree(document, wanted.top).definitions(), *listed])


def _maps(value: Any) -> List[Dict[str, Any]]:
    return [one.value for one in value if isinstance(one.value, dict)] if isinstance(value, Elements) else []


def _element(kind: str, value: Dict[str, Any]) -> Element:
    state = value.get("state", PRESENT) if kind not in ("loggers",) else PRESENT
    states = (PRESENT, ABSENT, *((FOUND,) if kind in SUBNETS else ()))
    if state not in states:
        raise KeaJsonError(f"state of an element of {kind} is {' or '.join(states)}, not {state!r}")
    # The id 0 asks Kea to choose one.
    has_id = kind not in SUBNETS or value.get("id") != 0
    made = plain({key: one for key, one in value.items() if key != "state" and (has_id or key != "id")})
    return Element(made, state == ABSENT, state == FOUND)


def is_nothing(value: Any) -> bool:
    """Return whether a list with identities names no element that exists or is created."""
    return isinstance(value, Elements) and all(one.is_absent for one in value)


def bare(value: Any) -> Any:
    if isinstance(value, Elements):
        return [bare(one.value) for one in value if not one.is_absent]
    if isinstance(value, dict):
        return {key: bare(one) for key, one in value.items()}
    return value


def check_doubles(value: Any, path: Steps, options: Options) -> None:
    """Raise KeaJsonError if two elements of a list are the same one."""
    if isinstance(value, Elements):
        kind = str(path[-1])
        keys: Set[Any] = set()
        for number, one in enumerate(value):
            wanted = identity(kind, one.value)
            if kind in SUBNETS:
                is_double = any(alike(kind, wanted, other.value, options) for other in value[:number])
            else:
                key = natural_key(kind, wanted, options)
                is_double = key in keys
                keys.update([key] if key is not None else [])
            if is_double:
                raise KeaJsonError(f"{words((*path, wanted))} is named twice")
            check_doubles(one.value, (*path, wanted), options)
    elif isinstance(value, dict):
        for key, one in value.items():
            check_doubles(one, (*path, key), options)
