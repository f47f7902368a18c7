# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: what a DHCP server is told about names in DNS: whether it sends them to D2, and how it makes them."""

from __future__ import annotations

import os
from typing import Any, Dict, List, Mapping, NamedTuple

from ..module_utils._kea.pairs import LEASE_COMMANDS
from ._pair import name_of

Settings = Dict[str, Any]

MODE, SWITCH = "ddns-conflict-resolution-mode", "ddns-use-conflict-resolution"
CHECKED, UNCHECKED = "check-with-dhcid", "no-check-with-dhcid"
MODES = (CHECKED, UNCHECKED, "check-exists-with-dhcid", "no-check-without-dhcid")
"""Modes of conflict resolution. The switch of an earlier Kea knows the first two only."""


class Ddns(NamedTuple):
    """The variables of a DHCP server about names."""

    enabled: bool = False
    names: Settings = {}
    """Keys of the server about names, such as ddns-qualifying-suffix."""
    address: str = ""
    """Address at which D2 listens; empty for Kea's default."""
    port: int = 0
    """Its port; 0 for Kea's default."""


NO_DDNS = Ddns()


def ddns(variables: Mapping[str, Any]) -> Ddns:
    known = {name: variables[name] for name in Ddns._fields if name in variables}
    return Ddns(**{**known, "port": int(known.get("port") or 0)})


def settings(asked: Ddns, directory: str) -> Settings:
    """Return what is merged into the configuration. ``directory`` is that of Kea's hooks; empty if it is unknown.

    The hook has the command with which a name is sent again after DNS was away.
    """
    if not asked.enabled:
        return {}
    where = {key: value for key, value in (("server-ip", asked.address), ("server-port", asked.port)) if value}
    return {
        "dhcp-ddns": {"enable-updates": True, **where},
        **asked.names,
        "hooks-libraries": [{"library": os.path.join(directory, LEASE_COMMANDS)}],
    }


def joined(own: Settings, site: Settings) -> Settings:
    """Return the settings of the site with these: what the site says stays, and so do its hooks."""
    if not own:
        return site
    there = {name_of(one) for one in site.get("hooks-libraries", [])}
    hooks = [one for one in own["hooks-libraries"] if name_of(one) not in there]
    return {
        **own,
        **site,
        "dhcp-ddns": {**own["dhcp-ddns"], **site.get("dhcp-ddns", {})},
        "hooks-libraries": [*site.get("hooks-libraries", []), *hooks],
    }


def for_version(value: Any, has_modes: bool) -> Any:
    """Return a value of a configuration in which conflict resolution is written as this version of Kea knows it."""
    if isinstance(value, list):
        return [for_version(one, has_modes) for one in value]
    if not isinstance(value, dict):
        return value
    found = {key: for_version(one, has_modes) for key, one in value.items()}
    if not has_modes and found.get(MODE) in (CHECKED, UNCHECKED):
        found[SWITCH] = found.pop(MODE) == CHECKED
    return found


def modes_in(value: Any) -> List[str]:
    """Return the modes of conflict resolution that a value of a configuration names, wherever they stand."""
    if isinstance(value, list):
        return [mode for one in value for mode in modes_in(one)]
    if not isinstance(value, dict):
        return []
    own = [str(value[MODE])] if MODE in value else []
    return own + [mode for one in value.values() for mode in modes_in(one)]


def has_both(value: Any) -> bool:
    """Return whether a map in a value of a configuration has both the mode and the switch of conflict resolution."""
    if isinstance(value, list):
        return any(map(has_both, value))
    if not isinstance(value, dict):
        return False
    return (MODE in value and SWITCH in value) or any(map(has_both, value.values()))
