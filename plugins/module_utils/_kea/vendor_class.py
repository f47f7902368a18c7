# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: what a client called its kind: the vendor class, option 60 of DHCPv4 and 16 of DHCPv6.

Kea keeps it from 3.0 on, in the user context of the lease, if the hook library ``lease_cmds`` has a binding variable
for it: ``{"ISC": {"binding-variables": {"vendor-class": "69:44:52:41:43"}}}``. No earlier version has any place for it.
"""

from __future__ import annotations

from typing import Mapping

from . import identifiers, user_context

VARIABLE = "vendor-class"
"""Name of the binding variable. docs/machines.md has the text of its definition."""


def of_context(context: object) -> str:
    """Return the vendor class, from a lease's user context: its JSON, or the map in it; empty if it tells none.

    The definition has it in hex with colons, because a client can send any octets, of which a database takes not all.
    It is shown as text if all are printable ASCII. A definition that keeps the text itself is read, too.
    """
    variables = user_context.owned(context, "binding-variables")
    told = variables.get(VARIABLE) if isinstance(variables, Mapping) else None
    if not isinstance(told, str):
        return ""
    try:
        octets = identifiers.octets(told)
    except ValueError:
        octets = told.encode("utf-8", "surrogatepass")
    return user_context.shown(octets)
