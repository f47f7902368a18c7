# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: what a relay said of a client, as Kea keeps it in the user context of a lease.

Kea does so only with ``store-extended-info``. For DHCPv4 the user context has option 82: up to 2.2 as one number in
hex, ``{"ISC": {"relay-agent-info": "0x0104..."}}``, in later versions as a map with that number in ``sub-options``.
For DHCPv6 it has a list of all relays with what each said,
``{"ISC": {"relay-info": [{"hop": 0, "options": "0x0012..."}]}}``; up to 2.2 its name is ``relays``.
"""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, NamedTuple

from . import identifiers, user_context

CIRCUIT_ID, REMOTE_ID = 1, 2
"""Sub-options of option 82 (RFC 3046)."""

INTERFACE_ID, REMOTE_ID6 = 18, 37
"""Options of a DHCPv6 relay that tell the same (RFC 8415, 4649)."""

_ENTERPRISE = 4
"""Octets in front of the identifier in option 37: the number of who defined it."""

_KEY = "relay-agent-info"
_KEYS6 = ("relay-info", "relays")

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

    Of several DHCPv6 relays, the one next to the client counts that says it. It raises nothing: a user context is
    anyone's, and may have been written by another program.
    """
    found = _said(context)
    if found:
        return Relay(user_context.shown(found.get(CIRCUIT_ID, b"")), user_context.shown(found.get(REMOTE_ID, b"")))
    relays = _relays6(context)
    ports = [said[INTERFACE_ID] for said in relays if said.get(INTERFACE_ID)]
    switches = [said[REMOTE_ID6][_ENTERPRISE:] for said in relays if said.get(REMOTE_ID6, b"")[_ENTERPRISE:]]
    return Relay(*(user_context.shown(each[0]) if each else "" for each in (ports, switches)))


def circuit_id(context: object) -> str:
    """Return the bytes of a DHCPv4 port's identifier in hex with colons, as Kea compares them; see ``of_context``."""
    return identifiers.spell(_said(context).get(CIRCUIT_ID, b""))


def context_of(circuit: str) -> str:
    """Return a user context that tells this port's identifier, in hex with colons; empty for none, or one too long."""
    octets = bytes.fromhex(circuit.replace(":", ""))
    if not 0 < len(octets) <= _LONGEST:
        return ""
    return user_context.of(_KEY, {"sub-options": f"0x{bytes([CIRCUIT_ID, len(octets)]).hex()}{octets.hex()}"})


def _said(context: object) -> Dict[int, bytes]:
    """Return the first sub-option of each code of option 82; none if the context tells of none."""
    info = user_context.owned(context, _KEY)
    return _options(info.get("sub-options") if isinstance(info, Mapping) else info, 1)


def _relays6(context: object) -> List[Dict[int, bytes]]:
    """Return the options of each DHCPv6 relay, that next to the client first."""
    for key in _KEYS6:
        found = user_context.owned(context, key)
        if isinstance(found, list):
            relays = [each for each in found if isinstance(each, Mapping)]
            return [_options(each.get("options"), 2) for each in sorted(relays, key=_hop)]
    return []


def _hop(relay: Mapping[str, Any]) -> int:
    """Return the number of relays between this one and the client."""
    hop = relay.get("hop")
    return hop if isinstance(hop, int) else 0


def _options(text: object, width: int) -> Dict[int, bytes]:
    """Return the options in this text in hex; none for anything else. See ``_split``."""
    try:
        return _split(identifiers.parse(text), width) if isinstance(text, str) else {}
    except ValueError:
        return {}


def _split(data: bytes, width: int) -> Dict[int, bytes]:
    """Return the first option of each code, which has ``width`` octets, as has the length after it.

    Raises ValueError for data that ends within an option.
    """
    found: Dict[int, bytes] = {}
    while data:
        code, length = (int.from_bytes(data[at : at + width], "big") for at in (0, width))
        end = 2 * width + length
        if len(data) < 2 * width or len(data) < end:
            raise ValueError("the relay's options are cut off")
        found.setdefault(code, data[2 * width : end])
        data = data[end:]
    return found
