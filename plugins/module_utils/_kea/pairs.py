# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: a pair of Kea servers (libdhcp_ha): its states, and how a server reports them (kea-facts 8).

A reload or restart takes a server out of its pair for some heartbeats, in which it serves no client.
"""

from __future__ import annotations

import os
from typing import Any, List, Mapping, NamedTuple, Optional

HOOK = "libdhcp_ha.so"
LEASE_COMMANDS = "libdhcp_lease_cmds.so"
"""The hook with which the servers of a pair read the leases of each other."""

HOT_STANDBY, LOAD_BALANCING = "hot-standby", "load-balancing"
MODES = (HOT_STANDBY, LOAD_BALANCING)
"""Modes of a pair, and the names of the state in which such a pair serves normally."""
PASSIVE_BACKUP = "passive-backup"
"""Mode of a server that only sends its leases to others, which serve no client."""
PRIMARY, STANDBY, SECONDARY, BACKUP = "primary", "standby", "secondary", "backup"

SEND_UPDATES, SYNC = "send-lease-updates", "sync-leases"
"""Switches of a relationship, on by default: send each lease to the partner, and fetch all of its leases at a start."""

HEARTBEAT, RESPONSE = 10000, 60000
"""Defaults of heartbeat-delay and max-response-delay, in milliseconds."""

WAITING, PARTNER_DOWN, TERMINATED = "waiting", "partner-down", "terminated"
IN_MAINTENANCE, PARTNER_IN_MAINTENANCE = "in-maintenance", "partner-in-maintenance"
MAINTENANCE = (IN_MAINTENANCE, PARTNER_IN_MAINTENANCE)
"""States that a server leaves by a command only, unless its partner goes away."""
SERVES_ALL = (PARTNER_DOWN, PARTNER_IN_MAINTENANCE)
"""States in which a server serves the clients of both."""
SERVES_NONE = (WAITING, "syncing", "ready", IN_MAINTENANCE)
"""States in which it serves no client."""

_LOST = ("", "unavailable")


class Status(NamedTuple):
    """The pair as one of its servers reports it."""

    mode: str
    role: str
    """primary, standby or secondary."""
    state: str
    scopes: List[str]
    """Names of the servers whose clients this server serves."""
    partner_state: str
    """State of the partner when it last answered; ``unavailable`` or empty if it did not."""
    in_touch: bool
    """Whether the partner answered the last heartbeat."""
    unacked: int
    """Clients that the partner did not answer while the communication is interrupted."""

    @property
    def has_partner(self) -> bool:
        """Whether another server takes over from it. A backup has none, nor has the server of backups alone."""
        return self.mode in MODES and self.role != BACKUP


def hook(libraries: object) -> Optional[Mapping[str, Any]]:
    """Return the only relationship in ``hooks-libraries`` of a configuration; None if it has none.

    Raises ValueError if there are several: Kea can be the hub of several pairs.
    """
    for one in libraries if isinstance(libraries, list) else []:
        if isinstance(one, dict) and os.path.basename(str(one.get("library"))) == HOOK:
            parameters = one.get("parameters")
            found = parameters.get("high-availability") if isinstance(parameters, dict) else None
            if not isinstance(found, list) or len(found) != 1 or not isinstance(found[0], dict):
                raise ValueError(
                    f"{HOOK} needs exactly one map in high-availability: others than pairs are not supported"
                )
            return found[0]
    return None


def is_configured(libraries: object) -> bool:
    """Return whether ``hooks-libraries`` of a configuration makes a pair."""
    try:
        return hook(libraries) is not None
    except ValueError:
        return True


def is_half(arguments: Mapping[str, Any]) -> bool:
    """Return whether the server that answered ``status-get`` so is half of a pair."""
    return bool(arguments.get("high-availability"))


def status(arguments: Mapping[str, Any]) -> Optional[Status]:
    """Return the pair in an answer to ``status-get``; None if it tells of none."""
    found = arguments.get("high-availability")
    first = found[0] if isinstance(found, list) and found else None
    servers = first.get("ha-servers") if isinstance(first, dict) else None
    if not isinstance(first, dict) or not isinstance(servers, dict) or not isinstance(servers.get("local"), dict):
        return None
    local, remote = servers["local"], servers.get("remote") or {}
    return Status(
        mode=str(first.get("ha-mode", "")),
        role=str(local.get("role", "")),
        state=str(local.get("state", "")),
        scopes=[str(one) for one in local.get("scopes", [])],
        partner_state=str(remote.get("last-state", "")),
        # Kea's own ``in-touch`` stays true after a loss.
        in_touch=remote.get("last-state", "") not in _LOST and not remote.get("communication-interrupted"),
        unacked=int(remote.get("unacked-clients", 0)),
    )
