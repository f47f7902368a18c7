# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: what the plan of the role kea_lease_monitor is made from: its variables, and names on the host."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, NamedTuple, Sequence

from ._login import Database, database

Settings = Dict[str, Any]


class Wanted(NamedTuple):
    """The variables of the role."""

    source: str
    """memfile, events or polling."""
    source_options: Settings
    lease_file: str
    """Of the server of the first family. Empty for the one that Kea's configuration names."""
    reservations: str
    """files or database."""
    reservations_directory: str
    """Directory of what Kea includes, in which former releases of the monitor wrote, too."""
    site_reservations: List[Settings]
    discovery_directory: str
    database: Database
    subscriptions: List[Settings]
    state: str
    """sqlite or postgresql."""
    state_options: Settings
    metrics_listen: str
    webhook_secret: str
    """Secret of the sinks webhook that name no file; empty if they do not sign."""
    writable: List[str]
    log_level: str
    families: Sequence[int] = (4,)
    """Families of the servers of Kea whose leases are read."""
    subnets_in_no_file: Mapping[int, List[int]] = {}
    """Ids of subnets that Kea serves and that no file defines, by family."""

    @property
    def in_files(self) -> bool:
        return self.reservations == "files"

    @property
    def uses_database(self) -> bool:
        return self.source != "memfile" or self.reservations == "database"

    @property
    def site_sinks(self) -> List[Settings]:
        """Sinks that the site's subscriptions name."""
        return [sink for subscription in self.subscriptions for sink in subscription.get("sinks", [])]


class Paths(NamedTuple):
    """Users and paths of the monitor on the host."""

    user: str
    kea_user: str
    config_directory: str
    config_file: str
    password_file: str
    webhook_secret_file: str
    site_file: str
    state_directory: str
    reservations: str
    """Directory of the reservations in files: what the monitor wrote, and what the applier reports."""

    def of(self, family: int) -> str:
        """Return the directory of the reservations for the server of this family."""
        return f"{self.reservations}6" if family == 6 else self.reservations

    def written(self, family: int) -> str:
        return f"{self.of(family)}/written"

    def report(self, family: int) -> str:
        return f"{self.of(family)}/report"


def wanted(variables: Mapping[str, Any]) -> Wanted:
    """Return the variables of the role, given without their prefix."""
    known = {name: variables[name] for name in Wanted._fields if name in variables}
    families = [int(one) for one in variables.get("families", [4])]
    in_no_file = {int(family): found for family, found in variables.get("subnets_in_no_file", {}).items()}
    given = {"database": database(variables["database"]), "families": families, "subnets_in_no_file": in_no_file}
    return Wanted(**{**known, **given})
