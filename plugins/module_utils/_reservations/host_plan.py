# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: what to change in Kea's hosts database, decided from the reservations that a site gives and those there."""

from __future__ import annotations

import json
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence

from .._errors import KeaError
from .given import Given
from .host_table import GIVEN, MANAGED, Host


class Change(NamedTuple):
    """One host before and after; None for one that is created or removed."""

    before: Optional[Host]
    after: Optional[Host]


class Plan(NamedTuple):
    """Changes in the order in which they can be made, and which reservations of the monitor give way to them."""

    changes: List[Change]
    gave_way: List[Host]
    former: List[Host]
    """Reservations that an earlier run gave, that the variables no longer name, and that go."""


def present(given: Sequence[Given], found: Sequence[Host], owner: str = "") -> Plan:
    """Plan to have these reservations. Raises KeaError if another reservation that a person wrote has an address.

    ``owner`` is the host of the inventory that names them in its variables; empty for a task of a person. What an owner
    named earlier, and does not name now, goes back.
    """
    own = {(host.client, host.subnet): host for host in found}
    wanted = {(one.client, one.subnet) for one in given}
    taken = {(one.subnet, one.address) for one in given if one.address}
    former = [
        _dropped(host, owner) for host in found if (host.client, host.subnet) not in wanted and _owns(host, owner)
    ]
    gone = {change.before.host_id for change in former if change.before and change.after is None}
    gave_way: Dict[int, Host] = {}
    changes: List[Change] = []
    for one in given:
        before = own.get((one.client, one.subnet))
        for holder in _holders(one, found, gone):
            _refuse_unless_automatic(one, holder, wanted)
            gave_way[holder.host_id] = holder
        after = _wanted(one, before, owner)
        if not one.address and taken & {(one.subnet, address) for address in after.addresses}:
            after = _without_address(after)
        if after != before:
            changes.append(Change(before, after))
    removed = [Change(host, None) for host in gave_way.values() if (host.client, host.subnet) not in wanted]
    lost = [change.before for change in former if change.before and change.after is None]
    return Plan([*former, *removed, *_in_order(changes)], [one.before for one in removed if one.before], lost)


def absent(one: Given, found: Sequence[Host]) -> Plan:
    """Plan to remove the reservation of a client, whoever wrote it."""
    own = [host for host in found if (host.client, host.subnet) == (one.client, one.subnet)]
    return Plan([Change(host, None) for host in own], [], [])


def _holders(one: Given, found: Sequence[Host], gone: "set[int]") -> List[Host]:
    """Return the other hosts that have the address."""
    others = [host for host in found if host.subnet == one.subnet and host.client != one.client]
    return [host for host in others if one.address and one.address in host.addresses and host.host_id not in gone]


def _refuse_unless_automatic(one: Given, holder: Host, wanted: "set[Any]") -> None:
    if not holder.is_automatic and (holder.client, holder.subnet) not in wanted:
        raise KeaError(
            f"ip-address: {one.address} is reserved for {holder.text} already, which a person wrote, so it cannot be "
            f"reserved for {one.text}. Nothing was changed. Remove that reservation, or choose another address"
        )


def _wanted(one: Given, before: Optional[Host], owner: str) -> Host:
    """Return the host as it should be. A reservation of the monitor becomes the site's, unless it keeps the address."""
    host = before or Host(0, one.type, one.identifier, one.subnet, (), "", "", True)
    marks = {key: value for key, value in host.marks.items() if key != MANAGED or not one.address}
    if owner:
        wrote = {"ip-address": one.address, "hostname": one.hostname}
        owners = sorted({*_owners(host), owner})
        marks[GIVEN] = {"owners": owners, **{key: text for key, text in wrote.items() if text}}
    addresses = (one.address,) if one.address else host.addresses
    context = host.context if marks == host.marks else json.dumps(marks) if marks else ""
    return host._replace(addresses=addresses, hostname=_name(one, host), context=context)


def _without_address(host: Host) -> Host:
    """Return a host whose leased address another client is given. The monitor adds the next address that it leases."""
    marks = {key: value for key, value in host.marks.items() if key != MANAGED}
    return host._replace(addresses=(), context=json.dumps(marks) if marks else "")


def _name(one: Given, host: Host) -> str:
    """Return the name: the given one; else the present one, except one that an earlier run gave."""
    wrote = _wrote(host).get("hostname")
    return one.hostname or ("" if host.hostname == wrote else host.hostname)


def _dropped(host: Host, owner: str) -> Change:
    """Take an owner from a host. It goes with the last one, unless a person changed it or the monitor completed it."""
    others = [one for one in _owners(host) if one != owner]
    marks: Dict[str, Any] = {**host.marks, GIVEN: {**_wrote(host), "owners": others}}
    if others:
        return Change(host, host._replace(context=json.dumps(marks)))
    del marks[GIVEN]
    rest = host._replace(context=json.dumps(marks) if marks else "")
    if rest.hostname == _wrote(host).get("hostname"):
        rest = rest._replace(hostname="")
    wrote = _wrote(host).get("ip-address")
    as_written = host.addresses == ((wrote,) if wrote else ()) and not rest.hostname
    return Change(host, None if as_written and host.is_plain and not marks else rest)


def _in_order(changes: Sequence[Change]) -> List[Change]:
    """Return the changes so that an address is left before another host gets it, as far as one order can do that."""
    return sorted(changes, key=lambda change: change.before is None)


def _owns(host: Host, owner: str) -> bool:
    return bool(owner) and owner in _owners(host)


def _owners(host: Host) -> List[str]:
    found = _wrote(host).get("owners")
    return [str(one) for one in found] if isinstance(found, list) else []


def _wrote(host: Host) -> Mapping[str, Any]:
    found = host.marks.get(GIVEN)
    return found if isinstance(found, dict) else {}
