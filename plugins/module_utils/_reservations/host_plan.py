# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: what to change in Kea's hosts database, decided from the reservations that a site gives and those there."""

from __future__ import annotations

import json
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Set, Tuple

from .._errors import KeaError
from .given import Given
from .host_table import GIVEN, MANAGED, Host


class Change(NamedTuple):
    """One host before and after; None for one that is created or removed."""

    before: Optional[Host]
    after: Optional[Host]


class Plan(NamedTuple):
    """Changes to make together, and which reservations of the monitor give way to them."""

    changes: List[Change]
    gave_way: List[Host]
    former: List[Host]
    """Reservations that an earlier run gave, that the variables no longer name, and whose addresses go."""


def present(given: Sequence[Given], found: Sequence[Host], owner: str = "") -> Plan:
    """Plan to have these reservations. Raises KeaError if another reservation that a person wrote has an address.

    ``owner`` is the host of the inventory that names them in its variables; empty for a task of a person. What an owner
    named earlier, and does not name now, goes, or says again what a person had written before.
    """
    own = {(host.client, host.subnet): host for host in found}
    wanted = {(one.client, one.subnet) for one in given}
    former = [
        _dropped(host, owner) for host in found if (host.client, host.subnet) not in wanted and _owns(host, owner)
    ]
    taken = {(one.subnet, one.address) for one in given if one.address}.union(*map(_gained, former))
    changes = [_brought(one, own.get((one.client, one.subnet)), owner, taken) for one in given]
    rest = {change.before.host_id: change.after for change in former if change.before}
    standing = [host for host in (rest.get(one.host_id, one) for one in found) if host]
    gave_way: Dict[int, Host] = {}
    for change, address in [*((one, "") for one in former), *zip(changes, (one.address for one in given))]:
        for holder in _holders(change, address, standing):
            _refuse_unless_automatic(change, holder, wanted)
            gave_way[holder.host_id] = holder
    removed = [Change(host, None) for host in gave_way.values() if (host.client, host.subnet) not in wanted]
    lost = [one.before for one in former if one.before and (one.after is None or _loses_address(one))]
    return Plan(
        [*former, *removed, *(change for change in changes if change.after != change.before)],
        [one.before for one in removed if one.before],
        lost,
    )


def absent(one: Given, found: Sequence[Host]) -> Plan:
    """Plan to remove the reservation of a client, whoever wrote it."""
    own = [host for host in found if (host.client, host.subnet) == (one.client, one.subnet)]
    return Plan([Change(host, None) for host in own], [], [])


def _gained(change: Change) -> Set[Tuple[int, str]]:
    """Return the addresses that a host gets, each with its subnet."""
    had = change.before.addresses if change.before else ()
    return {(change.after.subnet, one) for one in change.after.addresses if one not in had} if change.after else set()


def _loses_address(change: Change) -> bool:
    return bool(change.before and change.after and set(change.before.addresses) - set(change.after.addresses))


def _holders(change: Change, given: str, standing: Sequence[Host]) -> List[Host]:
    """Return the other hosts that have an address which this one gets, or the given one."""
    after = change.after
    if after is None:
        return []
    claimed = {address for _subnet, address in _gained(change)} | ({given} if given else set())
    others = [host for host in standing if host.subnet == after.subnet and host.client != after.client]
    return [host for host in others if claimed & set(host.addresses)]


def _refuse_unless_automatic(change: Change, holder: Host, wanted: Set[Any]) -> None:
    after = change.after
    if after is None or holder.is_automatic or (holder.client, holder.subnet) in wanted:
        return
    address = next(one for one in after.addresses if one in holder.addresses)
    remedy = "Remove that reservation, or choose another address"
    if (after.client, after.subnet) not in wanted:
        remedy = (
            "The latter had this address before kea_reservations named its client, and gets it again because "
            "kea_reservations no longer does. Remove one of the two reservations"
        )
    raise KeaError(
        f"ip-address: {address} is reserved for {holder.text} already, which a person wrote, so it cannot be "
        f"reserved for {after.text}. Nothing was changed. {remedy}"
    )


def _brought(one: Given, before: Optional[Host], owner: str, taken: Set[Tuple[int, str]]) -> Change:
    """Return the change to a host that is given."""
    after = _wanted(one, before, owner)
    if not one.address and taken & {(one.subnet, address) for address in after.addresses}:
        after = _without_address(after)
    return Change(before, after)


def _wanted(one: Given, before: Optional[Host], owner: str) -> Host:
    """Return the host as it should be. A reservation of the monitor becomes the site's, unless it keeps the address.

    One that a person wrote stays the person's if it says the same; otherwise its mark keeps what it said.
    """
    host = before or Host(0, one.type, one.identifier, one.subnet, (), "", "", True)
    after = host._replace(
        addresses=(one.address,) if one.address else _own_addresses(host), hostname=one.hostname or _own_name(host)
    )
    persons = before is not None and not before.is_automatic and GIVEN not in before.marks
    if owner and persons and after == before:
        return after
    marks = {key: value for key, value in host.marks.items() if key != MANAGED or not one.address}
    if owner:
        wrote = {"ip-address": one.address, "hostname": one.hostname}
        kept = _said(host) if persons else host.found
        marks[GIVEN] = {
            "owners": sorted({*_owners(host), owner}),
            **{key: text for key, text in wrote.items() if text},
            **({} if kept is None else {"found": kept}),
        }
    return after._replace(context=host.context if marks == host.marks else json.dumps(marks) if marks else "")


def _without_address(host: Host) -> Host:
    """Return a host whose leased address another client is given. The monitor adds the next address that it leases."""
    marks = {key: value for key, value in host.marks.items() if key != MANAGED}
    return host._replace(addresses=(), context=json.dumps(marks) if marks else "")


def _said(host: Host) -> Dict[str, str]:
    """Return what a host of a person says, for the mark."""
    said = {"ip-address": "".join(host.addresses), "hostname": host.hostname, "user-context": host.context}
    return {key: text for key, text in said.items() if text}


def _own_addresses(host: Host) -> Tuple[str, ...]:
    """Return the addresses; those that a person had written in place of the one that an earlier run gave."""
    found, wrote = host.found, host.wrote.get("ip-address")
    if found is None or host.addresses != ((wrote,) if wrote else ()):
        return host.addresses
    return (found["ip-address"],) if "ip-address" in found else ()


def _own_name(host: Host) -> str:
    """Return the name; the one that a person had written, if any, in place of the one that an earlier run gave."""
    if host.hostname != host.wrote.get("hostname"):
        return host.hostname
    return (host.found or {}).get("hostname", "")


def _own_context(host: Host, marks: Mapping[str, Any]) -> str:
    """Return the user context of a host whose other keys are ``marks``; as a person wrote it unless it was changed."""
    text = (host.found or {}).get("user-context", "")
    found = host._replace(context=text).marks
    if text and marks in (found, {key: value for key, value in found.items() if key != MANAGED}):
        return text
    return json.dumps(marks) if marks else ""


def _dropped(host: Host, owner: str) -> Change:
    """Take an owner from a host. Without the last one, it goes if it is as an earlier run created it.

    It stays if a person wrote it first or changed it, or if the monitor completed it.
    """
    others = [one for one in _owners(host) if one != owner]
    marks: Dict[str, Any] = {**host.marks, GIVEN: {**host.wrote, "owners": others}}
    if others:
        return Change(host, host._replace(context=json.dumps(marks)))
    del marks[GIVEN]
    rest = host._replace(addresses=_own_addresses(host), hostname=_own_name(host), context=_own_context(host, marks))
    wrote = host.wrote.get("ip-address")
    as_created = host.found is None and host.addresses == ((wrote,) if wrote else ()) and not rest.hostname
    return Change(host, None if as_created and host.is_plain and not marks else rest)


def _owns(host: Host, owner: str) -> bool:
    return bool(owner) and owner in _owners(host)


def _owners(host: Host) -> List[str]:
    found = host.wrote.get("owners")
    return [str(one) for one in found] if isinstance(found, list) else []
