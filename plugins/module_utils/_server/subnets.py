# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: every subnet of a server: what Kea serves, and where its files define it."""

from __future__ import annotations

import os
from typing import Any, Dict, List, NamedTuple, Optional, Sequence

from .._config.document import Document
from .._config.servers import family_of, top_of_path
from .._config.sources import Sources, included_files
from .._config.subnets import Subnet, numbered, subnets_of
from .._config.syntax import Include, KeaJsonError
from .._errors import KeaError
from .._kea import host_maps, tree
from . import config, served
from .leases import Leases

SETTINGS = ("reservations-global", "reservations-in-subnet", "reservations-out-of-pool", "reservation-mode")

Facts = Dict[str, Any]


class _Defined(NamedTuple):
    subnet: Subnet
    file: str
    line: int


def subnets(path: str) -> List[Facts]:
    """Return the subnets of the server that reads the configuration file, as ``kea_info`` returns them."""
    top, settings = top_of_path(path), config.read(path)
    defined = _defined(os.path.realpath(path), top)
    running = served.served(settings["control_sockets"], top)
    ids = {one.prefix: one.id for one in running or []}
    numbers = numbered([one.subnet for one in defined], ids)
    leases = _leases(settings, top)
    found = [_facts(one, numbers, path) for one in defined]
    for facts in found:
        facts["served"] = None if running is None else ids.get(facts["subnet"]) == facts["id"]
    known = [(facts["id"], facts["subnet"]) for facts in found]
    found += [_served_only(one) for one in running or [] if (one.id, one.prefix) not in known]
    for facts in found:
        facts["leases"] = leases.count(facts["id"]) if leases else None
    return found


def _defined(path: str, top: str) -> List[_Defined]:
    """Return the subnets in the files; none if they cannot be read."""
    try:
        text = tree.read(path).decode("utf-8", "surrogateescape")
        sources = Sources(path, text, included_files(path, text, lambda one: not config.is_applied(one)))
        found = subnets_of(Document(sources.text), top)
    except (OSError, KeaJsonError):
        return []
    return [_Defined(one, *sources.where(sources.text, one.start)) for one in found]


def _leases(settings: Facts, top: str) -> Optional[Leases]:
    try:
        return Leases(settings["lease_database"], settings["control_sockets"], family_of(top))
    except KeaError:
        return None


def _facts(one: _Defined, numbers: Dict[str, int], path: str) -> Facts:
    subnet, value = one.subnet, one.subnet.value
    root = os.path.dirname(os.path.realpath(path)) + "/"
    listed = value.get("reservations", [])
    includes = [host.path for host in listed if isinstance(host, Include)] if isinstance(listed, list) else []
    return {
        "id": subnet.id or numbers.get(subnet.prefix),
        "has_id": subnet.id is not None,
        "subnet": subnet.prefix,
        "shared_network": subnet.network,
        "pools": subnet.pools,
        "pool_classes": _pool_classes(value),
        "relay": _relay(value),
        "reservation_settings": {key: value[key] for key in SETTINGS if key in value},
        "reservations": len(subnet.reservations) + sum(map(_hosts_in, includes)),
        "reservation_files": includes,
        "file": one.file,
        "line": one.line,
        "editable": one.file.startswith(root) and isinstance(listed, list),
    }


def _served_only(one: served.Served) -> Facts:
    """Return the facts of a subnet that no file defines, such as one of a configuration backend."""
    value = one.value
    return {
        "id": one.id,
        "has_id": True,
        "subnet": one.prefix,
        "shared_network": one.network,
        "pools": [str(pool["pool"]) for pool in value.get("pools", []) if "pool" in pool],
        "pool_classes": _pool_classes(value),
        "relay": _relay(value),
        "reservation_settings": {key: value[key] for key in SETTINGS if key in value},
        "reservations": len(value.get("reservations", [])),
        "reservation_files": [],
        "file": None,
        "line": None,
        "editable": False,
        "served": True,
    }


def _pool_classes(value: Facts) -> Dict[str, List[str]]:
    """Return the classes of each pool. Kea before 2.7.3 has one (``client-class``), and later versions a list."""
    listed = value.get("pools")
    pools = [one for one in listed if isinstance(one, dict) and "pool" in one] if isinstance(listed, list) else []
    single = {str(one["pool"]): [one["client-class"]] if "client-class" in one else [] for one in pools}
    return {str(one["pool"]): one.get("client-classes", single[str(one["pool"])]) for one in pools}


def _relay(value: Facts) -> Sequence[str]:
    relay = value.get("relay")
    found = relay.get("ip-addresses", [relay["ip-address"]] if "ip-address" in relay else []) if relay else []
    return found if isinstance(found, list) else []


def _hosts_in(path: str) -> int:
    """Return how many reservations a file holds; 0 if it cannot be read."""
    try:
        return len(host_maps.parse(tree.text(path)).maps)
    except (OSError, ValueError):
        return 0
