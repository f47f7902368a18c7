# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: whether the variables of a host fit each other and the server that is there."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Sequence

import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ..module_utils._errors import KeaError
from ..module_utils._config.packagings import DEB, chosen
from ..module_utils._kea import pairs
from . import _ddns_check, _pair, _pair_certificates, _pair_check, _pair_leases, _reservation_plan, _subnet_check
from ._preflight_finding import Finding, refusal
from ._server_input import named_subnets, served_subnets
from ._server_plan import reserved

Values = Mapping[str, Any]

ROLE_NAMES = ("kea_server", "kea_database", "kea_lease_monitor", "kea_lfc_timer", "kea_ddns")
ROLES = Path(__file__).resolve().parents[2] / "roles"
_UNIX = "/"
_SERVER_VARIABLES = ("interfaces", "subnets", "shared_networks", "settings")
_TLS_VARIABLES = {
    "trust_anchor": "kea_db_trust_anchor",
    "certificate": "kea_db_cert_file",
    "key": "kea_db_key_file",
    "monitor_certificate": "kea_db_monitor_cert_file",
    "monitor_key": "kea_db_monitor_key_file",
    "server_certificate": "kea_db_server_cert_file",
    "server_key": "kea_db_server_key_file",
    "client_trust_anchor": "kea_db_client_trust_anchor",
}


def mode(asked: Values, _found: Values) -> Iterator[Finding]:
    """Judge whether the variables name a mode that exists."""
    if asked["enable_notify"] and not asked["enable_database"]:
        yield refusal(
            "kea_db_enable_notify: true needs kea_enable_database: true as well; the events are written there"
        )
    if not 0 < _number(asked["database_port"]) < 65536:
        yield refusal(f"kea_db_port: {asked['database_port']!r} is no port")
    try:
        chosen(DEB, "", asked["packaging_names"])
    except KeaError as error:
        yield refusal(str(error))


def families(asked: Values, _found: Values) -> Iterator[Finding]:
    """Judge which servers are deployed."""
    if not asked["is_server"]:
        return
    wrong = [one for one in asked["families"] if one not in (4, 6)]
    if wrong or not asked["families"]:
        yield refusal(f"kea_families: a list of 4, 6 or both is needed, not {list(asked['families'])}")
    if 6 not in asked["families"]:
        named = [f"kea_dhcp6_{key}" for key in _SERVER_VARIABLES if asked["server6"].get(key)]
        if named:
            yield refusal(f"{', '.join(named)}: kea_families has no 6, so no DHCPv6 server is deployed; add it")


def passwords(asked: Values, _found: Values) -> Iterator[Finding]:
    """Judge the logins to the database. A missing one would stop the deployment after many changes."""
    if not asked["enable_database"]:
        return
    if set("'\\") & set(asked["database_password"]):
        yield refusal(
            "kea_db_password contains a quote or a backslash, which Kea before 3.3 cannot write into its connection to "
            "PostgreSQL; choose another password"
        )
    if asked["database_host"].startswith(_UNIX) or asked["database_hosts"]:
        return
    logins = (
        ("kea_db_password", "Kea", "certificate"),
        ("kea_db_monitor_password", "the monitor", "monitor_certificate"),
    )
    given = (asked["database_password"], asked["monitor_password"])
    for (name, who, certificate), password in zip(logins, given):
        if asked["is_server"] and not password and not asked["tls_files"][certificate]:
            yield refusal(
                f"{name} is missing: {who} connects to the database over the network at {asked['database_host']}. "
                f"Set it"
            )


def tls(asked: Values, _found: Values) -> Iterator[Finding]:
    """Judge whether TLS to the database is possible and complete."""
    files = asked["tls_files"]
    if not asked["enable_database"]:
        return
    if asked["database_host"].startswith(_UNIX) and any(
        (files["trust_anchor"], files["certificate"], asked["ssl_mode"])
    ):
        yield refusal(
            f"kea_db_trust_anchor, kea_db_cert_file and kea_db_ssl_mode: PostgreSQL has no TLS over its unix socket "
            f"{asked['database_host']}. Set kea_db_host to the name in the server's certificate, or leave them out"
        )
    if not asked["tls_remote"]:
        yield from _missing_files(_TLS_VARIABLES, files, asked["tls"])
    pairs = (
        ("kea_db_cert_file", "certificate", "kea_db_key_file", "key"),
        ("kea_db_server_cert_file", "server_certificate", "kea_db_server_key_file", "server_key"),
    )
    for name, certificate, other, key in pairs:
        if bool(files[certificate]) != bool(files[key]):
            yield refusal(f"{name} and {other} belong together; set both or none of them")


def database_hosts(asked: Values, _found: Values) -> Iterator[Finding]:
    """Judge what a group of database hosts needs."""
    if asked["is_database"] and not asked["enable_database"] and asked["servers_enable_database"]:
        yield refusal(
            "kea_enable_database is true for a host of kea_servers and not for this one: with a group kea_database, "
            "set the kea_db_ variables and kea_enable_database for both groups (all)"
        )
    if not asked["enable_database"] or not asked["database_hosts"]:
        return
    needed = {
        "kea_db_host": "" if asked["database_host"].startswith(_UNIX) else asked["database_host"],
        "kea_db_password": asked["database_password"],
        "kea_db_monitor_password": asked["monitor_password"],
        "kea_db_clients": asked["clients"],
    }
    missing = [name for name, value in needed.items() if not value]
    if missing:
        yield refusal(f"PostgreSQL runs on the group kea_database, which needs {', '.join(missing)}; set them")


def server(asked: Values, found: Values) -> Iterator[Finding]:
    """Judge the settings of the server, and what a new one needs."""
    if not asked["is_server"]:
        return
    leases = "postgresql" if asked["enable_notify"] else "memfile"
    keys = reserved(asked["settings"], leases)
    if keys:
        yield refusal(
            f"kea_dhcp{asked['family']}_settings must not hold {', '.join(keys)}: these have their own variables "
            f"(options of the lease file may stand there with type memfile, while leases are in files)"
        )
    if not _is_bare(found):
        return
    prefix = f"kea_dhcp{asked['family']}"
    missing = [] if interfaces_of(asked, {}) else [f"{prefix}_interfaces"]
    missing += [] if asked["subnets"] or asked["shared_networks"] else [f"{prefix}_subnets"]
    if missing:
        yield refusal(
            f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing; docs/variables.md shows how to "
            f"set {'it' if len(missing) == 1 else 'them'}. There is no Kea here yet, or its configuration is still the "
            f"example of its package"
        )


def subnets(asked: Values, found: Values) -> Iterator[Finding]:
    """Judge the subnets of the variables against those of the server."""
    if not asked["is_server"]:
        return
    known = served_subnets(found)
    wanted = _subnet_check.asked({**asked, "in_files": not asked["enable_database"]})
    for sentence in _subnet_check.problems(wanted, known):
        yield refusal(sentence)


def reservations(asked: Values, _found: Values) -> Iterator[Finding]:
    """Judge the reservations given beforehand against the subnets of the variables and those of the servers."""
    if not asked["is_server"]:
        return
    known = {
        family: _reservation_plan.Subnets(_named_subnets(own), served_subnets(found))
        for family, (own, found) in asked["servers"].items()
    }
    for sentence in _reservation_plan.problems(asked["reservations"], known, not asked["enable_database"]):
        yield refusal(sentence)


def pair(asked: Values, found: Values) -> Iterator[Finding]:
    """Judge the variables of a pair, whose pools may be those of the server."""
    if not asked["is_server"] or not asked["pair"]:
        return
    subnets = _pair_check.pooled(_named_subnets(asked), served_subnets(found))
    wanted, files = _pair.pair(asked["pair"]), asked["pair"]["files"]
    for sentence in _pair_check.problems(wanted, list(files.values()), asked["settings"], subnets, asked["family"]):
        yield refusal(sentence)
    for sentence in _own_pair(asked, found):
        yield refusal(sentence)
    if wanted.mode and not asked["pair"]["tls_remote"]:
        yield from _missing_files(_pair_certificates.VARIABLES, files, asked["pair"]["tls"])


def _own_pair(asked: Values, found: Values) -> List[str]:
    """Return why a server that is half of a pair already must not be deployed."""
    hooks = (found.get("config") or {}).get("hooks_libraries")
    try:
        relationship = pairs.hook(hooks) or {}
    except ValueError:
        return [
            f"{pairs.HOOK} of this server has several relationships: the play can restart half of one pair, not the "
            f"hub of several"
        ]
    leases = _pair_leases.problems(asked["pair"]["leases"], hooks)
    if not asked["pair"]["mode"]:
        return [*_pair_check.unsplit_additions(relationship, _named_subnets(asked), served_subnets(found)), *leases]
    scheme = _pair_certificates.scheme_problem([str(one["url"]) for one in asked["pair"]["peers"]], hooks)
    return [*leases, *([scheme] if scheme else [])]


def ddns(asked: Values, _found: Values) -> Iterator[Finding]:
    """Judge the variables about names in DNS, of both servers."""
    if not asked["is_server"] or not asked["ddns"]:
        return
    named = {family: {key: own[key] for key in _SERVER_VARIABLES} for family, (own, _seen) in asked["servers"].items()}
    known = [(seen.get("server") or {}).get("capabilities") for _own, seen in asked["servers"].values()]
    modes = [bool(one.get("ddns_conflict_modes", True)) for one in known if one]
    for sentence in _ddns_check.problems(_ddns_check.asked(asked["ddns"]), named, all(modes) if modes else None):
        yield refusal(sentence)


def arguments(asked: Values, _found: Values) -> Iterator[Finding]:
    """Judge the type and the choices of each variable of the roles."""
    for reason in asked["unreadable"]:
        yield refusal(f"a variable cannot be read: {reason}")
    for role in ROLE_NAMES:
        given = {
            name: value for name, value in asked["roles"].items() if name.startswith(f"{role}_") and value is not None
        }
        options = {name: option for name, option in _options(role).items() if name in given}
        known = {name: value for name, value in given.items() if name in options}
        for problem in ArgumentSpecValidator(options).validate(known).error_messages:
            yield refusal(f"role {role}: {problem}")


def interfaces_of(asked: Values, found: Values) -> List[str]:
    """Return the names of the interfaces that Kea will listen on."""
    named = asked["interfaces"] or (asked["settings"].get("interfaces-config") or {}).get("interfaces") or []
    return list(named or (found.get("config") or {}).get("interfaces") or [])


def _missing_files(variables: Values, files: Values, contents: Values) -> Iterator[Finding]:
    """Judge whether the controller has the files. In place of the content of a missing one stands its path."""
    for key, path in files.items():
        if path and contents.get(key) == path:
            yield refusal(f"{variables[key]}: the controller has no file {path}")


def _named_subnets(asked: Values) -> List[Dict[str, Any]]:
    """Return the subnets of the variables, those of shared networks too."""
    return named_subnets(asked["subnets"], asked["shared_networks"], asked["family"])


def _is_bare(found: Values) -> bool:
    version = (found.get("server") or {}).get("version")
    return bool(found) and (version is None or bool((found.get("config") or {}).get("untouched")))


def role_options(names: Sequence[str]) -> List[str]:
    """Return those names that are variables of the roles. A site may use the same prefix for its own ones."""
    known = {option for role in ROLE_NAMES for option in _options(role)}
    return [name for name in names if name in known]


def _options(role: str) -> Dict[str, Any]:
    """Return the options of all entry points of a role, as a module has them."""
    with open(ROLES / role / "meta/argument_specs.yml", encoding="utf-8") as file:
        specs = yaml.safe_load(file)["argument_specs"]
    found: Dict[str, Any] = {}
    for entry in specs.values():
        found.update(entry.get("options") or {})
    return {name: _option(option) for name, option in found.items()}


def _option(option: Mapping[str, Any]) -> Dict[str, Any]:
    kept = ("type", "elements", "choices")
    return {key: option[key] for key in kept if key in option}


def _number(value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        return 0
