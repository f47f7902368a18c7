# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: what a person wants to know about a pair: states, scopes, clocks, unanswered clients, and equal subnets."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime
from typing import Any, Callable, Dict, List, Mapping, Optional, Set, Tuple

from .._config.servers import family_of, top_of_path
from .._errors import KeaError
from .._host.account import Account
from .._kea import control, pairs
from . import channel, config, partner, served
from .pair import Pair
from .partner import Partner

Facts = Dict[str, Any]
_Subnet = Tuple[int, str, Tuple[str, ...]]


def pair(path: str, account: Callable[[], Account], once: served.Once) -> Optional[Facts]:
    """Return the pair of the server that reads this configuration file, as ``kea_info`` returns it.

    ``account`` returns Kea's. Of a server that does not answer, the file tells of its pair, and its partner tells the
    rest. None if the server is half of no pair.
    """
    one = Pair(path, account)
    found: Facts = dict.fromkeys(("mode", "role", "state", "scopes", "in_touch", "unacked", "partner", "url"))
    found.update(dict.fromkeys(("partner_state", "partner_scopes", "clock_difference", "subnets_differ", "error")))
    try:
        look = one.look()
        if look is None:
            return _of_silent(path, account, found)
    except KeaError as error:
        return {**found, "error": str(error)}
    here = look.here
    found.update(mode=here.mode, role=here.role, state=here.state, scopes=here.scopes)
    found.update(in_touch=here.in_touch, unacked=here.unacked)
    if one.partner is None:
        return {**found, "error": look.silence if here.has_partner else None}
    found.update(partner=one.partner.name, url=one.partner.url)
    return {**found, **_there(one.partner), "subnets_differ": _differences(path, once, one.partner)}


def _of_silent(path: str, account: Callable[[], Account], found: Facts) -> Optional[Facts]:
    """Return the pair of a server that does not answer; None if it does, and so is in no pair. Raises KeaError."""
    sockets, libraries = config.read(path)["control_sockets"], config.hooks(path)
    if channel.answers(sockets) is not False:
        return None
    there = partner.find(libraries, family_of(top_of_path(path)), account()) if libraries else None
    if there is None:
        return None
    relationship = pairs.hook(libraries) or {}
    roles = [one.get("role") for one in relationship["peers"] if one["name"] == relationship["this-server-name"]]
    found.update(mode=relationship.get("mode"), role=next(iter(roles), None), partner=there.name, url=there.url)
    return {**found, **_there(there)}


def _there(partner: Partner) -> Facts:
    try:
        answer = partner.send("ha-heartbeat")
    except control.ControlError as error:
        return {"error": error.reason}
    if "state" not in answer.arguments:
        return {"error": answer.text}
    return {
        "partner_state": answer.arguments["state"],
        "partner_scopes": answer.arguments.get("scopes"),
        "clock_difference": _clock(answer.arguments),
    }


def _clock(arguments: Mapping[str, Any]) -> Optional[float]:
    """Return the seconds by which the partner's clock is ahead; it tells whole seconds. None if it does not tell."""
    try:
        return round(parsedate_to_datetime(str(arguments.get("date-time"))).timestamp() + 0.5 - time.time(), 1)
    except (TypeError, ValueError, IndexError):
        return None


def _differences(path: str, once: served.Once, partner: Partner) -> Optional[List[str]]:
    """Return a phrase for each subnet in which the servers differ; None if one of them does not tell."""
    top = top_of_path(path)
    here = once.subnets()
    try:
        answer = partner.send("config-get")
    except control.ControlError:
        return None
    there = answer.arguments.get(top)
    if here is None or answer.result != control.SUCCESS or not isinstance(there, dict):
        return None
    mine, other = _keys(here), _keys(served.subnets_in(there, top))
    both = {(one[0], one[1]) for one in mine} & {(one[0], one[1]) for one in other}
    phrases = [(one, "here only") for one in mine - other] + [(one, "at the partner only") for one in other - mine]
    found = {
        f"{prefix} (id {number}) {'with other pools' if (number, prefix) in both else where}"
        for (number, prefix, _pools), where in phrases
    }
    return sorted(found)


def _keys(subnets: List[served.Served]) -> Set[_Subnet]:
    return {
        (one.id, one.prefix, tuple(sorted(str(pool.get("pool")) for pool in one.value.get("pools", []))))
        for one in subnets
    }
