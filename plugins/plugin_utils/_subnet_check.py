# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: compares the subnets of the variables with those of the server, before anything is changed."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, NamedTuple

from ._server_merge import is_same, network

Settings = Dict[str, Any]


class Asked(NamedTuple):
    """The variables that name subnets."""

    subnets: List[Settings]
    """kea_dhcp4_subnets."""
    shared_networks: List[Settings]
    """kea_dhcp4_shared_networks."""
    subscriptions: List[Settings]
    allow_removals: bool
    in_files: bool
    """Whether reservations are in files."""

    @property
    def named(self) -> List[Settings]:
        inside = [one for shared in self.shared_networks for one in shared.get("subnet4") or []]
        return [*self.subnets, *inside]


def asked(variables: Mapping[str, Any]) -> Asked:
    return Asked(**{name: variables[name] for name in Asked._fields})


def problems(wanted: Asked, found: List[Settings]) -> List[str]:
    """Return a sentence for each variable that does not fit the server. ``found`` is ``subnets`` of kea_info."""
    nameless = [one for one in wanted.named if "id" not in one and "subnet" not in one]
    sentences = [f"kea_dhcp4_subnets: {one} needs an id and a subnet (its prefix)" for one in nameless]
    named = [one for one in wanted.named if one not in nameless]
    for number, one in enumerate(named):
        sentences += [f"{_words(one)} is named twice" for other in named[:number] if _collides(one, other)]
        if one.get("state") != "absent":
            sentences += _against(wanted, one, found)
    known = {one["id"] for one in [*found, *named] if "id" in one}
    for subscription in wanted.subscriptions:
        unknown = [one for one in (subscription.get("match") or {}).get("subnets") or [] if one not in known]
        if unknown:
            numbers = ", ".join(map(str, unknown))
            name = subscription.get("name", "without a name")
            sentences.append(
                f"kea_monitor_subscriptions: subscription {name} names subnet {numbers}, which Kea does not serve"
            )
    return sentences


def _against(wanted: Asked, one: Settings, found: List[Settings]) -> List[str]:
    sentences: List[str] = []
    same = [other for other in found if is_same(other, one)]
    if not same and not {"id", "subnet"} <= set(one):
        sentences.append(f"{_words(one)} is new on this server, so it needs both an id and a subnet (its prefix)")
    for other in same if not wanted.allow_removals and {"id", "subnet"} <= set(one) else []:
        where = f"{other['file']}, line {other['line']}" if other["file"] else "the running Kea"
        if other["subnet"] != network(one["subnet"]):
            sentences.append(f"{_words(one)} takes the id of {other['subnet']} ({where}); choose an id that is free")
        elif other["id"] != one["id"] and other["leases"] != 0:
            leases = "an unknown number of" if other["leases"] is None else other["leases"]
            sentences.append(
                f"{_words(one)} has the id {other['id']} on this server ({where}), and {leases} live leases under it; "
                f"name it with id {other['id']}"
            )
    if wanted.in_files and not isinstance(one.get("reservations", []), list):
        sentences.append(
            f"{_words(one)}: reservations must be a list, because in file mode another included file joins it. Name an "
            f"included file as an element of the list, and leave the brackets out of that file"
        )
    return sentences


def _collides(one: Settings, other: Settings) -> bool:
    if "id" in one and one["id"] == other.get("id"):
        return True
    return "subnet" in one and "subnet" in other and network(one["subnet"]) == network(other["subnet"])


def _words(one: Settings) -> str:
    number = f"id {one['id']}" if "id" in one else ""
    return "kea_dhcp4_subnets: subnet " + " ".join(
        filter(None, [str(one.get("subnet", "")), f"({number})" if number else ""])
    )
