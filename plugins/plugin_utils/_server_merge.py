# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: what the role kea_server merges into Kea's configuration: the variables, and the includes of reservations.

In file mode every subnet that Kea serves includes the reservations that the lease monitor writes for it, wherever it
is defined. Kea 2.2, 2.6 and 3.0 accept the comma that an empty included file leaves at the end of the list.
"""

from __future__ import annotations

import ipaddress
from typing import Any, Dict, List, NamedTuple, Optional

from ..module_utils._config.servers import subnets_key
from ..module_utils._kea.host_maps import addresses_of
from . import _by_command as by_command
from . import _control_socket as control_socket
from . import _ddns as names_in_dns
from . import _pair as pairing
from ._login import Files
from ._server_input import Found, Settings, Wanted

INCLUDE = "<?include?>"


class Merge(NamedTuple):
    """What is merged, and what follows from it."""

    values: Settings
    subnet_ids: List[int]
    """Subnets with a file of managed reservations, in file mode; else all subnets of the configuration."""
    left_out: List[str]
    """Subnets that cannot include a file of managed reservations."""


def make(asked: Wanted, now: Found, certificates: Optional[Files] = None) -> Merge:
    """Return what is merged. A list of reservations that is an include stays as it is written.

    ``certificates`` are those of the pair.
    """
    pair = pairing.settings(asked.pair, certificates or Files(), now.hooks, asked.family) if asked.pair.mode else {}
    settings = pairing.joined(pair, asked.settings)
    settings = names_in_dns.joined(names_in_dns.settings(asked.ddns, now.hooks), settings)
    if asked.reservations_in_files:
        own = by_command.settings(now, settings, asked.family)
        settings = by_command.joined(own, settings)
    settings = control_socket.joined(settings, control_socket.PATHS[asked.family])
    values: Settings = {key: value for key, value in settings.items() if key != "interfaces-config"}
    interfaces = {**asked.settings.get("interfaces-config", {})}
    if asked.interfaces:
        interfaces["interfaces"] = asked.interfaces
    if interfaces:
        values["interfaces-config"] = interfaces
    named, key = asked.named, subnets_key(asked.family)
    kept = [one for one in now.subnets if one["file"] and not (asked.exclusive and _find(one, named) is None)]
    others = [_others(asked, one) for one in kept if _find(one, named) is None]
    subnets = [_with_include(asked, now, one) for one in asked.subnets] + [one for one in others if one]
    if subnets:
        values[key] = subnets
    if asked.shared_networks:
        values["shared-networks"] = [
            {**shared, key: [_with_include(asked, now, one) for one in shared[key]]}
            if isinstance(shared.get(key), list)
            else shared
            for shared in asked.shared_networks
        ]
    present = [one for one in named if one.get("state") != "absent"]
    ids = [_number(one, now.subnets) for one in [*present, *kept]]
    gone = [_number(one, now.subnets) for one in named if one.get("state") == "absent"]
    lost = [one for one in now.subnets if asked.reservations_in_files and not (one["file"] and one["editable"])]
    unable = [one["id"] for one in lost]
    return Merge(
        names_in_dns.for_version(values, now.ddns_conflict_modes),
        sorted({one for one in ids if one is not None and one not in unable and one not in gone}),
        [f"{one['subnet']} (id {one['id']}, {one['file'] or 'in no file of Kea'})" for one in lost],
    )


def _with_include(asked: Wanted, now: Found, subnet: Settings) -> Settings:
    """Return a subnet of the variables with the file of its managed reservations, or without it."""
    if subnet.get("state") == "absent":
        return subnet
    known = next((one for one in now.subnets if is_same(one, subnet)), None)
    number = _number(subnet, now.subnets)
    elements = [*_given(asked, number), *_includes(asked, known, number)]
    reservations = subnet.get("reservations", [])
    if not elements or not isinstance(reservations, list):
        return subnet
    return {**subnet, "reservations": [*reservations, *elements]}


def _others(asked: Wanted, known: Settings) -> Optional[Settings]:
    """Return what is merged into a subnet that the variables do not name.

    Only if it is the site's: one that an earlier deployment created goes when no variable names it.
    """
    elements = [*_given(asked, known["id"]), *_includes(asked, known, known["id"])]
    named: Settings = {"id": known["id"]} if known["has_id"] else {"id": known["id"], "subnet": known["subnet"]}
    return {**named, "reservations": elements, "state": "found"} if elements else None


def _given(asked: Wanted, number: Optional[int]) -> List[Settings]:
    """Return the reservations of kea_reservations that belong into the configuration of a subnet.

    With a hosts database they are there. One without an address gets it from the lease monitor, beside its own ones.
    """
    mine = [one for one in asked.reservations if one["subnet-id"] == number and addresses_of(one)]
    wanted = mine if asked.hosts_database == "none" else []
    return [{key: value for key, value in one.items() if key != "subnet-id"} for one in wanted]


def _includes(asked: Wanted, known: Optional[Settings], number: Optional[int]) -> List[Dict[str, Any]]:
    if number is None or (known is not None and not known["editable"]) or not asked.reservations_directory:
        return []
    path = asked.included(number)
    if asked.reservations_in_files:
        return [{INCLUDE: path}]
    return [{INCLUDE: path, "state": "absent"}] if known and path in known["reservation_files"] else []


def _find(known: Settings, named: List[Settings]) -> Optional[Settings]:
    return next((one for one in named if is_same(known, one)), None)


def is_same(known: Settings, named: Settings) -> bool:
    """Return whether a subnet of the server is the one that the variables name: by its id, or else by its prefix."""
    if "id" in named and named["id"] == known["id"]:
        return True
    return "subnet" in named and network(named["subnet"]) == known["subnet"]


def _number(subnet: Settings, known: List[Settings]) -> Optional[int]:
    """Return the id of a subnet: its own, or that of the one in the configuration with the same prefix.

    To Kea, the id 0 is none.
    """
    if subnet.get("id"):
        return int(subnet["id"])
    return next((int(one["id"]) for one in known if is_same(one, subnet)), None)


def network(text: Any) -> str:
    """Return a prefix as kea_info spells it; other text stays."""
    try:
        return str(ipaddress.ip_network(str(text).strip(), strict=False))
    except ValueError:
        return str(text)
