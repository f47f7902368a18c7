# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: what the role kea_server does on a host, decided from its variables and from what is on the host."""

from __future__ import annotations

from typing import List, NamedTuple

from ..module_utils._config.servers import top_of
from . import _control_socket as control_socket
from ._login import Files, Login, login, without_empty
from ._pair import password_file, password_files
from ._server_input import Found, Names, Results, Settings, Wanted
from ._server_merge import make as make_merge

RETRIES = {"service-sockets-max-retries": 100000, "service-sockets-retry-wait-time": 5000}
"""An interface that comes up later is served then: Kea tries again every 5 s, for six days."""
TIMERS = ("renew-timer", "rebind-timer", "calculate-tee-times")
KEPT = frozenset(
    (
        *("interfaces-config", "control-socket", "control-sockets", "lease-database", "hosts-database"),
        *("hosts-databases", "expired-leases-processing", "loggers", "hooks-libraries"),
    )
)
"""Keys of Debian's example that stay: none of them reaches a client."""


RESERVED = ("lease-database", "hosts-database", "hosts-databases", "subnet4", "subnet6", "shared-networks")
"""Keys that have variables of their own."""


class Plan(NamedTuple):
    """What the role does."""

    reserved: List[str]
    """Keys in the settings that have variables of their own."""
    config_access: Settings
    """Group and mode of the configuration. It can hold a password, and the monitor is in Kea's group."""
    lease_file_changes: bool
    """Whether the settings name another lease file than the one in force."""

    is_installed: bool
    """False in check mode on a new host, which stays without Kea."""
    uses_database: bool
    database_is_local: bool
    reservations_in_files: bool
    leases_from: Settings
    """The lease database in force."""
    reservations_from: Settings
    """The database of reservations in force."""
    can_move: bool
    """Whether leases and reservations can move from where they are to where they are wanted."""
    reservations_go: str
    """database, files or nowhere."""
    moved_reservations: List[Settings]
    """Reservations given beforehand that leave the configuration, because they are in the database then."""
    moves: bool
    """Whether leases or reservations move."""
    edited: str
    """The configuration file to edit."""
    login: Login
    """How a task reads or writes reservations in the database."""
    settings: Settings
    databases: List[Settings]
    merge: Settings
    """What is merged into the configuration."""
    included: List[str]
    """Included files that the merge may edit."""
    subnet_ids: List[int]
    """Subnets with managed reservations."""
    known_ids: List[Settings]
    """Ids of the subnets that have none in the configuration."""
    left_out: List[str]
    """Subnets that cannot have managed reservations in files."""
    absent: List[str]
    """Settings of Debian's example to remove: its timers, options, classes and subnet are not meant for a site."""
    needs_restart: bool
    leftovers: List[str]
    """Paths to delete if the new configuration is rejected."""


def make(asked: Wanted, now: Found, done: Results, names: Names, check_mode: bool) -> Plan:
    """Return the plan. Results are those of the tasks that ran so far, so later tasks may see a later plan."""
    old, old_hosts = _leases_from(asked, now), _reservations_from(asked, now)
    go = _reservations_go(asked, old_hosts)
    moves = _leases_move(asked, old) or go != "nowhere"
    read_at_start = {names.unit_addition, password_file(asked.family)}
    restart = now.outdated or done.config_changed or bool(read_at_start & set(done.changed_paths))
    settings, merge = _settings(asked, now), make_merge(asked, now, done.pair_certificates)
    return Plan(
        reserved=reserved(asked.settings, asked.lease_database),
        config_access=_config_access(asked, names),
        lease_file_changes=_lease_file_changes(asked, now),
        is_installed=now.is_installed,
        uses_database=asked.uses_database,
        database_is_local=asked.database.is_local,
        reservations_in_files=asked.reservations_in_files,
        leases_from=old,
        reservations_from=old_hosts,
        can_move=_can_move(asked, old, old_hosts),
        reservations_go=go,
        moved_reservations=[dict(one) for one in asked.reservations] if go == "database" else [],
        moves=moves,
        edited=names.candidate if moves and now.is_installed and not check_mode else names.config,
        login=_login(asked, now, done, names.user),
        settings=settings,
        databases=_databases(asked, now, done.certificates),
        merge=merge.values,
        included=now.included,
        subnet_ids=merge.subnet_ids,
        known_ids=[{"subnet": one["subnet"], "id": one["id"]} for one in now.subnets if not one["has_id"]],
        left_out=merge.left_out,
        absent=[f"{top_of(asked.family)}/{key}" for key in now.keys if key not in KEPT] if now.untouched else [],
        needs_restart=restart and not done.restarted,
        # An old candidate could be taken for a later move's. New files are in use once leases have moved. A directory
        # comes after what is in it.
        leftovers=[names.candidate, *([] if done.restarted else reversed(done.new_paths))],
    )


def make_files(asked: Wanted, now: Found, names: Names, unit_text: str) -> List[Settings]:
    """Return the files that Kea starts with, as kea_files takes them.

    The configuration can hold a password, so only Kea's user may read it, and a group that the site names. Only Kea's
    user writes the reservations that Kea includes. A monitor of a former release writes beside them until
    another release is in force, which then takes that right away.
    """
    own = {"owner": names.user, "group": names.user}
    root = {"owner": "root", "group": "root"}
    wanted_files: List[Settings] = []
    if now.is_installed and asked.reservations_in_files:
        mode = "2770" if now.former_monitor else "0750"
        wanted_files += [
            {**own, "path": asked.reservations_directory, "state": "directory", "mode": mode},
            {**own, "path": asked.applied, "state": "directory", "mode": "0750"},
        ]
        for number in make_merge(asked, now).subnet_ids:
            wanted_files.append({**own, "path": asked.included(number), "content": "", "force": False, "mode": "0640"})
    if now.is_installed:
        wanted_files += _directory_access(asked, now, names)
        wanted_files.append({"owner": names.user, **_config_access(asked, names), "path": names.config})
        wanted_files += password_files(asked.pair, asked.family, names.user)
    directory = names.unit_addition.rpartition("/")[0]
    return [
        *wanted_files,
        {**root, "path": directory, "state": "directory", "mode": "0755"},
        {**root, "path": names.unit_addition, "mode": "0644", "content": unit_text},
    ]


def _config_access(asked: Wanted, names: Names) -> Settings:
    if asked.config_group:
        return {"group": asked.config_group, "mode": "0640"}
    return {"group": names.user, "mode": "0600"}


def _directory_access(asked: Wanted, now: Found, names: Names) -> List[Settings]:
    """Return the directory of the configuration for the group that may read that, if it is closed to the group.

    Debian 13 closes it to all but Kea's user and group. Kea's user owns it, and needs no group to enter it.
    """
    is_closed = int(now.directory.get("mode", "0755"), 8) & 0o011 == 0o010
    if not (asked.config_group and is_closed and now.directory.get("owner") == names.user):
        return []
    return [{"path": names.config.rpartition("/")[0], "state": "directory", "group": asked.config_group}]


def reserved(settings: Settings, lease_database: str) -> List[str]:
    """Return the keys of the settings that have variables of their own.

    A lease file has none: its options, such as lfc-interval, may be named in file and database mode.
    """
    lease = settings.get("lease-database")
    is_file = lease_database == "memfile" and isinstance(lease, dict) and lease.get("type") == "memfile"
    return [key for key in RESERVED if key in settings and not (key == "lease-database" and is_file)]


def _lease_file_changes(asked: Wanted, now: Found) -> bool:
    """Return whether Kea would start with another lease file, without the leases."""
    wanted, found = asked.settings.get("lease-database"), now.lease_database
    is_file = found.get("type", "memfile") == "memfile"
    if not (now.is_installed and is_file and isinstance(wanted, dict)) or now.untouched:
        return False
    return any(key in wanted and wanted[key] != found.get(key, wanted[key]) for key in ("name", "persist"))


def _leases_from(asked: Wanted, now: Found) -> Settings:
    """Return the lease database in force, with Kea's defaults for what a hand-written entry leaves out."""
    defaults = {"type": "memfile", "host": "localhost", "port": 5432, "user": asked.database.user}
    return {**defaults, **now.lease_database}


def _reservations_from(asked: Wanted, now: Found) -> Settings:
    defaults = {"type": "none", "host": "localhost", "port": 5432, "user": asked.database.user, "name": ""}
    ours = [one for one in now.hosts_databases if _is_ours(asked, now, one)]
    return {**defaults, **(ours[0] if ours else {})}


def _is_ours(asked: Wanted, now: Found, entry: Settings) -> bool:
    """Whether a database of reservations is that of the deployment: the wanted one, or that of the leases in force.

    Any other is the site's: it stays in its place, and its reservations count.
    """
    if entry.get("type") != "postgresql":
        return False
    entry = {"host": "localhost", **entry}
    leases = now.lease_database
    with_leases = leases.get("type") == "postgresql" and all(
        leases.get(key, default) == entry.get(key) for key, default in (("host", "localhost"), ("name", None))
    )
    return with_leases or asked.database.is_named_by(entry)


def _leases_move(asked: Wanted, old: Settings) -> bool:
    if old["type"] != asked.lease_database:
        return True
    return old["type"] != "memfile" and not asked.database.is_named_by(old)


def _reservations_go(asked: Wanted, old_hosts: Settings) -> str:
    into_database = old_hosts["type"] == "none" and asked.hosts_database == "postgresql"
    if into_database and asked.reservations_directory:
        return "database"
    if old_hosts["type"] == "postgresql" and asked.reservations_in_files:
        return "files"
    return "nowhere"


def _can_move(asked: Wanted, old: Settings, old_hosts: Settings) -> bool:
    """Leases move between files and PostgreSQL and between two PostgreSQL, reservations only within one PostgreSQL."""
    leases = old["type"] in ("memfile", "postgresql") or not _leases_move(asked, old)
    within = asked.hosts_database == "none" or asked.database.is_named_by(old_hosts)
    return leases and (old_hosts["type"] == "none" or (old_hosts["type"] == "postgresql" and within))


def _login(asked: Wanted, now: Found, done: Results, user: str) -> Login:
    """Return the login to the wanted database, or to the one in force if the reservations leave it."""
    entry, environment = _reservations_from(asked, now), now.tls_environment
    if _reservations_go(asked, entry) != "files":
        return login(asked.database, asked.ssl_mode, done.certificates, user)
    certificates = Files(
        environment.get("PGSSLROOTCERT", entry.get("trust-anchor", "")),
        environment.get("PGSSLCERT", entry.get("cert-file", "")),
        environment.get("PGSSLKEY", entry.get("key-file", "")),
    )
    left = asked.database._replace(host=entry["host"], port=int(entry["port"]), name=entry["name"], user=entry["user"])
    return login(left, environment.get("PGSSLMODE", entry.get("ssl-mode", "")), certificates, user)


def _settings(asked: Wanted, now: Found) -> Settings:
    """Return the values for kea_config by their path, which fill gaps and are not recorded as the variables are.

    A unix control socket is added where there is none: without it the server's health cannot be seen. On a new host the
    timers T1 and T2 follow from the lifetime. A site that names its interfaces in the settings, as an imported server
    does, gets what it names and nothing else.
    """
    settings: Settings = {}
    top = top_of(asked.family)
    if not now.has_unix_socket:
        keys = (*now.keys, *asked.settings)
        settings.update(control_socket.settings(top, control_socket.PATHS[asked.family], keys))
    site = {**now.interfaces_config, **asked.settings.get("interfaces-config", {})}
    for key, value in RETRIES.items() if asked.interfaces and not set(RETRIES) & set(site) else ():
        settings[f"{top}/interfaces-config/{key}"] = value
    is_new = now.untouched or not now.keys
    if is_new and asked.interfaces and not set(TIMERS) & set(asked.settings):
        settings[f"{top}/calculate-tee-times"] = True
    return settings


def _databases(asked: Wanted, now: Found, certificates: Files) -> List[Settings]:
    """Return the databases for kea_config.

    A lease file in force stays as it is, wherever it is, and so do databases of reservations that are the site's. Once
    the leases are in the database, a Kea that went on without it would refuse clients.
    """
    one = asked.database
    entry = {"type": "postgresql", "name": one.name, "host": one.host, "port": one.port, "user": one.user}
    secrets = {
        "password": one.password,
        "trust_anchor": certificates.trust_anchor,
        "cert_file": certificates.certificate,
        "key_file": certificates.key,
        "ssl_mode": asked.ssl_mode,
    }
    entry.update(without_empty(secrets))
    present = asked.hosts_database == "postgresql"
    hosts = {"purpose": "hosts", "on_fail": "stop-retry-exit" if asked.lease_database == "postgresql" else ""}
    leases: List[Settings] = [{**entry, "purpose": "lease"}]
    if asked.lease_database == "memfile":
        is_file = now.lease_database.get("type", "memfile") == "memfile"
        leases = [] if is_file else [{"purpose": "lease", "type": "memfile"}]
    wanted = [{**entry, **without_empty(hosts), "state": "present"}] if present else []
    return [*leases, *_former_hosts(asked, now, present), *wanted]


def _former_hosts(asked: Wanted, now: Found, present: bool) -> List[Settings]:
    """Return the databases of reservations that were ours and are not any more, as kea_config removes them."""
    former: List[Settings] = []
    for found in now.hosts_databases:
        stays = present and (found.get("name"), found.get("host")) == (asked.database.name, asked.database.host)
        if _is_ours(asked, now, found) and not stays:
            named: Settings = {key: found[key] for key in ("type", "name", "host") if key in found}
            former.append({**named, "purpose": "hosts", "state": "absent"})
    return former
