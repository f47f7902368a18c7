# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: judges the facts of a host, and renders the findings as a table. Nothing is read here."""

from __future__ import annotations

from typing import List, Sequence

from . import database as verify_database
from . import ddns as verify_ddns
from . import monitor as verify_monitor
from . import pair as verify_pair
from . import server as verify_server
from . import subnets as verify_subnets
from .finding import (
    OK,
    SEVERITIES,
    Expected,
    Facts,
    Finding,
)

_SERVER_LOOKS = (
    verify_server.server,
    verify_server.version,
    verify_pair.pair,
    verify_server.configuration,
    verify_server.host_cache,
    verify_server.lease_file,
    verify_subnets.reservations,
    verify_subnets.left_out,
    verify_subnets.pools,
    verify_ddns.sends,
    verify_ddns.names,
    verify_monitor.reservation_files,
    verify_monitor.probe,
    verify_monitor.timer,
)
"""What each server has of its own, in the order of a lease's way."""
_LOOKS = (
    *_SERVER_LOOKS[:-3],
    verify_database.database,
    verify_database.rights,
    verify_database.access,
    verify_database.trigger,
    verify_database.events,
    verify_database.tls,
    verify_monitor.monitor,
    verify_monitor.subscriptions,
    verify_monitor.reservation_files,
    verify_monitor.probe,
    verify_monitor.timer,
    verify_ddns.server,
    verify_ddns.zones,
    verify_server.secrets,
    verify_server.drift,
)


def judge(facts: Facts, expected: Expected) -> List[Finding]:
    """Return all findings, worst first. Those of a DHCPv6 server say so."""
    found = [finding for look in _LOOKS if expected.host or look in _SERVER_LOOKS for finding in look(facts, expected)]
    if facts["family"] == 6:
        own = [finding for look in _SERVER_LOOKS for finding in look(facts, expected)]
        found = [one._replace(name=f"DHCPv6 {one.name}") if one in own else one for one in found]
    return sorted(found, key=lambda finding: SEVERITIES.index(finding.verdict))


def worst(findings: Sequence[Finding]) -> str:
    """Return the worst verdict of all."""
    found: str = min((finding.verdict for finding in findings), key=SEVERITIES.index, default=OK)
    return found


def report(findings: Sequence[Finding]) -> List[str]:
    """Return a table for a person: a line for each finding, followed by what to do about it."""
    counts = [f"{sum(one.verdict == verdict for one in findings)} {verdict}" for verdict in SEVERITIES]
    width = max((len(one.name) for one in findings), default=0)
    lines = [", ".join(counts)]
    for one in findings:
        lines.append(f"{one.verdict.upper() if one.verdict != OK else OK:5}  {one.name:{width}}  {one.seen}")
        if one.todo:
            lines.append(f"{'':5}  {'':{width}}  -> {one.todo}")
    return lines
