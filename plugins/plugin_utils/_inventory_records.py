# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: records of the inventory: one lease, reservation or discovery file, whatever source it was read from."""

from __future__ import annotations

import ipaddress
import json
import re
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence

from ..module_utils._errors import KeaError
from ..module_utils._kea import hwaddr_source

LEASE, RESERVATION = "leases", "reservations"
"""Kinds of records, as the option ``records`` names them."""

STATES = ("assigned", "declined", "reclaimed", "released", "registered")
"""States of a lease. The index is Kea's number."""

EXPIRED, UNKNOWN = "expired", "unknown"

MARK = "kea-lease-monitor"
"""Key in the user context of a reservation that the lease monitor wrote."""

_LINK_LAYER = re.compile(r"00:0[13]:.*")
"""DUID-LLT and DUID-LL, which end with a link-layer address."""

_HEX = re.compile(r"[0-9a-f]{2}(?::[0-9a-f]{2})*")


class InventoryError(KeaError):
    """Ends the inventory source: names the option, the object and what to do."""


class Record(NamedTuple):
    """What one row, answer or file says of a client. Identifiers are lower-case hex with colons; empty for none."""

    kind: str
    family: int
    addresses: List[str]
    subnet_id: int
    hwaddr: str = ""
    client_id: str = ""
    duid: str = ""
    other_id: str = ""
    """Another identifier of a reservation, with its type: ``circuit-id 0a:01``."""
    hostname: str = ""
    state: str = ""
    """State of a lease; empty for a reservation."""
    since: int = 0
    """Epoch seconds of the client's last transmission; 0 if the source keeps no time."""
    expires: Optional[int] = None
    """Epoch seconds; None is never, or unknown."""
    managed: bool = False
    """Whether this is a managed reservation: the lease monitor wrote it and no person edited it."""
    circuit_id: str = ""
    """What the relay said of a client, as far as its lease tells; see relay.Relay."""
    remote_id: str = ""
    vendor_class: str = ""
    """What the client called its kind, as far as its lease tells."""
    vendor: str = ""
    """Who made the network card, as a discovery file says."""
    lifetime: int = 0
    """Seconds that a lease is valid."""
    made: Optional[int] = None
    """When the client of a managed reservation first got its lease, epoch seconds; None if the mark does not tell."""
    confirmed: Optional[bool] = None
    """What the record alone tells of this; None if it tells nothing."""


def stored(records: Sequence[Record]) -> List[List[Any]]:
    """Return records in a form that every cache plugin can store."""
    return [list(record) for record in records]


def restored(rows: Sequence[Sequence[Any]]) -> List[Record]:
    """Return the records of ``stored``."""
    return [Record(*row) for row in rows]


def state_name(number: int) -> str:
    """Return the name of a lease state; of a number that is not known yet, ``unknown``."""
    return STATES[number] if 0 <= number < len(STATES) else UNKNOWN


def identifier(value: object) -> str:
    """Return an identifier as Kea writes it, or empty text for anything else."""
    text = str(value or "").lower()
    return text if _HEX.fullmatch(text) else ""


def address(value: object, family: int) -> str:
    """Return an address in its normal form. Raises ValueError if it is none of this family."""
    found = ipaddress.ip_address(str(value))
    if found.version != family:
        raise ValueError(f"{value!r} is no IPv{family} address")
    return str(found)


def certain_hwaddr(hwaddr: str, source: int) -> str:
    """Return the hardware address of a DHCPv6 client, or empty text if the client itself may have chosen it.

    ``source`` is Kea's number for where it found the address; 0 if that is unknown, as over the control channel.
    """
    return hwaddr if hwaddr_source.is_proven(source) else ""


def underived_hwaddr(hwaddr: str, duid: str) -> str:
    """Return the hardware address in a discovery file of release 1.1, or empty text if the DUID may have given it."""
    return "" if _LINK_LAYER.fullmatch(duid) and duid.endswith(":" + hwaddr) else hwaddr


def reservation(plain: Record, kind: str, value: str, context: object) -> Record:
    """Return a reservation with its identifier, and whether it is managed.

    ``kind`` is Kea's key of the identifier, such as ``hw-address``, ``context`` the user context: a map or its JSON.
    """
    field = {"hw-address": "hwaddr", "client-id": "client_id", "duid": "duid"}.get(kind)
    identity: Dict[str, Any] = {field: value} if field else {"other_id": f"{kind} {value}"}
    mark = _mark(context)
    if not _is_managed(plain, mark):
        # A person wrote or edited it.
        return plain._replace(confirmed=True, **identity)
    made = mark.get("made")
    if isinstance(made, int):
        return plain._replace(managed=True, made=made, **identity)
    return plain._replace(managed=True, confirmed=True, **identity)


def _mark(context: object) -> Mapping[str, Any]:
    """Return the mark of the lease monitor in a user context; an empty map if it has none."""
    if isinstance(context, str):
        try:
            context = json.loads(context) if MARK in context else None
        except ValueError:
            return {}
    mark = context.get(MARK) if isinstance(context, Mapping) else None
    return mark if isinstance(mark, Mapping) else {}


def _is_managed(plain: Record, mark: Mapping[str, Any]) -> bool:
    """Return whether a mark still says what the reservation says."""
    if not mark or mark.get("hostname", "") != plain.hostname:
        return False
    if plain.family == 4:
        return [mark.get("ip-address")] == plain.addresses
    marked = mark.get("ip-addresses")
    return isinstance(marked, Mapping) and sorted(map(str, marked.values())) == sorted(plain.addresses)
