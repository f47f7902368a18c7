# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: judges Kea's D2 and the names of leases in DNS."""

from __future__ import annotations

from typing import Any, Iterator, Mapping, Sequence

from .._kea import named_leases
from .finding import DEPLOY, OK, WARN, WRONG, Expected, Facts, Finding, journal

SHOWN = 3
"""Names that a finding shows."""
RUNBOOK = "docs/ddns.md, what to do"


def server(facts: Facts, _expected: Expected) -> Iterator[Finding]:
    """Judge whether D2 runs with the files on the disk."""
    found = facts["ddns"]
    if found is None:
        return
    unit = found["server"]["unit"]
    if unit is None or found["server"]["version"] is None:
        yield Finding("ddns", WRONG, "kea-dhcp-ddns is not installed: no name reaches DNS", DEPLOY)
        return
    name = unit["name"]
    if not unit["active"]:
        yield Finding("ddns", WRONG, f"{name} does not run: no name reaches DNS", journal(name))
    elif not found["server"]["serving"]:
        yield Finding("ddns", WRONG, f"{name} runs but does not answer on its control channel", journal(name))
    else:
        failures = found["failures"]
        yield Finding(
            "ddns", OK, f"{name} runs" + (f"; {failures} changes failed since it started" if failures else "")
        )
    if found["server"]["outdated"]:
        seen = f"files of {name} were changed after it started, and are not in force"
        yield Finding("ddns in force", WARN, seen, f"if the change is meant: {DEPLOY}, which restarts it")


def sends(facts: Facts, _expected: Expected) -> Iterator[Finding]:
    """Judge whether the DHCP server sends names to D2."""
    if facts["ddns"] and not (facts["config"]["dhcp_ddns"] or {}).get("enable-updates", False):
        yield Finding("ddns", WRONG, "Kea's DHCP server does not send names (dhcp-ddns, enable-updates)", DEPLOY)


def zones(facts: Facts, _expected: Expected) -> Iterator[Finding]:
    """Judge whether each DNS server answers for its zones."""
    asked = facts["ddns"]["zones"] if facts["ddns"] else []
    failed = [one for one in asked if one["error"]]
    for one in failed:
        yield Finding("dns", WRONG, f"{one['server']} does not answer for {one['zone']}: {one['error']}", RUNBOOK)
    if asked and not failed:
        yield Finding("dns", OK, f"{len(asked)} zones and servers answer")


def names(facts: Facts, _expected: Expected) -> Iterator[Finding]:
    """Judge whether DNS has the names of leases. One that was leased a moment ago may still be on its way."""
    found: Mapping[str, Any] = (facts["ddns"] or {}).get("names") or {}
    if found.get("error"):
        yield Finding("names", WARN, f"names of leases cannot be looked up: {found['error']}", RUNBOOK)
    elif found.get("wrong"):
        seen = (
            f"{len(found['wrong'])} of {found['looked_up']} names are wrong in DNS: {'; '.join(found['wrong'][:SHOWN])}"
        )
        yield Finding("names", WARN, seen, _remedy(found["wrong"]))
    elif found:
        yield Finding("names", OK, f"{found['looked_up']} names of leases were looked up, and DNS has them")


def _remedy(wrong: Sequence[str]) -> str:
    """Return what to do. Waiting does not help a name that a client of the other family has."""
    if all(named_leases.OTHER_FAMILY in one for one in wrong):
        return "docs/ddns.md, one name for both families"
    return f"wait five minutes and verify again; then {RUNBOOK}"
