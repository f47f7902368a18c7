# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: removes leases of one client in the running Kea, by its hook library lease_cmds."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping

from .._errors import KeaError
from .._kea import control

TIMEOUT = 10.0
"""Seconds that Kea has for one command."""

_BY = {"hw-address": "lease4-get-by-hw-address", "client-id": "lease4-get-by-client-id", "duid": "lease6-get-by-duid"}


def present(sockets: Any, family: int, kind: str, identifier: str, subnet: int) -> List[str]:
    """Return the addresses that Kea has leased to this client in the subnet. Raises KeaError.

    ``sockets`` are the control sockets of the configuration. A DHCPv4 lease has no DUID, so none is found by it.
    """
    if (family == 6) != (kind == "duid"):
        return []
    found = _ask(sockets, _BY[kind], {kind: identifier})
    leases: List[Dict[str, Any]] = found.get("leases", [])
    return [str(one["ip-address"]) for one in leases if one["subnet-id"] == subnet]


def remove(sockets: Any, family: int, address: str) -> None:
    """Remove the lease of an address, and its name from DNS if Kea keeps it there. Raises KeaError."""
    _ask(sockets, f"lease{family}-del", {"ip-address": address, "update-ddns": True})


def _ask(sockets: Any, command: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    paths = control.unix_sockets(sockets)
    if not paths:
        raise KeaError("lease: Kea has no control socket, so no lease can be removed. Add control-socket")
    try:
        answer = control.send(paths[0], command, TIMEOUT, arguments)
    except control.ControlError as error:
        raise KeaError(f"lease: {error}") from error
    if answer.result == control.UNSUPPORTED:
        raise KeaError(
            f"lease: Kea does not know the command {command}. Add the hook library libdhcp_lease_cmds.so to "
            "hooks-libraries (kea_dhcp4_settings), or wait until the lease ends"
        )
    if answer.result not in (control.SUCCESS, control.EMPTY):
        raise KeaError(f"lease: Kea refuses {command} {dict(arguments)}: {answer.text}")
    return answer.arguments
