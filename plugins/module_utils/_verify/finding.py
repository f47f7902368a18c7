# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: what a verification finds, and what it was told to expect."""

from __future__ import annotations

from typing import Any, Mapping, NamedTuple

OK, WARN, WRONG = "ok", "warn", "wrong"
SEVERITIES = (WRONG, WARN, OK)
"""The worst first: wrong is for the night, warn for the day after."""

DEPLOY = "run kea_deploy.yml"

Facts = Mapping[str, Any]
"""By the names of kea_info's results, and of those that _kea_verify_host adds."""


class Finding(NamedTuple):
    """One thing that was looked at."""

    name: str
    verdict: str
    seen: str
    todo: str = ""
    """What a person does about it; empty when all is well."""


class Expected(NamedTuple):
    """What the variables of the deployment say."""

    leases: str
    """memfile or postgresql."""
    reservations: str
    """files or postgresql."""
    timer: bool
    tls: bool
    """Whether the database must be reached by TLS only."""
    kea_role: str
    monitor_role: str

    @property
    def database(self) -> bool:
        return "postgresql" in (self.leases, self.reservations)


def journal(unit: str) -> str:
    """How a person reads what a unit said last."""
    return f"journalctl -u {unit} -n 30"
