# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: what the reservations of both families have in common, as maps of Kea's configuration."""

from __future__ import annotations

import json
from typing import Any, Dict, Mapping, NamedTuple, Tuple

from .._kea import identifiers

Key = Tuple[bytes, int, int]
"""Identifier, its type (index in ``identifiers.TYPES``), subnet. A subnet has at most one reservation of them."""

_LISTS = ("option-data", "client-classes", "ip-addresses", "prefixes", "excluded-prefixes")
"""Keys of a map with lists, which mean nothing if they are empty."""


class Common(NamedTuple):
    """What each map has; empty for what is not set."""

    identifier: bytes
    identifier_type: int
    hostname: str
    client_classes: str
    user_context: str
    rest: Dict[str, Any]
    """Its other keys."""


def common(host: Mapping[str, Any]) -> Common:
    """Return these fields of a map. Raises ValueError."""
    for key in _LISTS:
        if not isinstance(host.get(key, []), list):
            raise ValueError(f"{key} of a reservation must be a list, not {json.dumps(host[key])}")
    if not isinstance(host.get("user-context") or {}, dict):
        raise ValueError(f"user-context of a reservation must be a map, not {json.dumps(host['user-context'])}")
    rest = {key: value for key, value in host.items() if value != "" and not (key in _LISTS and value == [])}
    kinds = [kind for kind in identifiers.TYPES if kind in rest]
    if len(kinds) != 1:
        raise ValueError(f"a reservation needs one of {', '.join(identifiers.TYPES)}")
    context = rest.pop("user-context", {})
    if "comment" in rest:
        context = {**context, "comment": rest.pop("comment")}
    return Common(
        identifier=identifiers.parse(str(rest.pop(kinds[0]))),
        identifier_type=identifiers.TYPES.index(kinds[0]),
        hostname=str(rest.pop("hostname", "")),
        client_classes=",".join(rest.pop("client-classes", [])),
        user_context=json.dumps(context) if context else "",
        rest=rest,
    )


def refuse(rest: Mapping[str, Any], text: str, family: int) -> None:
    """Raise ValueError if a reservation, named by ``text``, has further keys."""
    if rest:
        raise ValueError(
            f"the reservation for {text} has {', '.join(sorted(rest))}, which cannot be moved to a database. Move this "
            f"reservation from the file to the subnet itself (kea_dhcp{family}_subnets), where it stays in force"
        )


def named(key: Key) -> str:
    """Return the identifier and the subnet for messages."""
    return f"{identifiers.TYPES[key[1]]} {identifiers.spell(key[0])} in subnet {key[2]}"


def begun(key: Key) -> Dict[str, Any]:
    """Return a map with the identifier."""
    return {identifiers.TYPES[key[1]]: identifiers.spell(key[0])}


def finished(host: Dict[str, Any], client_classes: str, user_context: str) -> Dict[str, Any]:
    """Return a map with what is stored as text."""
    if client_classes:
        host["client-classes"] = [name.strip() for name in client_classes.split(",")]
    if user_context:
        host["user-context"] = json.loads(user_context)
    return host
