# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: checks the variables of a pair, before anything is changed."""

from __future__ import annotations

import ipaddress
from typing import Any, List, Mapping, Optional, Sequence, Set, Tuple
from urllib.parse import urlsplit

from ..module_utils._kea import pairs
from ._pair import Pair, name_of
from ._server_input import Settings
from ._server_merge import is_same

SHOWN = 10
"""Pools that a message names."""


def problems(asked: Pair, tls: Sequence[str], site: Settings, subnets: List[Settings], family: int = 4) -> List[str]:
    """Return a sentence for each variable with which there can be no pair.

    ``tls`` are the files for https, an empty text for one that is not set; ``site`` are the settings of the server;
    ``subnets`` are from ``pooled``.
    """
    if not asked.mode:
        return []
    if asked.mode not in pairs.MODES:
        return [f"kea_ha_mode is {asked.mode}; it must be {' or '.join(pairs.MODES)}"]
    found = _peer_problems(asked)
    if any(tls) and not all(tls):
        found.append(
            "kea_ha_trust_anchor, kea_ha_cert_file and kea_ha_key_file belong together: set all of them or none"
        )
    if any(name_of(one) == pairs.HOOK for one in site.get("hooks-libraries", [])):
        found.append(f"kea_dhcp{family}_settings has {pairs.HOOK}, and kea_ha_mode sets it: remove one of them")
    if asked.mode == pairs.LOAD_BALANCING and not found:
        found += _unsplit(asked, site, subnets)
    return found


def unsplit_additions(
    relationship: Mapping[str, Any], named: Sequence[Settings], found: Sequence[Settings]
) -> List[str]:
    """Return what to write for pools that the variables add to a load-balancing pair which the site configured itself.

    ``relationship`` is that of its hook. A pool with any class is the site's business, and so is each that Kea has. A
    subnet whose pools have no classes may have one itself. ``named`` and ``found`` are as for ``pooled``.
    """
    if relationship.get("mode") != pairs.LOAD_BALANCING:
        return []
    peers = [str(one.get("name")) for one in relationship.get("peers", []) if one.get("role") != pairs.BACKUP]
    added = []
    for subnet in named:
        classes = {
            pool: one["pool_classes"][pool] for one in found if is_same(one, subnet) for pool in one["pool_classes"]
        }
        if _classes(subnet) - {None} or (classes and not any(classes.values())):
            continue
        known = [_bounds(pool) for pool in classes]
        pools = [one for one in subnet.get("pools") or [] if _bounds(str(one.get("pool"))) not in known]
        added.append(
            {**subnet, "pools": [one for one in pools if not (one.keys() & {"client-class", "client-classes"})]}
        )
    return _unsplit_words([f"HA_{name}" for name in peers], added)


def pooled(named: Sequence[Settings], found: Sequence[Settings]) -> List[Settings]:
    """Return the subnets with the pools that they will have.

    ``named`` are the subnets of the variables; ``found`` is ``subnets`` of kea_info.
    """
    present = [one for one in named if one.get("state") != "absent"]
    result = [one for one in present if not any(is_same(known, one) for known in found)]
    for known in found:
        one = next((each for each in named if is_same(known, each)), {})
        pools = list(one.get("pools") or [])
        ranges = [_bounds(str(pool.get("pool"))) for pool in pools]
        classes = known["pool_classes"]
        pools += [{"pool": pool, "client-classes": classes[pool]} for pool in classes if _bounds(pool) not in ranges]
        if one.get("state") != "absent":
            result.append({**one, "id": known["id"], "subnet": known["subnet"], "pools": pools})
    return result


def _peer_problems(asked: Pair) -> List[str]:
    names = [one.name for one in asked.peers]
    if len(names) != 2 or len(set(names)) != 2:
        return [f"a pair has two servers, and these are {', '.join(names) or 'none'}: name the two in kea_ha_peers"]
    found = []
    if asked.this not in names:
        found.append(f"{asked.this} is none of the servers of its pair, {' and '.join(names)}: name it in kea_ha_peers")
    for one in asked.peers:
        if not one.url:
            found.append(
                f"the address of {one.name} is not known: run the play for both servers, or set its url in kea_ha_peers"
            )
        elif not _is_address(urlsplit(one.url).hostname or ""):
            found.append(f"{one.url} of {one.name} in kea_ha_peers: Kea takes no names, so write the IP address")
    return found


def _unsplit(asked: Pair, site: Settings, subnets: List[Settings]) -> List[str]:
    """Return what to write for pools from which both servers would give the same address to different clients."""
    classes = [f"HA_{one.name}" for one in asked.peers]
    derived = [
        one["name"] for one in site.get("client-classes", []) if any(each in one.get("test", "") for each in classes)
    ]
    known = {*classes, *derived}
    unsplit = [
        {**one, "pools": [pool for pool in one.get("pools") or [] if not known & _classes(pool)]} for one in subnets
    ]
    return _unsplit_words(classes, unsplit)


def _classes(pool: Settings) -> Set[Any]:
    return {pool.get("client-class"), *(pool.get("client-classes") or [])}


def _unsplit_words(classes: Sequence[str], subnets: Sequence[Settings]) -> List[str]:
    """Return a sentence for the pools of these subnets, which have no class of a server; none without any."""
    pools = [
        (subnet, str(pool["pool"]))
        for subnet in subnets
        for pool in subnet["pools"]
        if pool.get("state") != "absent" and subnet.get("state") != "absent"
    ]
    if not pools:
        return []
    words = [_split(subnet, pool, classes) for subnet, pool in pools[:SHOWN]]
    more = [f"and {len(pools) - SHOWN} more"] if len(pools) > SHOWN else []
    return [
        "with load-balancing each server needs pools of its own, or both give the same address to different clients. "
        f"Write these pools: {'; '.join([*words, *more])}"
    ]


def _split(subnet: Settings, pool: str, classes: Sequence[str]) -> str:
    where = f"subnet {subnet.get('subnet') or subnet.get('id')}"
    bounds = _bounds(pool)
    if bounds is None or bounds[0] == bounds[1]:
        return f'{where}: {{pool: "{pool}", client-class: "{classes[0]}"}}'
    middle = (int(bounds[0]) + int(bounds[1])) // 2
    halves = ((bounds[0], type(bounds[0])(middle)), (type(bounds[0])(middle + 1), bounds[1]))
    texts = [f'{{pool: "{low} - {high}", client-class: "{name}"}}' for (low, high), name in zip(halves, classes)]
    return f'{where}: {", ".join(texts)}, and {{pool: "{pool}", state: absent}} if Kea has it'


def _bounds(pool: str) -> Optional[Tuple[Any, Any]]:
    try:
        if "/" in pool:
            network = ipaddress.ip_network(pool.strip(), strict=False)
            return network[0], network[-1]
        low, _dash, high = pool.partition("-")
        return ipaddress.ip_address(low.strip()), ipaddress.ip_address(high.strip())
    except ValueError:
        return None


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
