# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: judges the subnets: whether reservations have an effect there, and whether the pools have free addresses."""

from __future__ import annotations

from typing import Any, Dict, Iterator, List, Mapping, NamedTuple, Tuple

from .._config import reserving
from .._server.statistics import Usage
from .finding import DEPLOY, OK, WARN, WRONG, Expected, Facts, Finding

LOW = 0.1
"""Share of free addresses below which a pool needs attention."""
_BY_ADDRESS = ("circuit-id", "flex-id")
"""Identifiers that a lease does not tell: only the address of such a reservation tells whose it is."""
_TODO = "enlarge the pool (kea_dhcp{}_subnets), shorten valid-lifetime, or forget clients that are gone"


class _Pools(NamedTuple):
    """The pools that serve one link: those of a subnet, or of all subnets of a shared network."""

    name: str
    total: int
    reserved: int
    """Addresses of clients without a lease."""
    free: int

    @property
    def share(self) -> float:
        return self.free / self.total

    @property
    def absent(self) -> str:
        """Return words about the reserved addresses; empty without any."""
        return f", and {self.reserved} are reserved for clients without a lease" if self.reserved else ""


def reservations(facts: Facts, expected: Expected) -> Iterator[Finding]:
    """Judge the settings for reservations, and reservations of the site that leave no room for the monitor's."""
    for one in facts["subnets"]:
        if expected.subnets is not None and one["id"] not in expected.subnets:
            continue
        name = f"{one['subnet']} (id {one['id']})"
        if one["reservation_obstacle"]:
            seen = f"the lease monitor's reservations do nothing in {name}: {one['reservation_obstacle']}"
            yield Finding("reservation settings", WRONG, seen, "change that setting (docs/take-over.md)")
        yield from _site_reservations(name, one["site_reservations"])
        if expected.reservations == "postgresql" or one["managed_reservations"]:
            yield from _hidden_reservations(name, one)


def _hidden_reservations(name: str, subnet: Mapping[str, Any]) -> Iterator[Finding]:
    """Judge whether managed reservations may hide those of the site that Kea looks up later."""
    scopes = [reserving.Scope(one["place"], one["settings"]) for one in subnet["reservation_scopes"]]
    for kind in reserving.hidden_kinds(scopes):
        count = sum(one["kind"] == kind and bool(one["address"]) for one in subnet["site_reservations"])
        if count:
            seen = f"managed reservations may hide {count} by {kind} in {name}: Kea looks up hw-address first"
            order = f"name {kind} before hw-address in {reserving.IDENTIFIERS}"
            todo = f"set {reserving.EXTENDED_INFO}, or {order}" if kind == "circuit-id" else order
            yield Finding("site reservations", WARN, seen, f"{todo} (docs/take-over.md)")


def left_out(facts: Facts, expected: Expected) -> Iterator[Finding]:
    """Judge whether reservations in files reach all subnets."""
    pools_used = facts["pools"] or {}
    for one in facts["subnets"] if expected.reservations == "files" else ():
        if not one["left_out"] or (expected.subnets is not None and one["id"] not in expected.subnets):
            continue
        where = f"is defined in {one['file']}, which no play may edit" if one["file"] else "is in no file of Kea"
        leased = f"; it has {pools_used[one['id']].assigned} leases" if one["id"] in pools_used else ""
        seen = f"no reservation in a file reaches {one['subnet']} (id {one['id']}): it {where}{leased}"
        todo = "move it into Kea's configuration, or keep reservations in a database (kea_enable_database)"
        yield Finding("reservation files", WARN, seen, todo)


def _site_reservations(name: str, hosts: List[Dict[str, str]]) -> Iterator[Finding]:
    open_ones = [one for one in hosts if not one["address"]]
    hidden = [one["kind"] for one in open_ones if one["kind"] in _BY_ADDRESS]
    if hidden:
        seen = f"the monitor makes no reservations in {name}: {len(hidden)} by {hidden[0]} name no address"
        yield Finding("site reservations", WARN, seen, "give each an ip-address (docs/take-over.md)")
    named = [f"{one['kind']} {one['identifier']}" for one in open_ones if one["kind"] not in _BY_ADDRESS]
    if named:
        seen = f"{len(named)} reservations in {name} name no address, so none is kept: {', '.join(named[:3])}"
        yield Finding("site reservations", WARN, seen, f"add ip-address, or {DEPLOY}: it adds that of a live lease")


def pools(facts: Facts, _expected: Expected) -> Iterator[Finding]:
    """Judge how many addresses are free for a new client, by Kea's statistics and what the monitor reserved."""
    found = _pools(facts) if facts["pools"] is not None else []
    todo = _TODO.format(facts["family"])
    for one in found:
        if one.free <= 0:
            seen = f"{one.name} has no free address of {one.total}{one.absent}: a new client gets none"
            yield Finding("pools", WRONG, seen, todo)
        elif one.share < LOW:
            yield Finding("pools", WARN, f"{one.name} has {one.free} of {one.total} addresses free{one.absent}", todo)
    if found and all(one.share >= LOW for one in found):
        least = min(found, key=lambda one: one.share)
        yield Finding("pools", OK, f"least are free in {least.name}: {least.free} of {least.total} addresses")


def _pools(facts: Facts) -> List[_Pools]:
    """Return the pools of each link. Kea gives a client an address of any subnet of its shared network."""
    known = {one["id"]: one for one in facts["subnets"]}
    links: Dict[str, List[Tuple[Usage, int]]] = {}
    reserved = _reserved(facts)
    for number, usage in facts["pools"].items():
        subnet = known.get(number, {"subnet": "subnet", "shared_network": None})
        network = subnet["shared_network"]
        name = f"shared network {network}" if network is not None else f"{subnet['subnet']} (id {number})"
        links.setdefault(name, []).append((usage, reserved.get(number, 0)))
    found = []
    for name, several in links.items():
        # A subnet without pools has addresses of hosts that its reservations alone name.
        used = [(usage, count) for usage, count in several if usage.total]
        total, absent = sum(usage.total for usage, _count in used), sum(count for _usage, count in used)
        if total:
            free = total - absent - sum(usage.assigned for usage, _count in several)
            found.append(_Pools(name, total, absent, max(0, free)))
    return found


def _reserved(facts: Facts) -> Dict[int, int]:
    """Return how many addresses of each subnet the monitor keeps for clients without a lease."""
    lines = [line for status in facts["monitor_status"] or [] for line in status.get("pools", [])]
    own = [line for line in lines if line["family"] == facts["family"] and line["pool"] is None]
    return {line["subnet"]: line["reserved"] for line in own}
