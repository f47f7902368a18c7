# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: what nftables accepts from outside, as far as its rules are simple, as those of Debian's examples are."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Dict, List, NamedTuple, Optional, Tuple

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

Facts = Dict[str, Any]

LEGACY_TABLES = "/proc/net/ip_tables_names"
_FAMILIES = ("ip", "inet")
_REFUSALS = ("drop", "reject")
_FIREWALLD, _FIREWALLD_IN = "firewalld", "filter_IN_"
"""The table of firewalld, and the beginning of the names of its chains for incoming packets of a zone."""
_ALL_PORTS = {"protocol": "th", "first": 0, "last": 65535}


class _Rule(NamedTuple):
    verdict: str
    """accept, drop, reject, empty for none, or unclear for one that other rules decide."""
    ports: Optional[List[Facts]]
    """What it names as ports; None if it names none."""
    is_narrow: bool
    """Whether it also asks for something else, such as an interface or a state."""


def closed(module: AnsibleModule) -> Tuple[Optional[List[Facts]], str]:
    """Return the chains for incoming packets that drop what no rule accepts, each with the ports that rules accept.

    None if that is not known: without nft, or where a chain jumps to another one or uses named sets or maps. The second
    value says why rules could not be judged; it is empty if there is nothing to tell. firewalld is judged by its zones.
    """
    listed = _listed(module)
    chains = None if listed is None else _closed(listed)
    if _has_legacy_rules():
        return chains, "iptables-legacy has rules of its own, which nft does not list"
    if listed is not None:
        return chains, _unclear(listed)
    if module.get_bin_path("nft"):
        return None, "nft cannot list the rules"
    return None, "nft, which lists the rules, is not installed" if module.get_bin_path("iptables") else ""


def admitted(module: AnsibleModule) -> Optional[List[Facts]]:
    """Return the ports that any zone of firewalld accepts, by port or by service, as its chains in nftables say.

    A zone that accepts everything counts as all ports. None if that is not known, as for closed(), or where firewalld
    uses iptables.
    """
    listed = _listed(module)
    rules = [one["rule"] for one in listed or [] if one.get("rule", {}).get("table") == _FIREWALLD]
    return _admitted(rules) if rules else None


def _listed(module: AnsibleModule) -> Optional[List[Facts]]:
    """Return the rules of nftables; None if they cannot be read."""
    program = module.get_bin_path("nft")
    if program is None:
        return None
    code, out, _err = module.run_command([program, "--json", "list", "ruleset"])
    try:
        listed: Optional[List[Facts]] = json.loads(out)["nftables"] if code == 0 else None
    except (ValueError, KeyError):
        listed = None
    return listed


def _admitted(rules: List[Facts]) -> List[Facts]:
    found: List[Facts] = []
    for one in rules:
        rule = _rule(one.get("expr", []))
        if not one["chain"].startswith(_FIREWALLD_IN) or rule.verdict != "accept":
            continue
        everything = rule.ports is None and not rule.is_narrow
        found += [dict(_ALL_PORTS)] if everything else rule.ports or []
    return found


def _closed(listed: List[Facts]) -> Optional[List[Facts]]:
    found: List[Facts] = []
    for chain in (one["chain"] for one in listed if _is_input(one)):
        place = (chain["family"], chain["table"], chain["name"])
        inside = [one["rule"] for one in listed if "rule" in one and _place(one["rule"]) == place]
        rules = [_rule(one.get("expr", [])) for one in inside]
        if any(one.verdict == "unclear" for one in rules):
            return None
        ends = next((one for one in rules if one.verdict and one.ports is None and not one.is_narrow), None)
        last = ends.verdict if ends else chain.get("policy", "accept")
        if last in _REFUSALS:
            rules = rules[: rules.index(ends)] if ends else rules
            accepted = [port for one in rules if one.verdict == "accept" for port in one.ports or []]
            found.append({"chain": " ".join(place), "accepted": accepted})
    return found


def _unclear(listed: List[Facts]) -> str:
    """Return which chain for incoming packets has a rule that other rules, a set or a map decide; empty for none."""
    inputs = [_place({**one["chain"], "chain": one["chain"]["name"]}) for one in listed if _is_input(one)]
    for one in (each["rule"] for each in listed if "rule" in each):
        if _place(one) in inputs and one["table"] != _FIREWALLD and _rule(one.get("expr", [])).verdict == "unclear":
            return f"nftables, chain {' '.join(_place(one))}, has a rule with a jump, a set or a map"
    return ""


def _is_input(one: Facts) -> bool:
    chain = one.get("chain", {})
    return chain.get("hook") == "input" and chain.get("type") == "filter" and chain["family"] in _FAMILIES


def _has_legacy_rules() -> bool:
    """Return whether the kernel has the filter table of iptables-legacy. It has none before the first rule."""
    try:
        with open(LEGACY_TABLES, encoding="ascii") as file:
            return "filter" in file.read().split()
    except OSError:
        return False


def _place(rule: Facts) -> Any:
    return rule["family"], rule["table"], rule["chain"]


def _rule(expressions: List[Facts]) -> _Rule:
    verdict, ports, is_narrow = "", None, False
    for one in expressions:
        kind = next(iter(one))
        if kind in ("jump", "goto", "vmap", "queue"):
            verdict = "unclear"
        elif kind in ("accept", *_REFUSALS):
            verdict = verdict or kind
        elif kind == "match":
            named = _ports(one["match"])
            is_narrow = is_narrow or named is None
            ports = named if named is not None else ports
            if named is not None and not named:
                verdict = "unclear"
        elif kind not in ("counter", "log", "comment"):
            is_narrow = True
    return _Rule(verdict, ports, is_narrow)


def _ports(match: Facts) -> Optional[List[Facts]]:
    """Return the ports that a match names; None if it is about something else, empty if they cannot be read."""
    payload = match["left"].get("payload", {}) if isinstance(match["left"], dict) else {}
    if payload.get("field") != "dport":
        return None
    right = match["right"]
    several = right["set"] if isinstance(right, dict) and isinstance(right.get("set"), list) else [right]
    found: List[Facts] = []
    for one in several:
        span = one.get("range") if isinstance(one, dict) else [one, one]
        if match.get("op") not in ("==", "in") or not span or not all(isinstance(port, int) for port in span):
            return []
        found.append({"protocol": payload.get("protocol", "th"), "first": span[0], "last": span[1]})
    return found
