# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: reads what is on a host. What is missing is None, so this works before anything is installed."""

from __future__ import annotations

import json
import os
import pwd
import stat
from typing import TYPE_CHECKING, Any, Dict, Optional, Set

from ._config import packagings, versions
from ._config.servers import family_of, has_leases, top_of_path
from ._errors import KeaError
from ._events import catalogue as events_catalogue
from ._events import counts, trigger
from ._host import packages, systemd
from ._host import preflight as host_preflight
from ._host.offers import offers
from ._host.release import Releases
from ._kea import tree
from ._lfc import units
from ._lfc.interval import Kept, Mark
from ._manifest import edited, fingerprint
from ._manifest.document import Manifest, ManifestError
from ._monitor import config as monitor_config
from ._monitor.names import APPLIERS, FORMER_APPLIER, UNIT, USER
from ._moves.journal import DIRECTORY, Journal
from ._postgres import session as postgres_session
from ._postgres import sessions
from ._postgres.errors import PostgresError
from ._reservations import catalogue as reservations_catalogue
from ._reservations import constraint as reservations_constraint
from ._rights import catalogue as rights_catalogue
from ._server import config
from ._server import state as server_state

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

MOST_OF_A_REPORT = 2**20
"""Bytes; a report has some hundred."""
MONITOR_ROOT = "/opt/baremetal"
MONITOR_CONFIG = "/etc/kea-lease-monitor/config.yml"
SITE_FILE = "/etc/kea-lease-monitor/site-reservations.json"
"""Written by the role kea_lease_monitor."""


def server(module: AnsibleModule, path: str, hook_directory: str = "") -> Dict[str, Any]:
    """Return what ``_server.state.server`` finds, and as ``edited_files`` which edits of a person are not in force."""
    found = server_state.server(module, path, hook_directory)
    try:
        edits = edited.edited(path, found["changed_files"], Manifest())
    except ManifestError:
        edits = []
    return {**found, "edited_files": edits}


def config_file(module: AnsibleModule, path: str) -> Dict[str, Any]:
    """Return what ``_server.config.read`` finds, and whether the file is still that of Debian's package.

    ``included`` are the files that it includes and that may be edited. ``recorded`` is whether a deployment recorded
    the file in the manifest; None if that cannot be read. ``directory`` is who may enter its directory.
    """
    try:
        recorded: Optional[bool] = Manifest().find("file", path) is not None
    except ManifestError:
        recorded = None
    facts = {"untouched": _untouched(module, path), "recorded": recorded, "directory": _directory(path)}
    found = {**config.read(path), "included": [], **facts}
    if found["error"] is None:
        found["included"] = config.included(path)
    return found


def preflight(module: AnsibleModule, params: Dict[str, Any]) -> Dict[str, Any]:
    """Return the facts of the host that decide about a deployment, by the options of the module."""
    paths = dict.fromkeys((params["path"], os.path.join(os.path.dirname(params["path"]), "kea-dhcp6.conf")))
    databases = [one for path in paths for one in config.read(path)["hosts_databases"] or []]
    hosts = [host for one in databases for host in str(one.get("host") or "").split(",")]
    names = [*params["resolve"], *(host for host in hosts if host and not host.startswith("/"))]
    return host_preflight.read(module, params["connect"], names)


def _directory(path: str) -> Optional[Dict[str, str]]:
    try:
        found = os.stat(os.path.dirname(path))
    except OSError:
        return None
    try:
        owner = pwd.getpwuid(found.st_uid).pw_name
    except KeyError:
        owner = str(found.st_uid)
    return {"owner": owner, "mode": f"{stat.S_IMODE(found.st_mode):04o}"}


def packaging(module: AnsibleModule, path: str, name: str, names: Dict[str, Any]) -> Dict[str, Any]:
    """Return the names of the server that reads this configuration file, and the state of its packages.

    ``error`` says why they are missing.
    """
    try:
        found = _of_server(packagings.detected(module, name, names), path)
    except KeaError as error:
        return {**dict.fromkeys(packagings.Packaging._fields), "error": str(error)}
    state = packages.packages(module, found.packages)
    return {**state, **found._asdict(), "error": None}


def upgrade(module: AnsibleModule, params: Dict[str, Any]) -> Dict[str, Any]:
    """Return what an upgrade of the server's packages would bring, by the options of the module.

    ``error`` says why that is not known.
    """
    nothing: Dict[str, Any] = {"newer": [], "installed": None, "offered": None, "needs_schema": False}
    try:
        chosen = packagings.detected(module, params["packaging"] or "", params["packaging_names"])
        found = _of_server(chosen, params["path"])
        listed = offers(module, found.packages, params["release"])
        server = listed.get(found.packages[0])
        if server is None:
            return {**nothing, "error": None}
        installed, offered = (_capabilities(one) for one in (server.installed, server.offered))
        databases = _databases(params["path"])
        if "mysql" in databases and _release(installed) != _release(offered):
            raise KeaError(
                f"Kea {offered.version} may need another schema of its MySQL database, which no play upgrades: upgrade "
                "Kea and the schema by hand (kea-admin db-upgrade mysql)"
            )
    except KeaError as error:
        return {**nothing, "error": str(error)}
    return {
        "newer": [name for name, one in listed.items() if one.is_newer],
        "installed": installed.version,
        "offered": offered.version,
        "needs_schema": installed.schema != offered.schema and "postgresql" in databases,
        "error": None,
    }


def _capabilities(version: str) -> versions.Capabilities:
    """Return what the Kea of a package can do. An epoch is not part of Kea's own version. Raises KeaError."""
    return versions.capabilities(version.partition(":")[2] or version)


def _release(found: versions.Capabilities) -> str:
    """Return major and minor version: within them no schema changes."""
    return found.version.rpartition(".")[0]


def _databases(path: str) -> Set[str]:
    """Return the types of the databases in a configuration."""
    found = config.read(path)
    listed = [found["lease_database"] or {}, *(found["hosts_databases"] or [])]
    return {str(one.get("type")) for one in listed}


def _untouched(module: AnsibleModule, path: str) -> bool:
    """Return whether a configuration file is still that of the package of its server."""
    if not packages.format_of(module):
        return False
    package = _of_server(packagings.detected(module), path).packages[0]
    return packages.untouched(module, package, path)


def _of_server(found: packagings.Packaging, path: str) -> packagings.Packaging:
    """Return the names of the server that reads this configuration file."""
    top = top_of_path(path)
    return found.of(family_of(top)) if has_leases(top) else found.for_ddns()


def monitor(module: AnsibleModule, path: str) -> Dict[str, Any]:
    """Return the lease monitor's release in force, its TLS mode towards PostgreSQL, its units and its user.

    ``told_of_databases`` is what the last deployment told it of reservations in databases of the site.
    ``reservations`` is the service that has the server with this configuration file use reservations in files,
    ``former_applier`` what started it in former releases.
    """
    return {
        "release": Releases(MONITOR_ROOT).current(),
        "ssl_mode": monitor_config.ssl_mode(MONITOR_CONFIG),
        "told_of_databases": monitor_config.told_of_databases(SITE_FILE),
        "unit": _shown(systemd.find(module, UNIT)),
        "reservations": _shown(systemd.find(module, APPLIERS[family_of(top_of_path(path))])),
        "former_applier": _shown(systemd.find(module, FORMER_APPLIER)),
        "user": _user(USER),
    }


def move(path: str, directory: str = DIRECTORY) -> Dict[str, Any]:
    """Return the move of leases that was interrupted and is not finished yet, if there is one.

    It is of the server that reads this configuration file.
    """
    found: Dict[str, Any] = {"unfinished": None, "error": None}
    try:
        found["unfinished"] = Journal(directory, family_of(top_of_path(path))).unfinished
    except KeaError as error:
        found["error"] = str(error)
    return found


def changes(module: AnsibleModule, inputs: Optional[str]) -> Dict[str, Any]:
    """Return what changed since the last deployment (``fingerprint.changes``); ``error`` says why it is not known."""
    try:
        return {**fingerprint.changes(module, Manifest(), inputs), "error": None}
    except KeaError as error:
        return {**fingerprint.UNKNOWN, "error": str(error)}


def lfc(module: AnsibleModule, path: str) -> Dict[str, Any]:
    """Return the LFC timer of the server that reads this configuration file, and the report of its last run."""
    family = family_of(top_of_path(path))
    names = units.unit_names(family)
    found: Dict[str, Any] = {kind: _shown(systemd.find(module, name)) for kind, name in names.items()}
    found["last_run"] = _report(os.path.join(units.STATE_DIRECTORY, f"state{family}.json"))
    paths = [os.path.join(units.DIRECTORY, name) for name in names.values()]
    paths += [units.ROOT, units.STATE_DIRECTORY, Kept(family).path, Mark(family).path]
    found["traces"] = [one for one in paths if os.path.lexists(one)]
    return found


def database(params: Dict[str, Any]) -> Dict[str, Any]:
    """Return what is in Kea's database; ``error`` says why the rest is missing."""
    schema, event_schema = params["schema"], params["event_schema"]
    found: Dict[str, Any] = dict.fromkeys(
        (
            *("schema_version", "hosts_constraint", "lease_notify"),
            *("lost_events", "waiting_events", "oldest_event", "newest_event"),
            *("notification_queue_usage", "connections", "rights"),
        )
    )
    found["error"] = None
    try:
        with postgres_session.connect(params, readonly=True) as session:
            found["connections"] = sessions.read_sessions(session)
            found["notification_queue_usage"] = counts.queue_usage(session)
            found["schema_version"] = _schema_version(session, schema)
            # First, because it tells most if the event table is missing, or locked so that the rest fails.
            if _exists(session, event_schema, trigger.LOST):
                found["lost_events"] = counts.count_lost(session, event_schema)
            hosts = reservations_catalogue.read_state(session, schema)
            constraint = hosts.constraints.get(reservations_constraint.NAME) if hosts else None
            found["hosts_constraint"] = constraint.definition if constraint else None
            found["rights"] = rights_catalogue.read_state(session, schema)
            found["lease_notify"] = events_catalogue.read_state(session, schema, event_schema)
            if found["lease_notify"]["event_table"]:
                found["waiting_events"] = counts.count_waiting(session, event_schema)
                found["oldest_event"], found["newest_event"] = counts.ages(session, event_schema)
    except PostgresError as error:
        found["error"] = error.as_result()["msg"]
    return found


def _report(path: str) -> Optional[Dict[str, Any]]:
    """Return the report of an LFC run, which Kea's user may write; None if it is missing or none."""
    try:
        found = json.loads(tree.read(path, MOST_OF_A_REPORT))
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _schema_version(session: postgres_session.Session, schema: str) -> Optional[str]:
    if not _exists(session, schema, "schema_version"):
        return None
    rows = session.fetch("SELECT version || '.' || minor FROM {table}", table=(schema, "schema_version"))
    return str(rows[0][0]) if rows else None


def _exists(session: postgres_session.Session, schema: str, name: str) -> bool:
    query = "SELECT to_regclass(format('%%I.%%I', %s::text, %s::text)) IS NOT NULL"
    return bool(session.fetch(query, (schema, name))[0][0])


def _user(name: str) -> Optional[Dict[str, str]]:
    try:
        found = pwd.getpwnam(name)
    except KeyError:
        return None
    return {"home": found.pw_dir, "shell": found.pw_shell}


def _shown(unit: Optional[systemd.Unit]) -> Optional[Dict[str, Any]]:
    return unit.shown() if unit else None
