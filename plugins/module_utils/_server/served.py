# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: the subnets that a running Kea serves, as it tells by ``config-get``.

Kea answers that command in the thread that serves clients, so it is sent once a run and never in a loop.
"""

from __future__ import annotations

from typing import Any, Dict, List, NamedTuple, Optional

from .._config import reserving
from .._config.identity import network
from .._kea import control

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
        config = answer.arguments.get(top)
        if answer.result == control.SUCCESS and isinstance(config, dict):
            return config
    return None


def subnets_in(config: Dict[str, Any], top: str) -> List[Served]:
    """Return the subnets of a configuration as a running Kea returns it."""
    key, inherited = f"subnet{top[-1]}", reserving.inherited(config, top)
    hosts = reserving.hosts(config.get("reservations"))

    def one(value: Dict[str, Any], name: Optional[str]) -> Served:
        prefix = network(value["subnet"]) or str(value["subnet"])
        return Served(int(value["id"]), prefix, name, value, inherited[name], hosts)

    found = [one(value, None) for value in config.get(key, [])]
    for shared in config.get("shared-networks", []):
        found += [one(value, str(shared.get("name"))) for value in shared.get(key, [])]
    return found
