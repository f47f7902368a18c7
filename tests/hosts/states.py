# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring a host into the state that a test begins with, so that each test can run alone.

A host that is in the state already is left alone: in a full run most tests find the state that the previous test left.
"""

from __future__ import annotations

from typing import Any

from host import Host, wait

EVENTS: dict[str, Any] = {"kea_enable_database": True, "kea_db_enable_notify": True}
BEFORE_DEPLOY = {"kea_rollback_to": "before_deploy"}
CONFIG = "/etc/kea/kea-dhcp4.conf"
ALL_RESERVED = "SELECT (SELECT count(*) FROM hosts) >= (SELECT count(*) FROM lease4 WHERE state = 0)"
TRIGGERS = "SELECT tgname FROM pg_trigger WHERE tgname ^@ 'kea_lease_notify'"


def deployed(host: Host) -> bool:
    """Whether the monitor is installed."""
    return host.run("readlink", "/opt/baremetal/current", check=False) != ""


def has_database(host: Host) -> bool:
    """Whether a database of Kea exists on the host."""
    psql = "runuser -u postgres -- psql -XAtqc 'SELECT 1 FROM lease4 LIMIT 0' kea >/dev/null 2>&1 && echo yes"
    return host.run("sh", "-c", psql, check=False) != ""


def in_events_mode(host: Host) -> bool:
    """Whether Kea serves from the database and the trigger writes events."""
    in_database = deployed(host) and "postgresql" in host.run("cat", CONFIG)
    return in_database and host.sql(TRIGGERS) != []


def require_events_mode(host: Host) -> None:
    """Deploy in events mode unless that is the state."""
    if not in_events_mode(host):
        succeed(host, "kea_deploy", **EVENTS)
        wait(lambda: host.sql(ALL_RESERVED) == ["t"], "the reservations of the leases that were moved")


def require_database_left(host: Host) -> None:
    """Deploy in events mode and roll back, unless the database that such a roll-back leaves exists."""
    if deployed(host) or not has_database(host):
        require_events_mode(host)
        succeed(host, "kea_rollback", **EVENTS, **BEFORE_DEPLOY, kea_rollback_force=True, kea_rollback_constraint=True)


def require_deployed(host: Host) -> None:
    """Deploy in events mode unless there is a deployment."""
    if not deployed(host):
        require_events_mode(host)


def succeed(host: Host, playbook: str, **variables: Any) -> None:
    """Run a playbook that has to succeed."""
    played = host.play(playbook, **variables)
    assert played.code == 0, played.words[-3000:]
