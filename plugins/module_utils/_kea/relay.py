# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: what a DHCPv4 relay said of a client, as Kea keeps it in the user context of a lease.

Kea does so only with ``store-extended-info``. Up to 2.2 the user context has option 82 as one number in hex,
``{"ISC": {"relay-agent-info": "0x0104..."}}``; later versions have a map, with that number in ``sub-options``.
No version keeps the client's own options, such as its vendor class (option 60).
"""

from __future__ import annotations

import json
from typing import Any, Dict, Mapping, NamedTuple

from . import identifiers

CIRCUIT_ID, REMOTE_ID = 1, 2
"""Sub-options of option 82 (RFC 3046)."""

_KEY = "relay-agent-info"

_LONGEST = 255
"""Octets of a sub-option."""


class Relay(NamedTuple):
    """Where a client is, in the words of its relay; empty for what is not known.

    Text if all octets are printable ASCII, which the identifiers of most switches are, else lower-case hex with colons.
    """

    circuit_id: str = ""
    """The port, as a rule."""
    remote_id: str = ""
    """The switch, as a rule."""


def of_context(context: object) -> Relay:
    """Return what the relay said, from a lease's user context: its JSON, or the map in it.

    It raises nothing: a user context is anyone's, and may have been written by another program.
    """
    found = _said(context)
    return Relay(_shown(found.get(CIRCUIT_ID, b"")), _shown(found.get(REMOTE_ID, b"")))


def circuit_id(context: object) -> str:
    """Return the bytes of the port's identifier in hex with colons, as Kea compares them; see ``of_context``."""
    return identifiers.spell(_said(context).get(CIRCUIT_ID, b""))


def context_of(circuit: str) -> str:
    """Return a user context that tells this port's identifier, in hex with colons; empty for none, or one too long."""
    octets = bytes.fromhex(circuit.replace(":", ""))
    if not 0 < len(octets) <= _LONGEST:
        return ""
    return json.dumps({"ISC": {_KEY: {"sub-options": f"0x{bytes([CIRCUIT_ID, len(octets)]).hex()}{octets.hex()}"}}})


def _said(context: object) -> Dict[int, bytes]:
    """Return the first sub-option of each code; none if the context tells of none."""
    if isinstance(context, str):
        if _KEY not in context:
            return {}
        try:
            context = json.loads(context)
        except (ValueError, RecursionError):
            return {}
    try:
        return _sub_options(identifiers.parse(_option(context)))
    except ValueError:
        return {}


def _option(context: object) -> str:
    """Return option 82 in hex. Raises ValueError if there is none."""
    owned: Any = context.get("ISC") if isinstance(context, Mapping) else None
    info: Any = owned.get(_KEY) if isinstance(owned, Mapping) else None
    text = info.get("sub-options") if isinstance(info, Mapping) else info
    if not isinstance(text, str):
        raise ValueError("no relay's option")
    return text


def _sub_options(data: bytes) -> Dict[int, bytes]:
    """Return the first sub-option of each code. Raises ValueError for data that ends within one."""
    found: Dict[int, bytes] = {}
    while data:
        if len(data) < 2 or len(data) < 2 + data[1]:
            raise ValueError("the relay's option is cut off")
        found.setdefault(data[0], data[2 : 2 + data[1]])
        data = data[2 + data[1] :]
    return found


def _shown(octets: bytes) -> str:
    printable = all(0x20 <= octet < 0x7F for octet in octets)
    return octets.decode("ascii") if printable else identifiers.spell(octets)
