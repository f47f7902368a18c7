# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which leases get a reservation, and what one looks like in Kea's configuration."""

from __future__ import annotations

import enum
from typing import Any, Dict, List, Mapping, Optional, Sequence

from _kea import relay
from _kea.identifiers import DUID_TYPE, HWADDR_TYPE

from kea_lease_monitor.kea import identifiers
from kea_lease_monitor.kea.shares import (
    ADDRESS,
    KEYS,
    LISTS,
    MARK,
    PREFIX,
    address_of,
    addresses,
    client,
    every_marked,
    mark_of,
    marked,
    spelled,
)
from kea_lease_monitor.lease import EventKind, Lease, LeaseEvent, LeaseState


class Verdict(enum.Enum):
    """What becomes of the reservation for a lease. The statements in kea/sql return the values."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    CONFLICT = "conflict"
    """Another client has the reservation key: the address in the subnet."""
    EDITED = "edited"
    """A person wrote or changed the client's reservation."""
    SECOND = "second"
    """Another client identifier of the same hardware address has the client's reservation."""
    SITE = "site"
    """The site's own reservations leave none to the monitor. No statement returns it."""
    LEFT_OUT = "left_out"
    """Kea includes no reservations of the monitor in the subnet. No statement returns it."""
    REFUSED = "refused"
    """Kea refuses the reservation that the monitor wrote. No statement returns it."""
    INVALID = "invalid"
    """Kea could not use a reservation with this hardware address or name. No statement returns it."""
    RETRY = "retry"
    """Another session wrote the same row at the same time, so nothing was done. Only the database returns it."""


KINDS = frozenset({EventKind.ASSIGNED, EventKind.CHANGED})
"""Kinds of event that ask for a reservation. A renewal does not: to act on it would undo, within hours, what a person
changed."""

ENDS = frozenset({EventKind.RELEASED, EventKind.DECLINED, EventKind.EXPIRED, EventKind.RECLAIMED, EventKind.DELETED})
"""Kinds of event after which the client no longer has the lease."""

_HELD = frozenset({*KINDS, EventKind.RENEWED})

NAMES = ("follow", "reserve")
"""What the option ``hostname`` of a sink may be. Kea answers a client by its reserved name, and stores it in the lease.
So with ``follow`` only the mark holds the name, and the name of the lease stays the client's own."""

_GIVEN_NAME = "given-name"
"""Key in the mark: the name that the site gives the client beforehand (``site[].hostname`` of the file sink)."""

_PORT, _LONGEST_PORT = "circuit-id", 255
"""Key in the mark: the port at which the client was when its reservation was written. A longer text is left out, since
the applier would test it with the whole configuration."""

_LONGEST_NAME = 255
"""Characters that the column hosts.hostname holds."""

_LONGEST_HWADDR = 20
"""Octets of a hardware address, HWAddr::MAX_HWADDR_LEN."""

_DIGITS = 13
"""Epoch seconds have fewer digits up to the year 9999."""


def name(lease: Lease) -> str:
    """Return the client's name without the dot at its end; empty if Kea's configuration could not hold the name."""
    text = lease.hostname.rstrip(".")
    return text if _is_fit(text) else ""


def _is_fit(text: str) -> bool:
    """Return whether Kea can read the name: its JSON ends at U+00FF, where U+FFFD stands for what is not UTF-8."""
    return len(text) <= _LONGEST_NAME and all(char.isprintable() and char <= "\xff" for char in text)


def _port(lease: Lease) -> str:
    """Return the port of a lease as the mark tells it; empty for none."""
    found = identifiers.port(lease)
    return found if len(found) <= _LONGEST_PORT else ""


def at_port(lease: Lease, circuit: object) -> Lease:
    """Return a lease of a mark, which tells the port in the mark."""
    told = identifiers.bare(str(circuit)) if circuit else ""
    return lease._replace(user_context=relay.context_of(told)) if told else lease


def problem(lease: Lease, reserve: bool) -> str:
    """Return why Kea could not use a reservation for this lease; empty if it could. ``reserve``: with its name."""
    octets = len(lease.hwaddr.split(":"))
    if lease.family == 4 and octets > _LONGEST_HWADDR:
        return f"the hardware address has {octets} octets, and Kea takes at most {_LONGEST_HWADDR}"
    if reserve and not _is_fit(lease.hostname):
        limits = f"at most {_LONGEST_NAME} printable characters up to U+00FF"
        return f"the host name {lease.hostname[:60]!a} cannot be reserved: Kea takes {limits}"
    return ""


def parameters6(events: Sequence[LeaseEvent], reserve: bool) -> Dict[str, Any]:
    """Return the parameters of hosts6.reserve, one array for each column."""
    leases = [event.lease for event in events]
    return {
        "type": DUID_TYPE,
        "hwaddr_type": HWADDR_TYPE,
        "identifiers": [lease.duid.replace(":", "") for lease in leases],
        "hwaddrs": [lease.hwaddr.replace(":", "") for lease in leases],
        "iaids": [str(lease.iaid) for lease in leases],
        "subnets": [lease.subnet_id for lease in leases],
        "addresses": [lease.address for lease in leases],
        "types": [lease.lease_type for lease in leases],
        "lengths": [lease.prefix_len if lease.lease_type == PREFIX else 128 for lease in leases],
        "made": [lease.cltt for lease in leases],
        **_names(leases, reserve),
    }


def _names(leases: Sequence[Lease], reserve: bool) -> Dict[str, Any]:
    return {"reserve": reserve, "hostnames": [lease.hostname if reserve else name(lease) for lease in leases]}


def parameters(events: Sequence[LeaseEvent], reserve: bool) -> Dict[str, Any]:
    """Return the parameters of the statements in hosts4, one array for each column."""
    leases = [event.lease for event in events]
    return {
        "type": HWADDR_TYPE,
        "identifiers": [lease.hwaddr.replace(":", "") for lease in leases],
        "subnets": [lease.subnet_id for lease in leases],
        "addresses": [identifiers.number(lease.address) for lease in leases],
        "client_ids": [lease.client_id for lease in leases],
        "circuit_ids": [_port(lease) for lease in leases],
        "made": [lease.cltt for lease in leases],
        **_names(leases, reserve),
    }


def judge(present: Mapping[str, Any], lease: Lease, reserve: bool = False) -> Verdict:
    """Return what to do with a client's reservation in Kea's configuration: UNCHANGED, UPDATED, EDITED or SECOND.

    A reservation without an address is UPDATED, because that overwrites nothing that a person wrote. ``reserve`` says
    that the reservation also has the name.
    """
    mark, address = mark_of(present), present.get("ip-address")
    if address == address_of(lease):
        noted = address == mark.get("ip-address") and _is_elsewhere(mark, lease)
        return Verdict.UPDATED if noted or _is_renamed(present, lease, reserve) else Verdict.UNCHANGED
    if address == mark.get("ip-address"):
        second = lease.client_id and lease.client_id != mark.get("client-id", lease.client_id)
        return Verdict.SECOND if second else Verdict.UPDATED
    return Verdict.UNCHANGED if address_of(lease) == mark.get("ip-address") else Verdict.EDITED


def _is_elsewhere(mark: Mapping[str, Any], lease: Lease) -> bool:
    """Return whether the lease tells another client identifier or port than a mark.

    A mark without a port is no reason to write it: with extended info, all would be written at once.
    """
    told = _port(lease)
    return lease.client_id not in ("", mark.get("client-id")) or told not in ("", mark.get(_PORT, told))


def _is_renamed(present: Mapping[str, Any], lease: Lease, reserve: bool) -> bool:
    """Return whether a managed name differs from what it should be."""
    if not _is_name_managed(present, reserve):
        return False
    if reserve:
        return lease.hostname not in ("", present.get("hostname", ""))
    return "hostname" in present or name(lease) not in ("", mark_of(present).get("name", ""))


def adopted(present: Mapping[str, Any], lease: Lease) -> Dict[str, Any]:
    """Return the reservation with the mark, if it is just what release 1.0.0 wrote for this lease; else empty."""
    known = present.keys() <= {"hw-address", "ip-address", "hostname"} and present.get("ip-address") == lease.address
    name = present.get("hostname", "")
    if not known or name not in ("", lease.hostname):
        return {}
    mark = {"ip-address": lease.address, "hostname": name}
    return {**present, "user-context": {MARK: {key: value for key, value in mark.items() if value}}}


def held(events: Sequence[LeaseEvent]) -> List[LeaseEvent]:
    """Return the events of current leases that a reservation by hardware address may belong to."""
    return [event for event in events if event.kind in _HELD and event.lease.family == 4 and event.lease.hwaddr]


def host_object(lease: Lease, present: Mapping[str, Any], reserve: bool = False) -> Dict[str, Any]:
    """Return Kea's reservation map for a lease, of DHCPv6 its share. What else a person wrote into ``present`` stays.

    A lease without a name does not remove the known name. ``reserve`` says that the reservation also gets the name.
    """
    before = mark_of(present)
    hostname = present.get("hostname", "")
    mark = {"ip-address": address_of(lease), "client-id": lease.client_id, "hostname": before.get("hostname", "")}
    mark[_GIVEN_NAME], mark[_PORT] = before.get(_GIVEN_NAME, ""), _port(lease)
    mark["made"] = before.get("made") if present else lease.cltt
    if _is_name_managed(present, reserve) or not (before or hostname):
        known = before.get("name") or before.get("hostname", "")
        hostname = mark["hostname"] = (lease.hostname or hostname or known) if reserve else ""
        mark["name"] = "" if reserve else (name(lease) or known)
    context = {**present.get("user-context", {}), MARK: {key: value for key, value in mark.items() if value}}
    wanted = {**present, KEYS[lease.family]: client(lease), ADDRESS: address_of(lease), "user-context": context}
    wanted.pop("hostname", None)
    return {**wanted, "hostname": hostname} if hostname else wanted


def is_name_due(present: Mapping[str, Any], name: str) -> bool:
    """Return whether ``given_name`` would change a managed reservation: the site gives another name, or none now."""
    mark = mark_of(present)
    return bool(mark) and (present.get("hostname", "") != name if name else _GIVEN_NAME in mark)


def given_name(present: Mapping[str, Any], name: str) -> Dict[str, Any]:
    """Return a managed reservation with the name that the site gives its client; empty removes one given earlier."""
    mark, host = mark_of(present), dict(present)
    earlier = mark.pop(_GIVEN_NAME, "")
    if name:
        host["hostname"] = mark[_GIVEN_NAME] = name
    elif earlier and host.get("hostname") == earlier:
        del host["hostname"]
    return {**host, "user-context": {**present.get("user-context", {}), MARK: mark}}


def managed(present: Mapping[str, Any], subnet: int) -> List[Lease]:
    """Return the leases that the mark of a reservation tells of; none if a person wrote the reservation."""
    mark, (key, identifier) = mark_of(present), spelled(present)
    if not mark or not key:
        return []
    family = 6 if key == KEYS[6] else 4
    hwaddr, duid = ("", identifier) if family == 6 else (identifier, "")
    known = (
        hwaddr,
        mark.get("client-id", ""),
        mark.get("name") or mark.get("hostname") or mark.get(_GIVEN_NAME, ""),
    )
    plain = at_port(Lease(family, "", subnet, *known, 0, 0, None, LeaseState.DEFAULT, "", duid), mark.get(_PORT))
    return [
        of_mark(plain._replace(iaid=iaid), text)
        for name in LISTS.values()
        for iaid, text in marked(present, name).items()
    ]


def of_mark(lease: Lease, text: str) -> Lease:
    """Return the lease with the address, or the prefix with its length, that a mark has for it."""
    address, slash, length = text.partition("/")
    found = lease._replace(address=address)
    return found._replace(lease_type=PREFIX, prefix_len=int(length)) if slash and length.isdigit() else found


def made(present: Mapping[str, Any]) -> Optional[int]:
    """Return when a managed reservation was made; see batch.Kept."""
    return moment(mark_of(present).get("made"))


def moment(value: object) -> Optional[int]:
    """Return the value ``made`` of a mark as epoch seconds; None if a person wrote anything else there."""
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() and len(text) < _DIGITS else None


def is_unchanged(present: Mapping[str, Any]) -> bool:
    """Return whether a managed reservation has just what the monitor wrote."""
    mark = mark_of(present)
    if not mark:
        return False
    written = present.keys() <= {*KEYS.values(), ADDRESS, *LISTS.values(), "hostname", "user-context"}
    names = ("", mark.get("hostname", ""), mark.get(_GIVEN_NAME, ""))
    right = (
        sorted(addresses(present)) == sorted(filter(None, every_marked(present)))
        and present.get("hostname", "") in names
    )
    return written and right and present["user-context"].keys() == {MARK}


def _is_name_managed(present: Mapping[str, Any], reserve: bool) -> bool:
    """Return whether no person named the reservation. With ``follow``, one without a name is as it should be."""
    mark, hostname = mark_of(present), present.get("hostname", "")
    return bool(mark) and (mark.get("hostname", "") == hostname or not (reserve or hostname))
