# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: compares the subnets of the variables with those of the server, before anything is changed."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Set, Tuple

from ..module_utils._config import reserving
from ..module_utils._config.servers import subnets_key, top_of
from ._server_input import named_subnets
from ._server_merge import is_same, network

Settings = Dict[str, Any]


class Asked(NamedTuple):
    """The variables that name subnets."""

    subnets: List[Settings]
    """kea_dhcp4_subnets, or those of kea_dhcp6."""
    shared_networks: List[Settings]
    settings: Settings
    subscriptions: List[Settings]
    exclusive: bool
    allow_removals: bool
    allow_ineffective: bool
    """Whether reservations of the lease monitor may do nothing."""
    in_files: bool
    """Whether reservations are in files."""
    family: int = 4

    @property
    def variable(self) -> str:
        return f"kea_dhcp{self.family}_subnets"

    @property
    def named(self) -> List[Settings]:
        return named_subnets(self.subnets, self.shared_networks, self.family)


def asked(variables: Mapping[str, Any]) -> Asked:
    return Asked(**{name: variables[name] for name in Asked._fields if name in variables})


def problems(wanted: Asked, found: List[Settings]) -> List[str]:
    """Return a sentence for each variable that does not fit the server. ``found`` is ``subnets`` of kea_info."""
    nameless = [one for one in wanted.named if "id" not in one and "subnet" not in one]
    sentences = [f"{wanted.variable}: {one} needs an id and a subnet (its prefix)" for one in nameless]
    named = [one for one in wanted.named if one not in nameless]
    for number, one in enumerate(named):
        sentences += [f"{_words(wanted, one)} is named twice" for other in named[:number] if _collides(one, other)]
        if one.get("state") != "absent":
            sentences += _against(wanted, one, found)
    known = {one["id"] for one in [*found, *named] if "id" in one}
    for subscription in wanted.subscriptions:
        if not _selects(subscription, wanted.family):
            continue
        unknown = [one for one in (subscription.get("match") or {}).get("subnets") or [] if one not in known]
        if unknown:
            numbers = ", ".join(map(str, unknown))
            name = subscription.get("name", "without a name")
            sentences.append(
                f"kea_monitor_subscriptions: subscription {name} names subnet {numbers}, which Kea does not serve"
            )
    return sentences + ([] if wanted.allow_ineffective else _ineffective(wanted, found))


def _selects(subscription: Settings, family: int) -> bool:
    return family in ((subscription.get("match") or {}).get("families") or [family])


def reserved(subscriptions: Sequence[Settings], family: int = 4) -> Optional[List[int]]:
    """Return the ids of the subnets of a family in which the lease monitor is to reserve addresses; None for all."""
    numbers: Set[int] = set()
    for one in subscriptions:
        sinks = one.get("sinks")
        if sinks is not None and not any(str(sink.get("type", "")).startswith("reservation") for sink in sinks):
            continue
        if not _selects(one, family):
            continue
        subnets = (one.get("match") or {}).get("subnets")
        if not subnets:
            return None
        numbers.update(subnets)
    return sorted(numbers)


class _Subnet(NamedTuple):
    """A subnet as it will be."""

    number: Optional[int]
    name: str
    scopes: List[reserving.Scope]
    has_pools: bool


def _ineffective(wanted: Asked, found: List[Settings]) -> List[str]:
    """Return a sentence for each setting under which reservations would do nothing, with the subnets that have it."""
    numbers = reserved(wanted.subscriptions, wanted.family)
    names: Dict[str, List[str]] = {}
    for one in _subnets(wanted, found):
        obstacle = reserving.obstacle(one.scopes, one.has_pools, wanted.family)
        if obstacle and (numbers is None or one.number in numbers):
            names.setdefault(obstacle, []).append(one.name)
    return [
        f"{obstacle}: the lease monitor's reservations would do nothing in {', '.join(subnets)}. Change that setting; "
        f"or leave these subnets out of kea_monitor_subscriptions; or, if it is meant, set "
        f"kea_allow_ineffective_reservations: true"
        for obstacle, subnets in names.items()
    ]


def _subnets(wanted: Asked, found: List[Settings]) -> List[_Subnet]:
    """Return the subnets of the server and of the variables, without those that go."""
    named = [(one, None) for one in wanted.subnets]
    key = subnets_key(wanted.family)
    inside = [(one, shared) for shared in wanted.shared_networks for one in shared.get(key) or []]
    every: List[Tuple[Settings, Optional[Settings]]] = [*named, *inside]
    by_place = {scope["place"]: scope["settings"] for one in found for scope in one.get("reservation_scopes", [])}
    subnets: List[_Subnet] = []
    for known in found:
        same = next((pair for pair in every if is_same(known, pair[0])), None)
        if same is None and not (wanted.exclusive and known["file"]):
            subnets.append(_subnet(wanted, by_place, ({}, None), known))
        elif same is not None and same[0].get("state") != "absent":
            subnets.append(_subnet(wanted, by_place, same, known))
    for one, shared in every:
        is_new = not any(is_same(known, one) for known in found)
        if is_new and {"id", "subnet"} <= set(one) and one.get("state") != "absent":
            subnets.append(_subnet(wanted, by_place, (one, shared), {}))
    return subnets


def _subnet(
    wanted: Asked, by_place: Mapping[str, Settings], asked_for: Tuple[Settings, Optional[Settings]], known: Settings
) -> _Subnet:
    """Return a subnet with the settings of the server, over which those of the variables are set."""
    one, shared = asked_for
    number, prefix = known.get("id", one.get("id")), known.get("subnet", network(one.get("subnet")))
    name, network_name = f"{prefix} (id {number})", known.get("shared_network") or (shared or {}).get("name")
    asked_network = next((each for each in wanted.shared_networks if each.get("name") == network_name), {})
    scopes = [reserving.subnet_scope(name, one)]
    scopes += [reserving.network_scope(str(network_name), asked_network)] if network_name else []
    scopes.append(reserving.Scope(top_of(wanted.family), reserving.settings_of(wanted.settings)))
    merged = [scope._replace(settings={**by_place.get(scope.place, {}), **scope.settings}) for scope in scopes]
    return _Subnet(number, name, merged, bool(known.get("pools") or one.get("pools")))


def _against(wanted: Asked, one: Settings, found: List[Settings]) -> List[str]:
    sentences: List[str] = []
    words = _words(wanted, one)
    same = [other for other in found if is_same(other, one)]
    if not same and not ({"id", "subnet"} <= set(one) and one["id"] != 0):
        sentences.append(
            f"{_words(wanted, one)} is new on this server, so it needs both an id other than 0 and a subnet "
            "(its prefix)"
        )
    for other in same if not wanted.allow_removals and {"id", "subnet"} <= set(one) else []:
        where = f"{other['file']}, line {other['line']}" if other["file"] else "the running Kea"
        if other["subnet"] != network(one["subnet"]):
            sentences.append(
                f"{_words(wanted, one)} takes the id of {other['subnet']} ({where}); choose an id that is free"
            )
        elif other["id"] != one["id"] and other["leases"] != 0:
            leases = "an unknown number of" if other["leases"] is None else other["leases"]
            alone = " (by the statistics of this server alone)" if other["leases_source"] == "statistics" else ""
            sentences.append(
                f"{words} has the id {other['id']} on this server ({where}), and {leases} live leases under "
                f"it{alone}; name it with id {other['id']}"
            )
    if wanted.in_files and not isinstance(one.get("reservations", []), list):
        sentences.append(
            f"{words}: reservations must be a list, because in file mode another included file joins it. Name an "
            f"included file as an element of the list, and leave the brackets out of that file"
        )
    return sentences


def _collides(one: Settings, other: Settings) -> bool:
    if "id" in one and one["id"] == other.get("id"):
        return True
    return "subnet" in one and "subnet" in other and network(one["subnet"]) == network(other["subnet"])


def _words(wanted: Asked, one: Settings) -> str:
    number = f"id {one['id']}" if "id" in one else ""
    return f"{wanted.variable}: subnet " + " ".join(
        filter(None, [str(one.get("subnet", "")), f"({number})" if number else ""])
    )
