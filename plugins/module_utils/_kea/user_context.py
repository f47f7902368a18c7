# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: what Kea itself writes into the user context of a lease: the map ``ISC``."""

from __future__ import annotations

import json
from typing import Any, Mapping

_OWNED = "ISC"


def owned(context: object, key: str) -> Any:
    """Return what Kea keeps under this key of a lease's user context, or None.

    ``context`` is its JSON, or the map in it. It raises nothing: a user context is anyone's, and may have been written
    by another program.
    """
    if isinstance(context, str):
        if key not in context:
            return None
        try:
            context = json.loads(context)
        except (ValueError, RecursionError):
            return None
    found = context.get(_OWNED) if isinstance(context, Mapping) else None
    return found.get(key) if isinstance(found, Mapping) else None


def of(key: str, value: object) -> str:
    """Return a user context in JSON in which Kea keeps this value under this key."""
    return json.dumps({_OWNED: {key: value}})


def shown(octets: bytes) -> str:
    """Return text if all octets are printable ASCII, which most identifiers are, else lower-case hex with colons."""
    return octets.decode("ascii") if all(0x20 <= octet < 0x7F for octet in octets) else octets.hex(":")
