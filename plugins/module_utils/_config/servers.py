# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: Kea's servers: the program and the configuration file of each."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Optional

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

DDNS = "DhcpDdns"
"""Map at the top of the configuration of D2, which sends names to DNS servers and has no leases."""
PROGRAMS = {"Dhcp4": "kea-dhcp4", "Dhcp6": "kea-dhcp6", DDNS: "kea-dhcp-ddns"}
"""Program of each server, by the map at the top of its configuration."""


INCLUDES = {4: "/etc/kea/reservations.d", 6: "/etc/kea/reservations6.d"}
"""Directory of the reservations in files that the server of each family includes."""

WRITTEN = {4: "/var/lib/kea-reservations/written", 6: "/var/lib/kea-reservations6/written"}
"""The lease monitor's own directory of them."""


def top_of_path(path: str) -> str:
    """Return the map that a configuration file should have at its top, by the name of the file."""
    name = os.path.basename(path)
    if "ddns" in name:
        return DDNS
    return "Dhcp6" if "dhcp6" in name else "Dhcp4"


def has_leases(top: str) -> bool:
    """Return whether the server serves DHCP clients, which have leases."""
    return top != DDNS


def family_of(top: str) -> int:
    """Return 4 for ``Dhcp4`` and 6 for ``Dhcp6``."""
    return int(top[-1])


def top_of(family: int) -> str:
    """Return the map at the top of the configuration of the server of this family."""
    return f"Dhcp{family}"


def subnets_key(family: int) -> str:
    """Return the key of the subnets in the configuration of the server of this family."""
    return f"subnet{family}"


def installed_version(module: AnsibleModule, top: str) -> Optional[str]:
    """Return the version that the server of this family prints; None if it is not installed."""
    program = module.get_bin_path(PROGRAMS[top])
    if program is None:
        return None
    _code, out, _err = module.run_command([program, "-v"], check_rc=True)
    return str(out).strip()
