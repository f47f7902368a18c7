# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: judges the pair of which a server is half."""

from __future__ import annotations

from typing import Any, Iterator, Mapping

from .._kea import pairs
from .finding import DEPLOY, OK, WARN, WRONG, Expected, Facts, Finding

PAGE = "see docs/pairs.md"
CLOCK_WARN, CLOCK_WRONG = 5.0, 30.0
"""Seconds between the clocks of both servers; Kea warns at 30 and ends the pair at 60."""
_MAINTENANCE = (pairs.IN_MAINTENANCE, pairs.PARTNER_IN_MAINTENANCE)


def pair(facts: Facts, _expected: Expected) -> Iterator[Finding]:
    """Judge the states of both servers in one line, their clocks, their subnets, and clients without an answer."""
    found = facts["pair"]
    if found is None:
        return
    yield _states(found)
    difference = found["clock_difference"]
    if difference is not None and abs(difference) > CLOCK_WARN:
        verdict = WRONG if abs(difference) > CLOCK_WRONG else WARN
        seen = f"the clock of {found['partner']} is {difference:+.0f} s from that of this server"
        yield Finding("pair clocks", verdict, seen, "set up NTP on both; the pair ends at 60 s")
    if found["unacked"]:
        seen = f"{found['partner']} left {found['unacked']} clients without an answer"
        yield Finding("pair clients", WARN, seen, f"look at {found['partner']}: this server takes over soon")
    if found["subnets_differ"] is not None and str(found["url"]).startswith("http://"):
        seen = f"{found['partner']} takes every command at {found['url']}, from whoever reaches it"
        yield Finding(
            "pair access", WARN, seen, f"set kea_ha_trust_anchor, or have a firewall admit the pair only, {PAGE}"
        )
    if found["subnets_differ"]:
        seen = f"the subnets of both servers differ: {', '.join(found['subnets_differ'])}"
        yield Finding("pair subnets", WRONG, seen, f"give both servers the same variables, then {DEPLOY}")
    elif found["subnets_differ"] is None and not found["error"]:
        seen = f"{found['partner']} does not tell its subnets: it accepts only the commands of its pair"
        yield Finding("pair subnets", WARN, seen, f"set restrict-commands to false on both servers, {PAGE}")


def _states(found: Mapping[str, Any]) -> Finding:
    here = f"this server ({found['role']}) is {found['state']} and serves {_scopes(found['scopes'])}"
    if found["error"]:
        seen = f"{here}; its partner {found['partner'] or ''} does not answer: {found['error']}"
        return Finding("pair", WRONG, seen, f"look at the partner, {PAGE}")
    there = f"{found['partner']} is {found['partner_state']} and serves {_scopes(found['partner_scopes'])}"
    seen = f"{found['mode']}: {here}; {there}"
    states = (found["state"], found["partner_state"])
    if states == (found["mode"], found["mode"]):
        return Finding("pair", OK, seen)
    if pairs.TERMINATED in states:
        return Finding("pair", WRONG, seen, f"the servers give up their pair: {PAGE}")
    if set(states) & set(_MAINTENANCE):
        return Finding("pair", WARN, seen, f"a maintenance that a play left is ended by {DEPLOY}")
    if pairs.PARTNER_DOWN in states:
        return Finding("pair", WRONG, seen, f"look at the server that is not {pairs.PARTNER_DOWN}, {PAGE}")
    return Finding("pair", WARN, seen, f"the pair comes back; if it does not within a minute or two, {PAGE}")


def _scopes(names: Any) -> str:
    return " and ".join(names) if names else "no client"
