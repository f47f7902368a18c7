# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: read whether a zone of firewalld admits a port, and close a port that a deployment opened."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._host import firewalld
from .document import Manifest, State

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule


def look(module: AnsibleModule, name: str) -> State:
    """Return whether a port named ZONE/PORT/PROTOCOL is open permanently, and at present. Raises KeaError."""
    permanent, active = firewalld.is_open(module, firewalld.parsed(name))
    return {"state": "open", "permanent": permanent, "active": active} if permanent or active else {"state": "absent"}


def put(module: AnsibleModule, _manifest: Manifest, name: str, state: State) -> None:
    """Open or close a port as it was found. Raises KeaError."""
    port = firewalld.parsed(name)
    now = firewalld.is_open(module, port)
    found = (state.get("permanent", False), state.get("active", False))
    for permanent, is_open, was_open in zip((True, False), now, found):
        if is_open != was_open:
            firewalld.change(module, port, permanent, was_open)
