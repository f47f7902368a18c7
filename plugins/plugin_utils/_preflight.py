# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: whether a deployment can succeed on a host, judged before anything is changed.

A refusal names what would make the deployment fail or take something away from clients. A warning names what a person
should look at. All findings of a host are collected, so that one run tells them all.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, Iterator, List, Mapping, NamedTuple, Sequence, Tuple
from urllib.parse import urlsplit

from jinja2 import UndefinedError

from . import _preflight_firewall, _preflight_host, _preflight_interfaces, _preflight_variables
from ._preflight_finding import REFUSAL, WARNING, Finding

Judge = Callable[[Mapping[str, Any], Mapping[str, Any]], Iterator[Finding]]
Servers = Mapping[int, Tuple[Mapping[str, Any], Mapping[str, Any]]]
"""The variables, and what was found, for the server of each family."""

_OF_VARIABLES: Tuple[Judge, ...] = (
    _preflight_variables.arguments,
    _preflight_variables.mode,
    _preflight_variables.families,
    _preflight_variables.passwords,
    _preflight_variables.tls,
    _preflight_variables.database_hosts,
    _preflight_variables.reservations,
    _preflight_variables.ddns,
)
_OF_HOST: Tuple[Judge, ...] = (
    _preflight_host.system,
    _preflight_host.disks,
    _preflight_host.servers,
    _preflight_host.names,
    _preflight_host.unread,
    _preflight_host.clock,
    _preflight_host.groups,
)
# For the server of each family, with the variables of this family and what was found of this server.
_SERVER_OF_VARIABLES: Tuple[Judge, ...] = (
    _preflight_variables.server,
    _preflight_variables.subnets,
    _preflight_variables.pair,
)
_SERVER_OF_HOST: Tuple[Judge, ...] = (
    _preflight_host.packaging,
    _preflight_host.kea_version,
    _preflight_host.databases,
    _preflight_host.changed_files,
    _preflight_host.ports,
    _preflight_interfaces.interfaces,
    _preflight_firewall.nftables,
    _preflight_firewall.firewalld,
)
_TLS = (
    *("trust_anchor", "certificate", "key", "monitor_certificate", "monitor_key"),
    *("server_certificate", "server_key", "client_trust_anchor"),
)
_UNKNOWN: Mapping[str, Any] = {
    **dict.fromkeys(("is_server", "is_database", "enable_database", "enable_notify", "dhcp6"), False),
    **dict.fromkeys(("servers_enable_database", "database_is_here", "tls_remote", "allow_removals"), False),
    **dict.fromkeys(("exclusive", "allow_ineffective", "allow_edits"), False),
    **dict.fromkeys(("database_host", "database_name", "ssl_mode", "metrics_listen", "config_group"), ""),
    "firewalld_zone": "",
    # As if they were there: that they cannot be read is told already.
    **dict.fromkeys(("database_password", "monitor_password"), "unreadable"),
    **dict.fromkeys(("tls_files", "tls"), dict.fromkeys(_TLS, "")),
    **dict.fromkeys(("interfaces", "subnets", "shared_networks", "subscriptions", "clients", "database_hosts")),
    **dict.fromkeys(("settings", "packaging_names", "pair", "roles", "ddns")),
    "server6": {},
    "database_port": 5432,
    "reservations": (),
    "family": 4,
    "families": [4],
}
"""Values in place of variables that cannot be read."""
_NONE: Mapping[str, Any] = {
    "interfaces": [],
    "subnets": [],
    "shared_networks": [],
    "settings": {},
    "exclusive": False,
}
_UNREADABLE = object()
_MAPS = ("settings", "packaging_names", "pair", "roles", "server6", "ddns")
_LISTS_OF_MAPS = ("subnets", "shared_networks", "subscriptions")
_LISTS = (*_LISTS_OF_MAPS, "interfaces", "clients", "database_hosts", "families")
_PASSWORDS = ("database_password", "monitor_password")


class Findings(NamedTuple):
    """The findings of one host, as sentences."""

    refusals: List[str]
    warnings: List[str]
    variables_fit: bool
    """Whether no refusal is about variables, so that the edit of the configuration can be predicted."""


def judge(asked: Mapping[str, Any], found: Mapping[str, Any], found6: Mapping[str, Any]) -> Findings:
    """Return the findings of one host. ``asked`` are variables, ``found`` is what kea_info returned.

    ``found`` lacks its facts for a host that could not be inspected. ``found6`` is the same for the DHCPv6 server,
    without the facts of the host. Variables are templated as they are read here, so that one that cannot be read hides
    no other finding.
    """
    values, found, servers = _seen(asked, found, found6)
    whole = ({**values, "servers": servers}, found)

    def judged(judges: Sequence[Judge], of_server: Sequence[Judge]) -> List[Finding]:
        findings = [one for judging in judges for one in judging(*whole)]
        return findings + [one for seen in servers.values() for judging in of_server for one in judging(*seen)]

    of_variables = judged(_OF_VARIABLES, _SERVER_OF_VARIABLES)
    findings = list(dict.fromkeys([*of_variables, *judged(_OF_HOST, _SERVER_OF_HOST)]))
    return Findings(
        [one.sentence for one in findings if one.verdict == REFUSAL],
        [one.sentence for one in findings if one.verdict == WARNING],
        not any(one.verdict == REFUSAL for one in of_variables),
    )


def ports(asked: Mapping[str, Any], found: Mapping[str, Any], found6: Mapping[str, Any]) -> List[str]:
    """Return the ports that the host needs, such as 67/udp; the parameters are those of ``judge``."""
    _values, _found, servers = _seen(asked, found, found6)
    needed = [key for seen in servers.values() for key in _preflight_firewall.needed(*seen)]
    return [f"{port}/{protocol}" for protocol, port in dict.fromkeys(needed)]


def names_to_resolve(asked: Mapping[str, Any]) -> List[str]:
    """Return the names that the monitor asks for: the host of each webhook, or its proxy, which asks for the host."""
    found = _value(asked, "subscriptions", [])
    subscriptions = _typed({**_UNKNOWN, "subscriptions": None if found is _UNREADABLE else found})["subscriptions"]
    listed = [sinks for sinks in (one.get("sinks") for one in subscriptions) if isinstance(sinks, list)]
    webhooks = [sink for sinks in listed for sink in sinks if isinstance(sink, dict) and sink.get("type") == "webhook"]
    return [name for name in dict.fromkeys(_host(str(one.get("proxy") or one.get("url"))) for one in webhooks) if name]


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _seen(
    asked: Mapping[str, Any], found: Mapping[str, Any], found6: Mapping[str, Any]
) -> Tuple[Mapping[str, Any], Mapping[str, Any], Servers]:
    """Return the variables, what was found, and both for the server of each family."""
    values, unreadable = _read(asked)
    values = _typed({**_UNKNOWN, **values, "unreadable": unreadable, "unread": found.get("msg", "")})
    found = found if "preflight" in found else {}
    servers = {4: (values, found), 6: (_of_dhcp6(values), {**found6, "preflight": found["preflight"]} if found else {})}
    return values, found, {family: one for family, one in servers.items() if family in values["families"]}


def _of_dhcp6(values: Mapping[str, Any]) -> Dict[str, Any]:
    """Return the variables with those of the DHCPv6 server in the place of those of the DHCPv4 server."""
    pair = values["pair"]
    own = {**pair, "peers": pair["peers6"], "leases": pair["leases6"]} if pair else {}
    return _typed({**values, **_NONE, **values["server6"], "family": 6, "pair": own})


def _read(asked: Mapping[str, Any]) -> Tuple[Dict[str, Any], List[str]]:
    """Return the variables that can be read, and why the others cannot."""
    reasons: List[str] = []
    values = _readable(asked, [key for key in asked if key != "roles"], reasons)
    roles = _value(asked, "roles", reasons) if "roles" in asked else {}
    roles = {} if roles is _UNREADABLE else _readable(roles, list(roles), reasons)
    return {**values, "roles": roles}, list(dict.fromkeys(reasons))


def _readable(values: Mapping[str, Any], keys: List[str], reasons: List[str]) -> Dict[str, Any]:
    found = {key: _value(values, key, reasons) for key in keys}
    return {key: value for key, value in found.items() if value is not _UNREADABLE}


def _value(values: Mapping[str, Any], key: str, reasons: List[str]) -> Any:
    try:
        return _plain(values[key])
    except UndefinedError as error:
        reasons.append(str(error.message))
        return _UNREADABLE


def _plain(value: Any) -> Any:
    """Return a copy of a value, for which Ansible templates all of it."""
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list) else value


def _typed(asked: Mapping[str, Any]) -> Dict[str, Any]:
    """Return the variables with empty values in place of those of a wrong type, which ``arguments`` names.

    A template of an ansible-core before 2.19 makes a boolean of a password that spells one; it becomes text again.
    """
    texts = {key: str(asked[key] or "") for key in _PASSWORDS}
    maps = {key: value if isinstance(value, dict) else {} for key, value in asked.items() if key in _MAPS}
    lists = {key: value if isinstance(value, list) else [] for key, value in asked.items() if key in _LISTS}
    lists.update({key: [one for one in lists[key] if isinstance(one, dict)] for key in _LISTS_OF_MAPS if key in lists})
    return {**asked, **maps, **lists, **texts}


def messages(findings: Mapping[str, Mapping[str, List[str]]], verdict: str) -> List[str]:
    """Return the findings of all hosts with this verdict (``refusals`` or ``warnings``), each with its hosts.

    Hosts with the same finding share a line.
    """
    hosts: Dict[str, List[str]] = {}
    for host, found in findings.items():
        for sentence in found[verdict]:
            hosts.setdefault(sentence, []).append(host)
    return [f"{', '.join(names)}: {sentence}" for sentence, names in hosts.items()]
