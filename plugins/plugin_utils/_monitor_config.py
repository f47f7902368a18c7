# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: the configuration file of the lease monitor, from the variables of its role and Kea's configuration."""

from __future__ import annotations

from typing import Any, Dict, Iterator, List, Mapping, NamedTuple, Sequence, Tuple

from ._login import Database, Files, without_empty
from ._monitor_input import Paths, Settings, Wanted

DEFAULT_PORT = 5432
"""Of PostgreSQL, where Kea's configuration names none."""
FILE_SINK = "reservation_file"
FIGURES = "pools.json"
SITE_KEYS = ("subnet", "kind", "identifier", "address", "name")


def site(asked: Wanted, looks: Mapping[int, Mapping[str, Any]]) -> List[Settings]:
    """Return the reservations of the configurations, of their databases and of the variables.

    Those of the variables are not there yet in check mode. The database of the monitor is left out, because it reads
    that itself.
    """
    found: List[Settings] = []
    for family, look in looks.items():
        of_variables = [one for one in asked.site_reservations if one.get("family", 4) == family]
        facts = look.get("reservations") or {}
        listed = [*of_variables, *(facts.get("site") or []), *_in_databases(asked, facts, _told(look, family))]
        every: Dict[Tuple[Any, ...], Settings] = {}
        for one in listed:
            key = tuple(one.get(key, "") for key in SITE_KEYS)
            # The monitor does not read the database; the next deployment does.
            origin = {"database": one["database"]} if "database" in one else {}
            every.setdefault(key, {**dict(zip(SITE_KEYS, key)), **origin})
        found += [{**one, **({"family": family} if family == 6 else {})} for one in every.values()]
    return found


def _in_databases(asked: Wanted, facts: Mapping[str, Any], told: Sequence[Settings]) -> Iterator[Settings]:
    """Return the reservations of other databases, in each subnet in which Kea uses them.

    Of a database that does not tell them now, what the monitor was told before.
    """
    for database in _others(asked, facts):
        if database["reservations"] is None:
            yield from _told_before(told, database)
        for one in database["reservations"] or []:
            for number in [one["subnet"]] if one["subnet"] else facts.get("global_subnets") or []:
                yield {**one, "subnet": number, "database": _named(database)}


def _others(asked: Wanted, facts: Mapping[str, Any]) -> List[Mapping[str, Any]]:
    return [one for one in facts.get("databases") or [] if not _reads_itself(asked, one)]


def _told(look: Mapping[str, Any], family: int) -> List[Settings]:
    """Return what the monitor was told before of the databases of the server of a family."""
    told = (look.get("monitor") or {}).get("told_of_databases") or []
    return [one for one in told if one.get("family", 4) == family]


def _told_before(told: Sequence[Settings], database: Mapping[str, Any]) -> List[Settings]:
    """Return what was told before of a database: of any, where the entry of this one could not be read."""
    return [one for one in told if not database["type"] or one["database"] == _named(database)]


def _named(database: Mapping[str, Any]) -> str:
    port = f":{database['port']}" if database["port"] else ""
    return f"{database['type']} {database['name']} at {database['host']}{port}"


def _reads_itself(asked: Wanted, database: Mapping[str, Any]) -> bool:
    """Return whether it is the database into which the monitor writes its reservations."""
    named = {**database, "port": database.get("port") or DEFAULT_PORT}
    return asked.reservations == "database" and database["type"] == "postgresql" and asked.database.is_named_by(named)


def unread(asked: Wanted, looks: Mapping[int, Mapping[str, Any]]) -> List[str]:
    """Return sentences for the databases of the site whose reservations could not be read."""
    told = [
        f"the reservations in {one['name'] or 'hosts-databases'} ({one['type'] or 'unknown'}) at "
        f"{one['host'] or 'an unknown host'}: {one['error']}{_kept(one, _told(look, family))}"
        for family, look in looks.items()
        for one in _others(asked, look.get("reservations") or {})
        if one["error"]
    ]
    return list(dict.fromkeys(told))


def _kept(database: Mapping[str, Any], told: Sequence[Settings]) -> str:
    """Return words for what the monitor goes on to know of a database that does not tell."""
    kept = len(_told_before(told, database)) if database["reservations"] is None else 0
    return f"; the monitor keeps to the {kept} that the last deployment read" if kept else ""


class Subnets(NamedTuple):
    """What the sinks must know of the subnets."""

    everywhere: List[int]
    """Those of DHCPv4 that use the reservations outside all subnets."""
    left_out: Mapping[int, List[int]]
    """Those that cannot include reservations in files, by family."""


def subnets(asked: Wanted, looks: Mapping[int, Mapping[str, Any]]) -> Subnets:
    """Return what the configurations of Kea, and the variables, tell of the subnets.

    A subnet that a file defines by now is in a file, whatever Kea served before.
    """
    found = {family: look.get("reservations") or {} for family, look in looks.items()}
    left_out = {
        family: {*one.get("left_out_subnets", [])}
        | ({*asked.subnets_in_no_file.get(family, [])} - {*one.get("defined_subnets", [])})
        for family, one in found.items()
    }
    # Only the sink for DHCPv4 takes them.
    everywhere = found.get(4, {}).get("global_subnets") or []
    return Subnets(everywhere, {family: sorted(ids) for family, ids in left_out.items()})


def config(
    asked: Wanted, lease_files: Mapping[int, str], certificates: Files, paths: Paths, known: Subnets
) -> Settings:
    """Return the monitor's configuration file as a document."""
    keys = ("path", "path6")
    source = {"type": asked.source, **(dict(zip(keys, lease_files.values())) if asked.source == "memfile" else {})}
    sqlite = {"path": f"{paths.state_directory}/state.sqlite"}
    state = {"type": asked.state, **(sqlite if asked.state == "sqlite" else {})}
    document: Settings = {
        "source": {**source, **asked.source_options},
        "state": {**state, **asked.state_options},
        "log_level": asked.log_level,
        "subscriptions": [
            _subscription(asked, each, paths, known) for one in asked.subscriptions for each in _by_family(asked, one)
        ],
    }
    if 6 in asked.families:
        figures = [f"{paths.report(family)}/{FIGURES}" for family in asked.families]
        document["pools"] = dict(zip(keys, figures))
    if asked.uses_database:
        document["database"] = _database(asked.database, certificates, paths)
    if asked.metrics_listen:
        document["metrics"] = {"listen": asked.metrics_listen}
    return document


def _by_family(asked: Wanted, named: Settings) -> List[Settings]:
    """Return a subscription of the site once for each family that it selects: each server has its own files.

    With a DHCPv4 server only, it stays as it is. The first one keeps its name, and so its bookmark.
    """
    if tuple(asked.families) == (4,) or not (asked.source == "memfile" or asked.in_files):
        return [named]
    match = named.get("match") or {}
    families = match.get("families") or list(asked.families)
    return [
        {
            **named,
            "name": named["name"] if family == families[0] else f"{named['name']}-dhcp{family}",
            "match": {**match, "families": [family]},
        }
        for family in families
    ]


def _subscription(asked: Wanted, named: Settings, paths: Paths, subnets_known: Subnets) -> Settings:
    """Return a subscription whose sinks know the reservations of the site; with the usual sinks if it names none."""
    family = min((named.get("match") or {}).get("families") or [4])
    left_out = subnets_known.left_out.get(family)
    known: Dict[str, Settings] = {
        FILE_SINK: {"site_file": paths.site_file, **({"left_out": left_out} if left_out else {})},
        "reservation": {
            "site_file": paths.site_file,
            **({"global_subnets": subnets_known.everywhere} if subnets_known.everywhere else {}),
        },
        "webhook": {"secret_file": paths.webhook_secret_file} if asked.webhook_secret else {},
    }
    sinks = _sinks(asked, paths, family)
    if "sinks" in named:
        sinks = [placed(asked, paths, sink, family) for sink in named["sinks"]]
    return {**named, "sinks": [{**known.get(sink["type"], {}), **sink} for sink in sinks]}


def _sinks(asked: Wanted, paths: Paths, family: int) -> List[Settings]:
    """Return the sinks of a subscription that names none."""
    reservations: Settings = {"type": "reservation"}
    if asked.in_files:
        reservations = placed(asked, paths, {"type": FILE_SINK}, family)
    return [reservations, {"type": "discovery", "directory": asked.discovery_directory}]


def _database(one: Database, certificates: Files, paths: Paths) -> Settings:
    """Return the section database. It names an ssl_mode wherever it can: libpq's default would accept no TLS."""
    password = {"password_file": paths.password_file} if one.password else {}
    tls = {
        "ssl_mode": one.strictest_mode,
        "ca_file": certificates.trust_anchor,
        "cert_file": certificates.certificate,
        "key_file": certificates.key,
    }
    named = {"host": one.host, "port": one.port, "name": one.name, "user": one.user}
    return {**named, **password, **without_empty(tls)}


def placed(asked: Wanted, paths: Paths, sink: Settings, family: int) -> Settings:
    """Return a sink of the site. Reservations in files are where the applier watches, unless it names another place."""
    if sink["type"] != FILE_SINK or sink.get("directory", asked.reservations_directory) != asked.reservations_directory:
        return sink
    return {**sink, "directory": paths.written(family), "report": paths.report(family)}
