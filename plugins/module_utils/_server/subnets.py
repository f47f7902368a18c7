# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: every subnet of a server: what Kea serves, and where its files define it."""

from __future__ import annotations

import os
from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Sequence

from .._config import reserving
from .._config.document import Document
from .._config.identity import NETWORKS
from .._config.servers import family_of, top_of_path
from .._config.sources import Sources, included_files
from .._config.subnets import Subnet, numbered, subnets_of
from .._config.syntax import KeaJsonError, value_of
from .._config.tree import Place, Tree, member
from .._errors import KeaError
from .._kea import tree
from . import config, included_hosts, served
from .databases import Databases
from .host_databases import HostDatabases
from .lease_database import LeaseDatabase
from .leases import Leases

Facts = Dict[str, Any]


class _Defined(NamedTuple):
    subnet: Subnet
    file: str
    line: int
    editable: bool
    """Whether an edit may add reservations to it."""
    inherited: List[reserving.Scope]
    hosts: List[Facts]
    """The reservations outside all subnets."""
    relays: List[str]
    """Addresses of its relays, as ``served.relays`` returns them."""


def subnets(path: str, once: served.Once, databases: Optional[Databases] = None) -> List[Facts]:
    """Return the subnets of the server that reads the configuration file, as ``kea_info`` returns them.

    Without its ``databases`` nothing is counted, because to count the leases of a large site takes seconds: ``leases``,
    ``leases_source``, ``reservations`` and ``database_reservations`` are None.
    """
    top, settings = top_of_path(path), config.read(path)
    defined = _defined(os.path.realpath(path), top)
    running = once.subnets()
    ids = {one.prefix: one.id for one in running or []}
    numbers = numbered([one.subnet for one in defined], ids)
    leases = _leases(settings, top, databases.leases) if databases else None
    family = family_of(top)
    found = [_facts(one, numbers, family) for one in defined]
    for facts in found:
        facts["served"] = None if running is None else ids.get(facts["subnet"]) == facts["id"]
    known = [(facts["id"], facts["subnet"]) for facts in found]
    found += [_served_only(one, family) for one in running or [] if (one.id, one.prefix) not in known]
    for facts in found:
        facts["leases"] = leases.count(facts["id"]) if leases else None
        facts["leases_source"] = leases.source if leases and facts["leases"] is not None else None
        facts.update(_reservations(facts, databases.hosts if databases else None))
    return found


def _reservations(facts: Facts, databases: Optional[HostDatabases]) -> Facts:
    """Return how many reservations a subnet has, those in ``databases`` among them; None for what is not known."""
    count = databases.total(facts["id"]) if databases else None
    written = facts["reservations"]
    return {
        "reservations": None if count is None or written is None else written + sum(count),
        "database_reservations": count._asdict() if count else None,
    }


def site_reservations(path: str, databases: HostDatabases) -> Facts:
    """Return the reservations that the site wrote into the files, and the subnets that use those outside all subnets.

    Also those of the databases of reservations, each database with its own (see ``HostDatabases.listed``).
    Also the subnets that the files define, and those of them that are left out (see ``_is_left_out``). Kea is not
    asked. A subnet without a number of its own has none here; ``kea_config`` writes the numbers first.
    """
    found: List[Facts] = []
    everywhere: List[int] = []
    numbers: List[int] = []
    left_out: List[int] = []
    top = top_of_path(path)
    for one in _defined(os.path.realpath(path), top):
        number = one.subnet.id
        if number is None:
            continue
        facts = _reserving("", one.subnet.value, one.inherited, one.hosts, family_of(top))
        found += [{"subnet": number, **host} for host in facts["site_reservations"]]
        everywhere += [number] if facts["uses_global_reservations"] else []
        numbers.append(number)
        left_out += [number] if _is_left_out(one) else []
    return {
        "site": found,
        "databases": databases.listed(),
        "global_subnets": sorted(everywhere),
        "defined_subnets": sorted(numbers),
        "left_out_subnets": sorted(left_out),
    }


def reservations_in(path: str, subnet: int) -> List[Facts]:
    """Return the reservations of a subnet in the configuration and its included files, but those of the monitor."""
    listed = _defined(os.path.realpath(path), top_of_path(path))
    return [host for one in listed if one.subnet.id == subnet for host in one.subnet.reservations]


def _defined(path: str, top: str) -> List[_Defined]:
    """Return the subnets in the files; none if they cannot be read."""
    try:
        text = tree.read(path).decode("utf-8", "surrogateescape")
        sources = Sources(path, text, included_files(path, text, lambda one: not config.is_applied(one)))
        document, may_edit = Document(sources.text), [path, *config.editable_files(path, text)]
        places = Tree(document, top).places
        found, whole = subnets_of(document, top), value_of(Tree(document, top).root)
    except (OSError, KeaJsonError):
        return []
    inherited, everywhere = reserving.inherited(whole, top), reserving.hosts(whole.get("reservations"))
    listed_networks = whole.get(NETWORKS)
    maps = [one for one in (listed_networks if isinstance(listed_networks, list) else []) if isinstance(one, dict)]
    networks = {str(one.get("name")): one for one in maps}

    def defined(one: Subnet, place: Place) -> _Defined:
        # Reservations of the subnet may stand in another file than the subnet itself.
        listed = member(place.item.node, "reservations")
        at = [one.start, *([listed.node.start] if listed else [])]
        files = [sources.where(sources.text, start)[0] for start in at]
        editable = all(file in may_edit for file in files) and (listed is None or listed.node.kind == "list")
        relays = served.relays(one.value, networks.get(str(one.network), {}) if one.network else {})
        where = sources.where(sources.text, one.start)
        return _Defined(one, *where, editable, inherited[one.network], everywhere, relays)

    return [defined(one, place) for one, place in zip(found, places)]


def _leases(settings: Facts, top: str, table: LeaseDatabase) -> Optional[Leases]:
    try:
        return Leases(table.entry, settings["control_sockets"], family_of(top), table)
    except KeaError:
        return None


def _facts(one: _Defined, numbers: Dict[str, int], family: int) -> Facts:
    subnet, value = one.subnet, one.subnet.value
    includes = subnet.included
    number = subnet.id or numbers.get(subnet.prefix)
    name = f"{subnet.prefix} (id {number})"
    return {
        "id": number,
        "has_id": subnet.id is not None,
        "subnet": subnet.prefix,
        "shared_network": subnet.network,
        "pools": subnet.pools,
        "pool_classes": _pool_classes(value),
        "pd_pools": _pd_pools(value),
        "relay": one.relays,
        **_reserving(name, value, one.inherited, one.hosts, family),
        "reservations": _sum([len(subnet.reservations), *map(_hosts_in, includes)]),
        "managed_reservations": _sum(map(_hosts_in, filter(config.is_applied, includes))),
        "reservation_files": includes,
        "file": one.file,
        "line": one.line,
        "editable": one.editable,
        "left_out": _is_left_out(one),
    }


def _is_left_out(one: _Defined) -> bool:
    """Return whether the subnet cannot include managed reservations: no edit may add them, and no person did."""
    return not one.editable and not any(map(config.is_applied, one.subnet.included))


def _reserving(
    name: str, value: Facts, inherited: Sequence[reserving.Scope], everywhere: List[Facts], family: int
) -> Facts:
    """Return what decides about reservations in a subnet, and those that the site has there."""
    scopes = [reserving.subnet_scope(name, value), *inherited]
    hosts = reserving.hosts(value.get("reservations"))
    return {
        "reservation_settings": reserving.settings_of(value),
        "reservation_scopes": [{"place": scope.place, "settings": scope.settings} for scope in scopes],
        "reservation_obstacle": reserving.obstacle(scopes, bool(value.get("pools")), family),
        "uses_global_reservations": reserving.uses_global(scopes),
        "site_reservations": hosts + (everywhere if reserving.uses_global(scopes) else []),
    }


def _served_only(one: served.Served, family: int) -> Facts:
    """Return the facts of a subnet that no file defines, such as one of a configuration backend."""
    value = one.value
    return {
        "id": one.id,
        "has_id": True,
        "subnet": one.prefix,
        "shared_network": one.network,
        "pools": [str(pool["pool"]) for pool in value.get("pools", []) if "pool" in pool],
        "pool_classes": _pool_classes(value),
        "pd_pools": _pd_pools(value),
        "relay": one.relays,
        **_reserving(f"{one.prefix} (id {one.id})", value, one.inherited, one.hosts, family),
        "reservations": len(value.get("reservations", [])),
        "managed_reservations": 0,
        "reservation_files": [],
        "file": None,
        "line": None,
        "editable": False,
        "left_out": True,
        "served": True,
    }


def _pool_classes(value: Facts) -> Dict[str, List[str]]:
    """Return the classes of each pool. Kea before 2.7.3 has one (``client-class``), and later versions a list."""
    listed = value.get("pools")
    pools = [one for one in listed if isinstance(one, dict) and "pool" in one] if isinstance(listed, list) else []
    single = {str(one["pool"]): [one["client-class"]] if "client-class" in one else [] for one in pools}
    return {str(one["pool"]): one.get("client-classes", single[str(one["pool"])]) for one in pools}


def _pd_pools(value: Facts) -> List[Facts]:
    """Return the pools of prefixes that a DHCPv6 server delegates."""
    listed = value.get("pd-pools")
    return [
        {"prefix": f"{one.get('prefix')}/{one.get('prefix-len')}", "delegated_len": one.get("delegated-len")}
        for one in (listed if isinstance(listed, list) else [])
        if isinstance(one, dict)
    ]


def _hosts_in(path: str) -> Optional[int]:
    """Return how many reservations an included file holds; None if it cannot be read."""
    try:
        return len(included_hosts.read(path))
    except KeaError:
        return None


def _sum(counts: Iterable[Optional[int]]) -> Optional[int]:
    """Return the sum; None if one of the counts is not known."""
    found = list(counts)
    return None if None in found else sum(one for one in found if one)
