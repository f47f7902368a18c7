# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: a pair of Kea servers, from the variables and the inventory. One value makes the configurations of both."""

from __future__ import annotations

import os
import re
from typing import Any, Dict, List, Mapping, NamedTuple, Sequence
from urllib.parse import urlsplit

from ..module_utils._kea import pairs
from . import _shared_database
from ._login import Files

Settings = Dict[str, Any]

PORTS = {4: 8001, 6: 8002}
"""Of the server of each family, so that both may be on one host."""
HEARTBEAT = 1000
"""Milliseconds between two heartbeats: what a change of state may cost a client."""
_ROLES = {pairs.HOT_STANDBY: (pairs.PRIMARY, pairs.STANDBY), pairs.LOAD_BALANCING: (pairs.PRIMARY, pairs.SECONDARY)}


class Peer(NamedTuple):
    """One server of the pair."""

    name: str
    url: str


class Pair(NamedTuple):
    """The variables of a pair, which are the same for both servers but for ``this``."""

    mode: str
    """hot-standby or load-balancing; empty for a server that is in no pair of the variables."""
    this: str
    """Name of the server that is configured."""
    peers: List[Peer]
    """The primary comes first."""
    user: str = "kea"
    password: str = ""
    trust_anchor: str = ""
    """Whether TLS is used; the files are named when they are installed."""
    shared_leases: bool = False
    """Whether both servers keep their leases in one database."""


NO_PAIR = Pair("", "", [])


def pair(variables: Mapping[str, Any]) -> Pair:
    """Return the pair that the variables of the role describe."""
    named = variables["peers"] if variables["mode"] else []
    peers = [Peer(str(one["name"]), str(one["url"])) for one in named]
    texts = ("mode", "this", "user", "password", "trust_anchor")
    found = {name: str(variables[name] or "") for name in texts}
    return Pair(peers=peers, shared_leases=bool(variables["shared_leases"]), **found)


IN_PAIR, NEW_PAIR = "kea__pair", "kea__new_pair"
"""Inventory groups of a play: hosts with a server that is half of a pair, and hosts of which none is one yet."""


def group(mode: str, looks: Sequence[Mapping[str, Any]]) -> str:
    """Return the group of the host of these servers, empty for none. A pair is wanted if ``mode`` is not empty."""
    libraries = [(look.get("config") or {}).get("hooks_libraries") for look in looks]
    if any(map(pairs.is_configured, libraries)):
        return IN_PAIR
    return NEW_PAIR if mode else ""


def hosts_at_once(groups: Mapping[str, Sequence[str]], serial: Any, schema_upgrade: bool) -> Any:
    """Return how many hosts are changed at a time, as Ansible's keyword ``serial`` takes it; ``serial`` if that is set.

    Otherwise one host follows the other. An upgrade of the schema of a shared database needs all hosts at once: all
    servers that cannot use the old schema are stopped before the first host upgrades it. So does a new pair: a server
    that waits for its partner serves no client, and after a minute it serves alone, with the leases that it has itself.
    But two servers that are a pair are never changed at once for anything else, whatever ``serial`` says.
    """
    if schema_upgrade and _shared_database.GROUP in groups:
        return serial or "100%"
    return 1 if IN_PAIR in groups else serial or ("100%" if NEW_PAIR in groups else 1)


def peers(named: Sequence[Any], hosts: Mapping[str, Mapping[str, Any]], tls: bool, family: int) -> List[Settings]:
    """Return name and URL of the servers of this family: those that are named, or else all hosts.

    A named ``url`` is that of the DHCPv4 server; the DHCPv6 server has ``url6``, or else the next port. ``hosts`` are
    the variables of the hosts of kea_servers. The URL is empty where no address is known. What is no map with a name is
    left out, so that the check of the variables finds a server too few.
    """
    chosen = (
        [one for one in named if isinstance(one, dict) and "name" in one] if named else [{"name": one} for one in hosts]
    )
    scheme = "https" if tls else "http"
    urls = [
        _named(one, family) or _url(scheme, _address(hosts.get(one["name"], {}), family), PORTS[family])
        for one in chosen
    ]
    return [{"name": one["name"], "url": url} for one, url in zip(chosen, urls)]


def password_file(family: int) -> str:
    """Return the path of the password for basic authentication, which the server of this family reads."""
    return f"/etc/kea/kea-dhcp{family}.ha-password"


def password_files(asked: Pair, family: int, user: str) -> List[Settings]:
    """Return the file of the password, as kea_files takes it; of a pair without one, that it is absent.

    Kea 2.2 takes a line feed at the end as part of the password. ``user`` is Kea's. Without a pair of the variables the
    file stays: the settings of a site may name it, as an imported server does.
    """
    path = password_file(family)
    if asked.mode and asked.password:
        own = {"owner": user, "group": user, "mode": "0400", "secret": True}  # nosec B105
        return [{**own, "path": path, "content": asked.password}]
    return [{"path": path, "state": "absent"}] if asked.mode else []


def settings(asked: Pair, files: Files, directory: str, family: int) -> Settings:
    """Return what is merged into the configuration. ``directory`` is that of Kea's hooks; empty if it is unknown.

    Kea 2.2 has the three switches off by default: the server's threads, those of the pair, and its own listener.
    """
    relationship: Settings = {
        "this-server-name": asked.this,
        "mode": asked.mode,
        "heartbeat-delay": HEARTBEAT,
        # Kea 3.0 would refuse ha-maintenance-start otherwise, without which no restart is possible.
        "restrict-commands": False,
        "multi-threading": {
            "enable-multi-threading": True,
            "http-dedicated-listener": True,
            "http-listener-threads": 0,
            "http-client-threads": 0,
        },
        "peers": [_peer(asked, one, role, family) for one, role in zip(asked.peers, _ROLES[asked.mode])],
    }
    if asked.trust_anchor:
        named = {"trust-anchor": files.trust_anchor, "cert-file": files.certificate, "key-file": files.key}
        relationship.update(named)
    if asked.shared_leases:
        # Each lease is in the database of the partner as soon as it is in that of the server.
        relationship.update(dict.fromkeys((pairs.SEND_UPDATES, pairs.SYNC), False))
    return {
        "multi-threading": {"enable-multi-threading": True},
        "hooks-libraries": [
            {"library": os.path.join(directory, pairs.LEASE_COMMANDS)},
            {"library": os.path.join(directory, pairs.HOOK), "parameters": {"high-availability": [relationship]}},
        ],
    }


def joined(own: Settings, site: Settings) -> Settings:
    """Return the settings of the site with those of the pair: its other hooks stay, and so do its further switches."""
    threads = {**own.get("multi-threading", {}), **site.get("multi-threading", {})}
    hooks = [*site.get("hooks-libraries", []), *_missing(own.get("hooks-libraries", []), site)]
    return {**site, "multi-threading": threads, "hooks-libraries": hooks} if own else site


def _peer(asked: Pair, one: Peer, role: str, family: int) -> Settings:
    found: Settings = {"name": one.name, "url": one.url, "role": role, "auto-failover": True}
    if asked.password:
        found.update({"basic-auth-user": asked.user, "basic-auth-password-file": password_file(family)})
    return found


def _named(one: Mapping[str, Any], family: int) -> str:
    """Return the URL that the variables name for the server of this family; empty if they name none."""
    url = str(one.get("url") or "")
    if family == 4 or not url:
        return str(one.get("url6") or "") if family == 6 else url
    parts = urlsplit(url)
    try:
        following = _url(parts.scheme, parts.hostname or "", (parts.port or PORTS[4]) + 1)
    except ValueError:
        following = url
    return str(one.get("url6") or following)


def _address(variables: Mapping[str, Any], family: int) -> str:
    """Return the address of the first DHCP interface of a host; empty if it is not known.

    An interface may be written with the address on which Kea listens, as ``eth0/192.0.2.2``. For DHCPv6 it is the IPv4
    address of the interface or, without one, a global IPv6 address.
    """
    found = (variables.get("kea__found6" if family == 6 else "kea__found") or {}).get("config") or {}
    interfaces = variables.get(f"kea_dhcp{family}_interfaces") or found.get("interfaces") or ["*"]
    name, _slash, address = str(interfaces[0]).partition("/")
    if address:
        return address
    facts = variables.get("ansible_facts") or {}
    # Ansible's names of facts have no hyphens and colons.
    device = facts.get(re.sub("[-:]", "_", name)) or {}
    entry = facts.get("default_ipv4") if name == "*" else device.get("ipv4")
    others = [facts.get("default_ipv6")] if name == "*" else device.get("ipv6") or []
    known = [entry, *(one for one in others if family == 6 and one and one.get("scope") == "global")]
    return next((str(one["address"]) for one in known if one and one.get("address")), "")


def _url(scheme: str, address: str, port: int) -> str:
    host = f"[{address}]" if ":" in address else address
    return f"{scheme}://{host}:{port}/" if address else ""


def _missing(own: List[Settings], site: Settings) -> List[Settings]:
    names = {name_of(one) for one in site.get("hooks-libraries", [])}
    return [one for one in own if name_of(one) not in names]


def name_of(hook: Mapping[str, Any]) -> str:
    """Return the file name of a hook."""
    return os.path.basename(str(hook.get("library")))
