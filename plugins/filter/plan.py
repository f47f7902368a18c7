# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters that decide what the roles and playbooks do. The decisions are in plugin_utils, free of Ansible."""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence

from ..plugin_utils import (
    _changes,
    _database_plan,
    _ddns_plan,
    _deployment_plan,
    _import_plan,
    _inventory_plan,
    _login,
    _monitor_input,
    _monitor_plan,
    _pair,
    _pair_certificates,
    _pair_leases,
    _preflight,
    _preflight_variables,
    _reservation_plan,
    _rollback_plan,
    _server_input,
    _server_plan,
    _shared_database,
    _variables_file,
    _verify_plan,
)

Values = Mapping[str, Any]


def deployment_plan(wanted: Values) -> Dict[str, Any]:
    return _deployment_plan.make(_deployment_plan.wanted(wanted))._asdict()


def site_reservations(asked: Values, given: Sequence[Dict[str, Any]] = (), family: int = 4) -> List[Dict[str, Any]]:
    named = _server_input.named_subnets(asked["subnets"], asked["shared_networks"], int(family))
    found = _deployment_plan.site_reservations(named) + _deployment_plan.given_to_monitor(given)
    return [{**one, "family": int(family)} for one in found] if int(family) == 6 else found


def given_reservations(
    entries: List[Dict[str, Any]], asked: Values, families: Sequence[int], family: int = 4
) -> List[Dict[str, Any]]:
    seen = asked["seen"]
    if "subnets" not in seen or int(family) not in families:
        return []
    named = _server_input.named_subnets(asked["subnets"], asked["shared_networks"], int(family))
    return _reservation_plan.resolved(entries, named, _server_input.served_subnets(seen), int(family))


def pair_peers(
    named: List[Dict[str, Any]], hosts: Mapping[str, Mapping[str, Any]], mode: str, tls: bool = False, family: int = 4
) -> List[Dict[str, Any]]:
    return _pair.peers(named, hosts, tls, int(family)) if mode else []


def pair_leases(peers: Sequence[Values], hosts: Mapping[str, Mapping[str, Any]], family: int = 4) -> Dict[str, Any]:
    return _pair_leases.leases(peers, hosts, int(family))._asdict()


def pair_certificate_problems(looked: Values, later: Values, this: str, partner: str) -> List[str]:
    return _pair_certificates.problems(looked, later, this, partner)


def pair_group(looks: Sequence[Values], mode: str, families: Sequence[int]) -> str:
    return _pair.group(mode, [look for family, look in zip((4, 6), looks) if family in families])


def hosts_at_once(groups: Mapping[str, Sequence[str]], serial: Any = "", schema_upgrade: bool = False) -> Any:
    return _pair.hosts_at_once(groups, serial, schema_upgrade)


def shares_database(this: str, hosts: Mapping[str, Mapping[str, Any]]) -> bool:
    return _shared_database.is_shared(this, hosts)


def deployment_inputs(variables: Values, plan: Values) -> str:
    return _changes.inputs(variables, plan)


def reasons_to_deploy(looks: Sequence[Values], wanted: Values, database_looks: Sequence[Values] = ()) -> List[str]:
    return _changes.reasons(_changes.wanted(wanted), looks, database_looks)


def login(database: Values, become_user: str, certificates: Optional[Values] = None) -> Dict[str, Any]:
    one = _login.database(database)
    return _login.login(one, one.strictest_mode, _login.files(certificates or {}), become_user)._asdict()


def server_plan(
    wanted: Values, names: Values, found: Values, results: Values, check_mode: bool = False
) -> Dict[str, Any]:
    asked, now = _server_input.wanted(wanted), _server_input.found(found)
    plan = _server_plan.make(asked, now, _server_input.results(results), _server_input.Names(**names), check_mode)
    return {**plan._asdict(), "login": plan.login._asdict()}


def server_files(wanted: Values, names: Values, found: Values, unit: str) -> List[Dict[str, Any]]:
    now = _server_input.found(found)
    return _server_plan.make_files(_server_input.wanted(wanted), now, _server_input.Names(**names), unit)


def ddns_plan(wanted: Values, names: Values, found: Values, results: Values) -> Dict[str, Any]:
    asked, now = _ddns_plan.wanted(wanted), _ddns_plan.found(found)
    return _ddns_plan.make(asked, _ddns_plan.Names(**names), now, _ddns_plan.results(results))._asdict()


def ddns_names(d2: Values, servers: Sequence[Values], families: Sequence[int]) -> str:
    return _ddns_plan.names_options(d2, servers, families)


def monitor_plan(wanted: Values, paths: Values, found: Sequence[Values], certificates: Values) -> Dict[str, Any]:
    asked = _monitor_input.wanted(wanted)
    return _monitor_plan.make(asked, found, certificates, _monitor_input.Paths(**paths))._asdict()


def monitor_files(wanted: Values, paths: Values, texts: Values) -> List[Dict[str, Any]]:
    asked = _monitor_input.wanted(wanted)
    return _monitor_plan.make_files(asked, _monitor_input.Paths(**paths), _monitor_plan.Texts(**texts))


def database_access(wanted: Values) -> Dict[str, Any]:
    return _database_plan.access(_database_plan.wanted(wanted))._asdict()


def rollback_plan(wanted: Values, checked: Values) -> Dict[str, Any]:
    return _rollback_plan.make(_rollback_plan.wanted(wanted), checked)._asdict()


def verify_options(
    seen: Values,
    enable_database: bool,
    probe: bool = False,
    subscriptions: Optional[List[Dict[str, Any]]] = None,
    family: int = 4,
) -> Dict[str, Any]:
    return _verify_plan.options(enable_database, probe, _verify_plan.Seen(**seen), subscriptions, int(family))


def verify_report(verified: Mapping[str, Sequence[Values]]) -> Dict[str, Any]:
    return _verify_plan.report(verified)


def discovery_directories(subscriptions: List[Dict[str, Any]], default: str) -> List[str]:
    return _inventory_plan.discovery_directories(default, subscriptions)


def gathered_files(
    read: Mapping[str, str], directory: str, owner: Mapping[str, str], listed: str = ""
) -> List[Dict[str, Any]]:
    return _inventory_plan.make(directory, owner, read, listed)


def preflight(asked: Values, found: Values, found6: Optional[Values] = None) -> Dict[str, Any]:
    return _preflight.judge(asked, found, found6 or {})._asdict()


def needed_ports(asked: Values, found: Values, found6: Optional[Values] = None) -> List[str]:
    return _preflight.ports(asked, found, found6 or {})


def names_to_resolve(asked: Values) -> List[str]:
    return _preflight.names_to_resolve(asked)


def role_options(names: List[str]) -> List[str]:
    return _preflight_variables.role_options(names)


def preflight_messages(findings: Mapping[str, Mapping[str, List[str]]], verdict: str) -> List[str]:
    return _preflight.messages(findings, verdict)


def imported_variables(looks: Sequence[Values]) -> Dict[str, Any]:
    return _import_plan.make(looks)._asdict()


def variables_file(imported: Values, host: str, path: str) -> str:
    return _variables_file.text(imported, host, path)


class FilterModule:
    def filters(self) -> Dict[str, Callable[..., Any]]:
        filters = (
            *(deployment_plan, site_reservations, login, server_plan, server_files),
            *(monitor_plan, monitor_files, database_access, rollback_plan, verify_options, verify_report),
            *(
                discovery_directories,
                gathered_files,
                imported_variables,
                variables_file,
                preflight,
                preflight_messages,
                role_options,
            ),
            *(given_reservations, pair_peers, pair_leases, pair_group, hosts_at_once, ddns_plan, ddns_names),
            *(deployment_inputs, reasons_to_deploy, needed_ports, pair_certificate_problems, shares_database),
            names_to_resolve,
        )
        return {one.__name__: one for one in filters}
