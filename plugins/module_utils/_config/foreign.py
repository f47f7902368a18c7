# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: what a person added or changed inside an element that a run created."""

from __future__ import annotations

import itertools
from typing import Any, Dict, List, Mapping, Optional, Set

from .identity import MEMBERS, NETWORKS, SUBNETS, has_identities, identity, label
from .record import Record, Steps, digest
from .syntax import INCLUDE_KEY, Include, KeaJsonError, same

_WRITTEN_BY_KEA: Dict[str, Any] = {
    "allocator": "iterative",
    "csv-format": True,
    "debuglevel": 0,
    "digest-bits": 0,
    "next-server": "0.0.0.0",  # noqa: S104  # nosec B104  # Kea's word for none
    "pd-allocator": "iterative",
    "relay": {"ip-addresses": []},
}
"""Values that Kea's ``config-write`` adds to what has none."""
_SPACES = ("dhcp4", "dhcp6")
_OUTPUTS = ("output_options", "output-options")
"""Names of the outputs of a logger in Kea 2.2 and in Kea 3.0."""
_WRITTEN_INTO_OUTPUTS = {"flush": True, "maxsize": 10240000, "maxver": 1, "pattern": ""}
_COMPLETED = ("ip-address", "ip-addresses")
"""What a run adds to a reservation without an address, besides the values that it merges."""


def foreign_parts(
    path: Steps, value: Mapping[str, Any], record: Record, inherited: Optional[Mapping[str, Any]] = None
) -> List[str]:
    """Return words for the members of the element at ``path`` that no run wrote. Subnets in it are left out.

    What Kea's ``config-write`` adds is not foreign. ``inherited`` are the members of the maps that the element is in:
    Kea writes those that a subnet or a shared network inherits into it.
    """
    found: List[str] = []
    own = path[-1] if isinstance(path[-1], dict) else {}
    kind = str(path[-2]) if own else ""
    members = _with_comment(value)
    for key, member in members.items():
        if key not in own and not _is_of_kea(kind, key, members, inherited or {}):
            found += _foreign_member((*path, key), member, record)
    return found


def _with_comment(value: Mapping[str, Any]) -> Dict[str, Any]:
    """Return the members with the comment beside the user context, into which Kea writes it."""
    context = value.get("user-context")
    if not isinstance(context, dict) or "comment" in value or not isinstance(context.get("comment"), str):
        return dict(value)
    rest = {key: one for key, one in context.items() if key != "comment"}
    return {**value, "user-context": rest, "comment": context["comment"]}


def _is_of_kea(kind: str, key: str, value: Mapping[str, Any], inherited: Mapping[str, Any]) -> bool:
    """Return whether a member of an element of the list ``kind`` says only what holds without it."""
    member = value.get(key)
    if _is_empty(key, member) or (kind == "reservations" and key in _COMPLETED):
        return True
    if kind in SUBNETS or kind == NETWORKS:
        # Without a minimum and a maximum, both are the lifetime itself.
        lifetime = key.partition("-")[2] if key.startswith(("min-", "max-")) else ""
        alike = [inherited.get(key), value.get(lifetime)]
        return not isinstance(member, (dict, list)) and any(same(one, member) for one in alike)
    # The element was found by these members, whichever of them the variables named.
    return key in MEMBERS.get(kind, ()) or (key == "space" and member in _SPACES)


def _foreign_member(path: Steps, value: Any, record: Record) -> List[str]:
    key, entry = str(path[-1]), record.entry(path)
    if key == INCLUDE_KEY:
        return [f"the members in the included file {one.path}" for one in value]
    if entry is not None and entry.wrote is None and isinstance(value, dict):
        return foreign_parts(path, value, record)
    if isinstance(value, list) and has_identities(key) and (entry is None or entry.wrote is None):
        return [words for one in value if key not in SUBNETS for words in _foreign_element(path, one, record)]
    if key in _OUTPUTS:
        return [] if any(_is_outputs_of_run(path, value, one, record) for one in _OUTPUTS) else [key]
    return [] if entry is not None and entry.wrote in _digests(key, value) else [key]


def _digests(key: str, value: Any) -> List[str]:
    """Return the digests of what a run can have written, where Kea writes ``value``."""
    spellings = [value, value.lower(), value.upper()] if key in ("algorithm", "severity") else [value]
    return [digest(one) for one in spellings]


def _is_outputs_of_run(path: Steps, value: Any, name: str, record: Record) -> bool:
    """Return whether a run wrote these outputs of a logger under this name, without some of what Kea adds."""
    entry = record.entry((*path[:-1], name))
    if entry is None or not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        return False
    sets = itertools.product((True, False), repeat=len(_WRITTEN_INTO_OUTPUTS))
    kept = [set(itertools.compress(_WRITTEN_INTO_OUTPUTS, one)) for one in sets]
    return any(digest([_without_defaults(one, keys) for one in value]) == entry.wrote for keys in kept)


def _without_defaults(value: Mapping[str, Any], kept: Set[str]) -> Dict[str, Any]:
    """Return an output without what Kea adds to it, other than the members ``kept``."""
    added = [key for key, one in _WRITTEN_INTO_OUTPUTS.items() if key in value and same(value[key], one)]
    return {key: one for key, one in value.items() if key not in added or key in kept}


def _foreign_element(path: Steps, value: Any, record: Record) -> List[str]:
    kind = str(path[-1])
    try:
        step = identity(kind, value)
    except KeaJsonError:
        return [kind]
    if not record.owns((*path, step)):
        return [label(kind, step)]
    return [] if isinstance(value, Include) else foreign_parts((*path, step), value, record)


def _is_empty(key: str, value: Any) -> bool:
    """Return whether a member says nothing, as many do that Kea writes."""
    return value is None or value is False or value in ("", [], {}) or _WRITTEN_BY_KEA.get(key) == value
