# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: whether a host is what it should be: what was read of it, judged. Nothing is read here."""

from __future__ import annotations

from typing import List, Sequence

from ansible_collections.baremetal.kea.plugins.module_utils import (
    _kea_verify_database,
    _kea_verify_monitor,
    _kea_verify_server,
)
from ansible_collections.baremetal.kea.plugins.module_utils._kea_verify_finding import (
    OK,
    SEVERITIES,
    Expected,
    Facts,
    Finding,
)

_LOOKS = (
    _kea_verify_server.server,
    _kea_verify_server.version,
    _kea_verify_server.configuration,
    _kea_verify_database.database,
    _kea_verify_database.trigger,
    _kea_verify_database.events,
    _kea_verify_database.tls,
    _kea_verify_monitor.monitor,
    _kea_verify_monitor.subscriptions,
    _kea_verify_monitor.reservation_files,
    _kea_verify_monitor.probe,
    _kea_verify_monitor.timer,
    _kea_verify_server.secrets,
    _kea_verify_server.drift,
)
"""In the order in which a lease travels."""


def judge(facts: Facts, expected: Expected) -> List[Finding]:
    """All findings, the worst first."""
    found = [finding for look in _LOOKS for finding in look(facts, expected)]
    return sorted(found, key=lambda finding: SEVERITIES.index(finding.verdict))


def worst(findings: Sequence[Finding]) -> str:
    """The worst verdict of all."""
    found: str = min((finding.verdict for finding in findings), key=SEVERITIES.index, default=OK)
    return found


def report(findings: Sequence[Finding]) -> List[str]:
    """A table for a person: a line for each finding, and below those that are not well what to do."""
    counts = [f"{sum(one.verdict == verdict for one in findings)} {verdict}" for verdict in SEVERITIES]
    width = max((len(one.name) for one in findings), default=0)
    lines = [", ".join(counts)]
    for one in findings:
        lines.append(f"{one.verdict.upper() if one.verdict != OK else OK:5}  {one.name:{width}}  {one.seen}")
        if one.todo:
            lines.append(f"{'':5}  {'':{width}}  -> {one.todo}")
    return lines
