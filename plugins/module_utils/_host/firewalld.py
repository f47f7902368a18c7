# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: the zones of firewalld and the ports that each admits, with firewalld's own commands."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any, Dict, List, NamedTuple, Optional, Tuple

from .._errors import KeaError
from . import firewall

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

Facts = Dict[str, Any]

ONLINE, OFFLINE = "firewall-cmd", "firewall-offline-cmd"
"""The command while firewalld runs, and the one that edits its permanent configuration while it does not."""
_NOT_RUNNING = 252
_PORTS = re.compile(r"(?P<first>\d+)(?:-(?P<last>\d+))?/(?P<protocol>\w+)")


class Port(NamedTuple):
    """One port in one zone."""

    zone: str
    port: int
    protocol: str

    @property
    def option(self) -> str:
        """The port as firewalld writes it."""
        return f"{self.port}/{self.protocol}"


def parsed(name: str) -> Port:
    """Return the port that is named ``ZONE/PORT/PROTOCOL``. Raises KeaError."""
    zone, _slash, port = name.partition("/")
    found = _PORTS.fullmatch(port)
    if not zone or found is None or found.group("last"):
        raise KeaError(f"{name} is no port of a zone, such as public/67/udp")
    return Port(zone, int(found.group("first")), found.group("protocol"))


def found(module: AnsibleModule) -> Optional[Facts]:
    """Return the ``zones``, and the ports ``admitted`` by any of them; None if firewalld does not run."""
    program = module.get_bin_path(ONLINE)
    if program is None:
        return None
    code, out, _err = module.run_command([program, "--get-zones"])
    return {"zones": out.split(), "admitted": firewall.admitted(module)} if code == 0 else None


def is_open(module: AnsibleModule, port: Port) -> Tuple[bool, bool]:
    """Return whether the zone has the port permanently, and at present. A range of ports has each of them."""
    return _has(_listed(module, port.zone, True), port), _has(_listed(module, port.zone, False), port)


def change(module: AnsibleModule, port: Port, permanent: bool, wanted: bool) -> None:
    """Open or close the port in the permanent zone or in the present one, if there is one. Raises KeaError."""
    word = "add" if wanted else "remove"
    code, _out, err = _run(module, port.zone, permanent, f"--{word}-port={port.option}")
    _listed.cache_clear()
    if code not in (0, _NOT_RUNNING):
        raise KeaError(f"firewalld does not {word} the port {port.option} of the zone {port.zone}: {err.strip()}")


@functools.lru_cache(maxsize=None)
def _listed(module: AnsibleModule, zone: str, permanent: bool) -> str:
    """Return the ports of a zone; an empty text without that zone or without firewalld. A command takes 0.3 s."""
    code, out, _err = _run(module, zone, permanent, "--list-ports")
    return out if code == 0 else ""


def _run(module: AnsibleModule, zone: str, permanent: bool, option: str) -> Tuple[int, str, str]:
    """Run a command about a zone; about the permanent one also while firewalld does not run."""
    program = module.get_bin_path(ONLINE)
    if program is None:
        return _NOT_RUNNING, "", ""
    options = [*(["--permanent"] if permanent else []), f"--zone={zone}", option]
    result: Tuple[int, str, str] = module.run_command([program, *options])
    if result[0] == _NOT_RUNNING and permanent:
        result = module.run_command([module.get_bin_path(OFFLINE, required=True), f"--zone={zone}", option])
    return result


def _has(listed: str, port: Port) -> bool:
    spans: List[Tuple[int, int, str]] = [
        (int(one["first"]), int(one["last"] or one["first"]), one["protocol"]) for one in _PORTS.finditer(listed)
    ]
    return any(first <= port.port <= last and protocol == port.protocol for first, last, protocol in spans)
