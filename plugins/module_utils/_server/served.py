# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: the subnets that a running Kea serves, as it tells by ``config-get``.

Kea answers that command in the thread that serves clients, so a module that gathers facts sends it at most once (once
more where a file was edited after Kea read it), and no program sends it in a loop.
"""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, NamedTuple, Optional

from .._config import reserving
from .._config.identity import network
from .._config.servers import top_of_path
from .._kea import control
from . import config

TIMEOUT = 30.0
"""Seconds that Kea has for its configuration; it can be large."""


class Served(NamedTuple):
    """One subnet in the running Kea."""

    id: int
    prefix: str
    network: Optional[str]
    value: Dict[str, Any]
    inherited: List[reserving.Scope]
    """Settings for reservations of its shared network and of the server, see ``reserving.inherited``."""
    hosts: List[Dict[str, str]]
    """The reservations outside all subnets."""
    relays: List[str]
    """Addresses of its relays, as ``relays`` returns them."""


class Once:
    """The subnets that the server serves that reads one configuration file. Kea is asked at most once, when needed."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._is_asked = False
        self._found: Optional[List[Served]] = None

    def subnets(self) -> Optional[List[Served]]:
        """Return the subnets; None if Kea does not answer."""
        if not self._is_asked:
            self._is_asked = True
            self._found = served(config.read(self._path)["control_sockets"], top_of_path(self._path))
        return self._found


def served(sockets: Any, top: str) -> Optional[List[Served]]:
    """Return the subnets that Kea serves; None if it does not answer."""
    found = running(sockets, top)
    return None if found is None else subnets_in(found, top)


def running(sockets: Any, top: str) -> Optional[Dict[str, Any]]:
    """Return the configuration of the running Kea with the secrets in it, never to be shown; None without an answer."""
    for path in control.unix_sockets(sockets):
        try:
            answer = control.send(path, "config-get", TIMEOUT)
        except control.ControlError:
            continue
        found = answer.arguments.get(top)
        if answer.result == control.SUCCESS and isinstance(found, dict):
            return found
    return None


def subnets_in(whole: Dict[str, Any], top: str) -> List[Served]:
    """Return the subnets of a configuration as a running Kea returns it."""
    key, inherited = f"subnet{top[-1]}", reserving.inherited(whole, top)
    hosts = reserving.hosts(whole.get("reservations"))

    def one(value: Dict[str, Any], name: Optional[str], around: Mapping[str, Any]) -> Served:
        prefix = network(value["subnet"]) or str(value["subnet"])
        return Served(int(value["id"]), prefix, name, value, inherited[name], hosts, relays(value, around))

    found = [one(value, None, {}) for value in whole.get(key, [])]
    for shared in whole.get("shared-networks", []):
        found += [one(value, str(shared.get("name")), shared) for value in shared.get(key, [])]
    return found


def relays(value: Mapping[str, Any], around: Mapping[str, Any]) -> List[str]:
    """Return the addresses of the relays of a subnet. Without one of its own it has those of its shared network.

    ``around`` is the map of that network, empty for none.
    """
    return _relays(value) or _relays(around)


def _relays(value: Mapping[str, Any]) -> List[str]:
    relay = value.get("relay")
    if not isinstance(relay, dict):
        return []
    found = relay.get("ip-addresses", [relay["ip-address"]] if "ip-address" in relay else [])
    return list(map(str, found)) if isinstance(found, list) else []
