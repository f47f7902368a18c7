# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: whether a Kea server answers on its control channel and has its leases."""

from __future__ import annotations

from typing import Any, Dict, Optional

from .._host import systemd
from .._kea import control, pairs

TIMEOUT = 5.0
"""Seconds that Kea has for an answer."""


def is_serving(unit: Optional[systemd.Unit], sockets: Any) -> bool:
    """Return whether the unit is active and the server answers on each of its unix control sockets.

    ``sockets`` is ``control_sockets`` of the configuration. Without a unix socket, the unit alone decides.
    """
    return bool(unit and unit.active) and all(_answers(path) for path in control.unix_sockets(sockets))


def answers(sockets: Any) -> Optional[bool]:
    """Return whether the server answers on its first unix control socket; None if it has none."""
    paths = control.unix_sockets(sockets)
    return _answers(paths[0]) if paths else None


def listening(sockets: Any) -> Optional[Dict[str, Any]]:
    """Return whether the server listens on its interfaces: ``status`` and ``errors``; None if it does not tell.

    With status ``failed`` or ``retrying``, clients behind the interfaces that ``errors`` name are not served.
    """
    for path in control.unix_sockets(sockets):
        try:
            found = control.send(path, "status-get", TIMEOUT).arguments.get("sockets")
        except control.ControlError:
            continue
        if isinstance(found, dict):
            return {"status": str(found.get("status", "")), "errors": [str(one) for one in found.get("errors") or []]}
    return None


def pair_state(sockets: Any) -> Optional[str]:
    """Return the state of the server in its pair; None if it is in none, or does not answer."""
    for path in control.unix_sockets(sockets):
        try:
            found = pairs.status(control.send(path, "status-get", TIMEOUT).arguments)
        except control.ControlError:
            continue
        return found.state if found else None
    return None


def lease_problem(sockets: Any) -> str:
    """Return why the server cannot use its leases; empty if it can, or if it has no unix control socket.

    Without hook libraries, only one command needs the leases: the search for expired ones. Kea runs it every few
    seconds anyway.
    """
    for path in control.unix_sockets(sockets):
        try:
            answer = control.send(path, "leases-reclaim", TIMEOUT, {"remove": False})
        except control.ControlError:
            return "Kea has no leases (no answer)"
        if answer.result != control.SUCCESS:
            return f"Kea has no leases ({answer.text})"
    return ""


def _answers(path: str) -> bool:
    try:
        return bool(control.send(path, "status-get", TIMEOUT).result == control.SUCCESS)
    except control.ControlError:
        return False
