# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: judges the pair of which a server is half."""

from __future__ import annotations

from typing import Any, Iterator, Mapping, Optional, Tuple

from .._kea import pairs
from .finding import DEPLOY, OK, WARN, WRONG, Expected, Facts, Finding

PAGE = "see docs/pairs.md"
CLOCK_WARN, CLOCK_WRONG = 5.0, 30.0
"""Seconds between the clocks of both servers; Kea warns at 30 and ends the pair at 60."""


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
    # A server that is down, or has no partner, tells nothing that could be compared.
    if found["state"] and found["partner"]:
        yield from _access(found)


def _access(found: Mapping[str, Any]) -> Iterator[Finding]:
    """Judge what each server tells the other one and others, and whether both have the same subnets."""
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
    if not found["mode"]:
        return Finding("pair", WRONG, f"the pair cannot be looked at: {found['error']}", PAGE)
    here = f"this server ({found['role']}) {_words(found['state'], found['scopes'])}"
    if found["error"]:
        seen = f"{found['mode']}: {here}; its partner {found['partner'] or ''} does not answer: {found['error']}"
        return Finding("pair", WRONG, seen, _without_partner(found))
    if found["partner"] is None:
        return Finding("pair", OK, f"{found['mode']}: {here}; no server takes over from it")
    there = f"{found['partner']} {_words(found['partner_state'], found['partner_scopes'])}"
    seen = f"{found['mode']}: {here}; {there}"
    if found["state"] == found["partner_state"] == found["mode"]:
        return _touched(found, seen)
    return Finding("pair", *_abnormal(found["state"], found["partner_state"], seen))


def _abnormal(here: Optional[str], there: str, seen: str) -> Tuple[str, str, str]:
    """Return verdict, what was seen and what to do for two states that are not the normal ones."""
    states = (here, there)
    if not here:
        return WRONG, seen, f"start this server: it fetches the leases before it serves, {PAGE}"
    if pairs.TERMINATED in states:
        todo = f"mostly the clocks ended the pair: set both, then restart both servers, the standby first, {PAGE}"
        return WRONG, seen, todo
    if set(states) & set(pairs.MAINTENANCE):
        return WARN, seen, f"a maintenance that a play left is ended by {DEPLOY}"
    if states == (pairs.PARTNER_DOWN, pairs.PARTNER_DOWN):
        return WRONG, seen, f"both serve the same clients, until they find each other within a minute, {PAGE}"
    if pairs.PARTNER_DOWN in states:
        return WRONG, seen, f"look at the server that is not {pairs.PARTNER_DOWN}, {PAGE}"
    return WARN, seen, f"the pair comes back; if it does not within a minute or two, {PAGE}"


def _touched(found: Mapping[str, Any], seen: str) -> Finding:
    """Judge a pair whose states are normal: Kea itself may not reach a partner that answers this program."""
    if found["in_touch"]:
        return Finding("pair", OK, seen)
    words = f"{seen}; Kea itself does not reach {found['partner']}"
    return Finding("pair", WRONG, words, f"read Kea's journal, {PAGE}")


def _without_partner(found: Mapping[str, Any]) -> str:
    """Return what to do if the partner does not answer this host."""
    if found["state"] in pairs.SERVES_ALL:
        return (
            f"start the partner; if it runs, the network between both is cut and both may serve the same clients: stop "
            f"Kea on one of both, {PAGE}"
        )
    if not found["state"]:
        return f"no server of the pair answers: start the one that served last, {PAGE}"
    return f"look at the partner, and at the network between both, {PAGE}"


def _words(state: Any, scopes: Any) -> str:
    return f"is {state} and serves {_scopes(scopes)}" if state else "does not answer"


def _scopes(names: Any) -> str:
    """Return words for scopes. With hot-standby, all clients are those of the primary."""
    return f"the clients of {' and '.join(names)}" if names else "no client"
