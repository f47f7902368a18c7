# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: the databases of the server that reads a configuration file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .host_databases import HostDatabases
from .lease_database import LeaseDatabase

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule


class Databases:
    """Those of its reservations and of its leases. Nothing is asked before a count."""

    def __init__(self, module: AnsibleModule, path: str) -> None:
        self.hosts = HostDatabases(module, path)
        self.leases = LeaseDatabase(module, path)
