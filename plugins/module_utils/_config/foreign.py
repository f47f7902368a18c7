# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: what a person added or changed inside an element that a run created."""

from __future__ import annotations

from typing import Any, Dict, List

from .identity import SUBNETS, has_identities, identity, label
from .record import Record, Steps, digest
from .syntax import INCLUDE_KEY, Include, KeaJsonError

_WRITTEN_BY_KEA = {"csv-format": True, "next-server": "0.0.0.0", "space": "dhcp4"}  # noqa: S104  # Kea's word for none
"""Values that Kea's ``config-write`` adds to what has none."""
_COMPLETED = ("ip-address", "ip-addresses")
"""What a run adds to a reservation without an address, besides the values that it merges."""


def foreign_parts(path: Steps, value: Dict[str, Any], record: Record) -> List[str]:
    """Return words for the members of the element at ``path`` that no run wrote. Subnets in it are left out."""
    found: List[str] = []
    own = path[-1] if isinstance(path[-1], dict) else {}
    is_host = len(path) > 1 and path[-2] == "reservations"
    for key, member in value.items():
        if key not in own and not _is_empty(key, member) and not (is_host and key in _COMPLETED):
            found += _foreign_member((*path, key), member, record)
    return found


def _foreign_member(path: Steps, value: Any, record: Record) -> List[str]:
    key, entry = str(path[-1]), record.entry(path)
    if key == INCLUDE_KEY:
        return [f"the members in the included file {one.path}" for one in value]
    if entry is not None and entry.wrote is None and isinstance(value, dict):
        return foreign_parts(path, value, record)
    if isinstance(value, list) and has_identities(key) and (entry is None or entry.wrote is None):
        return [words for one in value if key not in SUBNETS for words in _foreign_element(path, one, record)]
    return [] if entry is not None and entry.wrote == digest(value) else [key]


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
