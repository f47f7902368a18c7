# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a reservation in Kea's configuration says of one lease of its client.

A DHCPv4 client has one address in a subnet. A DHCPv6 client has one for each of its identity associations (IAID), and
one reservation for all of them. The share of a lease in it looks like a reservation of DHCPv4, so that both families
are judged alike. The mark of such a reservation has the addresses by IAID, as in the hosts database.
"""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Tuple

from _kea import host_maps
from _kea.host_maps import addresses_of, prefixes_of

from kea_lease_monitor.kea import identifiers
from kea_lease_monitor.lease import Lease

KEYS = {4: "hw-address", 6: "duid"}
"""Key of a client's identifier in a managed reservation, by family."""

MARK = host_maps.MARK
"""Key in the user context of each managed reservation. Its value holds the address and the name that the monitor wrote,
and when the client first got a lease. A reservation whose address or name differs was edited by a person, and one
without the mark was written by a person."""

ADDRESS, ADDRESSES, PREFIXES = "ip-address", "ip-addresses", "prefixes"

PREFIX = 2
"""Lease::TYPE_PD, a delegated prefix. An association of such has IAIDs of its own."""

LISTS = {0: ADDRESSES, PREFIX: PREFIXES}
"""Key of a list in a reservation of DHCPv6, and of the same by IAID in its mark, by type of the lease."""

_DIGITS = 10
"""An IAID has 32 bits."""


def client(lease: Lease) -> str:
    """Return the identifier by which a lease's client is reserved; empty if it is not known."""
    return lease.duid if lease.family == 6 else lease.hwaddr


def mark_of(host: Mapping[str, Any]) -> Dict[str, Any]:
    """Return the mark of a reservation; empty if a person wrote the reservation."""
    context = host.get("user-context")
    mark = context.get(MARK) if isinstance(context, dict) else None
    return dict(mark) if isinstance(mark, dict) else {}


def address_of(lease: Lease) -> str:
    """Return what is reserved for a lease: its address, or its prefix with the length."""
    return f"{lease.address}/{lease.prefix_len}" if lease.lease_type == PREFIX else lease.address


def addresses(host: Mapping[str, Any]) -> List[str]:
    """Return the addresses and prefixes of a reservation, those of DHCPv6 in their one spelling."""
    return [*_listed(host, ADDRESSES), *_listed(host, PREFIXES)]


def _listed(host: Mapping[str, Any], key: str) -> List[str]:
    return [_spelled(one) for one in (prefixes_of(host) if key == PREFIXES else addresses_of(host))]


def marked(host: Mapping[str, Any], key: str = ADDRESSES) -> Dict[int, str]:
    """Return the addresses, or prefixes, that the monitor wrote by IAID; DHCPv4 has the IAID 0."""
    mark = mark_of(host)
    found = mark.get(key)
    if isinstance(found, dict):
        return {int(iaid): _spelled(str(text)) for iaid, text in found.items() if _is_iaid(iaid)}
    is_four = key == ADDRESSES and KEYS[6] not in host
    return {0: mark.get(ADDRESS, "")} if mark and is_four else {}


def every_marked(host: Mapping[str, Any]) -> List[str]:
    """Return all that the monitor wrote."""
    return [text for key in LISTS.values() for text in marked(host, key).values()]


def share(host: Mapping[str, Any], lease: Lease) -> Dict[str, Any]:
    """Return the part of a reservation that is about a lease; empty for an empty one.

    What other identity associations have, and what a person added to them, is left out.
    """
    if lease.family == 4 or not host:
        return dict(host)
    key = LISTS[lease.lease_type]
    mark, own = mark_of(host), marked(host, key).get(lease.iaid, "")
    found = {name: value for name, value in host.items() if name != key}
    address = _address(host, own, lease)
    if address:
        found[ADDRESS] = address
    if mark:
        rest = {name: value for name, value in mark.items() if name != key}
        found["user-context"] = {**host["user-context"], MARK: {**rest, **({ADDRESS: own} if own else {})}}
    return found


def _address(host: Mapping[str, Any], own: str, lease: Lease) -> str:
    """Return the address of the lease's share; ``own`` is what the monitor wrote for it."""
    key = LISTS[lease.lease_type]
    present, others = _listed(host, key), set(marked(host, key).values()) - {own}
    for known in (address_of(lease), own):
        if known in present:
            return known
    # A person replaced the address, or wrote the whole reservation.
    foreign = [one for one in present if one not in others] if own or not mark_of(host) else []
    return foreign[0] if foreign else ""


def joined(
    host: Mapping[str, Any], before: Mapping[str, Any], after: Mapping[str, Any], lease: Lease
) -> Dict[str, Any]:
    """Return the reservation with the share of a lease changed from ``before`` to ``after``."""
    if lease.family == 4:
        return dict(after)
    key = LISTS[lease.lease_type]
    present = _listed(host, key)
    if before.get(ADDRESS) in present:
        present[present.index(before[ADDRESS])] = after[ADDRESS]
    else:
        present.append(after[ADDRESS])
    mark = {**_of_lists(mark_of(host)), **mark_of(after)}
    of_others = {str(iaid): text for iaid, text in marked(host, key).items() if iaid != lease.iaid}
    mark[key] = {**of_others, str(lease.iaid): mark.pop(ADDRESS)}
    found = {name: value for name, value in after.items() if name != ADDRESS}
    context = {**after["user-context"], MARK: mark}
    return {**found, key: list(dict.fromkeys(present)), "user-context": context}


def _of_lists(mark: Mapping[str, Any]) -> Dict[str, Any]:
    return {key: mark[key] for key in LISTS.values() if key in mark}


def left(host: Mapping[str, Any], lease: Lease) -> Dict[str, Any]:
    """Return a managed reservation without the share of a lease; empty if nothing of the monitor is left."""
    if lease.family == 4:
        return {}
    key = LISTS[lease.lease_type]
    of_others = {iaid: text for iaid, text in marked(host, key).items() if iaid != lease.iaid}
    own = marked(host, key).get(lease.iaid)
    kept = [one for one in _listed(host, key) if one != own or one in of_others.values()]
    mark = {**mark_of(host), key: {str(iaid): text for iaid, text in of_others.items()}}
    rest = {**host, key: kept, "user-context": {**host["user-context"], MARK: mark}}
    return rest if every_marked(rest) else {}


def spelled(host: Mapping[str, Any]) -> Tuple[str, str]:
    """Return the key and the value of the identifier that a reservation has, both empty for none that leases tell."""
    for key in KEYS.values():
        if key in host:
            return key, identifiers.bare(str(host[key])) or str(host[key])
    return "", ""


def _is_iaid(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _DIGITS


def _spelled(text: str) -> str:
    address, slash, length = text.partition("/")
    try:
        return f"{identifiers.address6(address)}{slash}{length}" if ":" in text else text
    except ValueError:
        return text
