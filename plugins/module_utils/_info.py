# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is on a host, read and never changed; what is missing is None, so that this works before anything is there."""

from __future__ import annotations

import json
import os
import pwd
import socket
from typing import TYPE_CHECKING, Any, Dict, List, Optional

from ._host import packages
from ._reservations import catalogue as reservations_catalogue
from ._reservations import constraint as reservations_constraint
from ._events import catalogue as events_catalogue
from ._events import counts
from ._lfc import units
from ._monitor import config as monitor_config
from ._events import trigger
from ._postgres import session as postgres_session
from ._postgres.errors import PostgresError
from ._postgres import sessions
from ._host import systemd
from ._config.file import (
    PROGRAMS,
    SERVICES,
    installed_version,
    top_of_path,
)
from ._config.document import MISSING, Document
from ._config.syntax import KeaJsonError, without_secrets
from ._config.tls import VARIABLES, asked_mode
from ._config.versions import KeaVersionError, capabilities
from ._errors import KeaError
from ._moves.journal import DIRECTORY, Journal
from ._lfc.interval import Kept, Mark
from ._monitor.service import UNIT, USER
from ._host.release import Releases

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

RUN_DIRECTORY = "/run/kea"
RESERVATIONS_UNIT = "kea-reservations.path"
MONITOR_ROOT = "/opt/baremetal"
MONITOR_CONFIG = "/etc/kea-lease-monitor/config.yml"
APPARMOR = "/sys/kernel/security/apparmor"
ANSWER_TIMEOUT = 5.0  # seconds


def server(module: AnsibleModule, path: str) -> Dict[str, Any]:
    """The server that reads that file: version, what that can do, unit, whether it serves, and with this very file."""
    top = top_of_path(path)
    unit = systemd.find(module, *SERVICES[top])
    settings = config(path)
    answers = [_answers(name) for name in unix_sockets(settings["control_sockets"])]
    found: Dict[str, Any] = {"version": installed_version(module, top), "capabilities": None, "unit": _shown(unit)}
    if found["version"]:
        try:
            found["capabilities"] = capabilities(found["version"])._asdict()
        except KeaVersionError as error:
            module.warn(str(error))
    # A server without a control socket can only be asked whether it lives.
    found["serving"] = bool(unit and unit.active) and all(answers)
    found["outdated"] = bool(unit and unit.outdated([path]))
    environment = unit.environment() if unit and unit.active else {}
    found["tls_environment"] = {name: value for name, value in environment.items() if name in VARIABLES.values()}
    keys = bool(found["capabilities"] and found["capabilities"]["postgresql_tls_keys"])
    entries = [settings["lease_database"], *(settings["hosts_databases"] or []), *(settings["config_databases"] or [])]
    found["ssl_mode"] = asked_mode(environment, entries, keys) if unit and unit.active else None
    found["admin"] = module.get_bin_path("kea-admin")
    found["confined"] = os.path.isdir(APPARMOR)
    return found


def config_file(module: AnsibleModule, path: str) -> Dict[str, Any]:
    """:func:`config`, and whether the file is still that of Debian's package."""
    package = f"{PROGRAMS[top_of_path(path)]}-server"
    return {**config(path), "untouched": packages.untouched(module, package, path)}


def config(path: str) -> Dict[str, Any]:
    """The parts of a configuration file that the roles of this collection care about, without passwords."""
    found: Dict[str, Any] = dict.fromkeys(
        (
            "interfaces",
            "socket_type",
            "lease_database",
            "hosts_databases",
            "config_databases",
            "hooks_libraries",
            "control_sockets",
        )
    )
    found.update(path=path, error=None)
    try:
        with open(path, "rb") as file:
            document = Document(file.read().decode("utf-8", "surrogateescape"))
        found.update(_parts(document, top_of_path(path)))
    except OSError as error:
        found["error"] = error.strerror
    except KeaJsonError as error:
        found["error"] = str(error)
    return found


def monitor(module: AnsibleModule) -> Dict[str, Any]:
    """The lease monitor's release in force, how it goes to PostgreSQL, its unit, the one that makes Kea read new
    reservations in files, and the user that it runs as."""
    return {
        "release": Releases(MONITOR_ROOT).current(),
        "ssl_mode": monitor_config.ssl_mode(MONITOR_CONFIG),
        "unit": _shown(systemd.find(module, UNIT)),
        "reservations": _shown(systemd.find(module, RESERVATIONS_UNIT)),
        "user": _user(USER),
    }


def move(directory: str = DIRECTORY) -> Dict[str, Any]:
    """What C(kea_lease_move) remembers of a move that nobody saw the end of."""
    found: Dict[str, Any] = {"unfinished": None, "error": None}
    try:
        found["unfinished"] = Journal(directory).unfinished
    except KeaError as error:
        found["error"] = str(error)
    return found


def lfc(module: AnsibleModule, path: str) -> Dict[str, Any]:
    """The clean-up timer of the server that reads that file, and what its last run wrote down."""
    family = int(top_of_path(path)[-1])
    names = units.unit_names(family)
    found: Dict[str, Any] = {kind: _shown(systemd.find(module, name)) for kind, name in names.items()}
    try:
        with open(os.path.join(units.STATE_DIRECTORY, f"state{family}.json"), encoding="utf-8") as file:
            found["last_run"] = json.load(file)
    except (OSError, ValueError):
        found["last_run"] = None
    paths = [os.path.join(units.DIRECTORY, name) for name in names.values()]
    paths += [units.ROOT, units.STATE_DIRECTORY, Kept(family).path, Mark(family).path]
    found["traces"] = [one for one in paths if os.path.lexists(one)]
    return found


def database(params: Dict[str, Any]) -> Dict[str, Any]:
    """What is in Kea's database; C(error) tells why the rest is missing."""
    schema, event_schema = params["schema"], params["event_schema"]
    found: Dict[str, Any] = dict.fromkeys(
        (
            *("schema_version", "hosts_constraint", "lease_notify"),
            *("lost_events", "waiting_events", "oldest_event", "newest_event"),
            *("notification_queue_usage", "connections"),
        )
    )
    found["error"] = None
    try:
        with postgres_session.connect(params, readonly=True) as session:
            found["connections"] = sessions.read_sessions(session)
            found["notification_queue_usage"] = counts.queue_usage(session)
            found["schema_version"] = _schema_version(session, schema)
            # First of all, because it tells most while the event table is gone, or locked so that the rest must fail.
            if _exists(session, event_schema, trigger.LOST):
                found["lost_events"] = counts.count_lost(session, event_schema)
            hosts = reservations_catalogue.read_state(session, schema)
            constraint = hosts.constraints.get(reservations_constraint.NAME) if hosts else None
            found["hosts_constraint"] = constraint.definition if constraint else None
            found["lease_notify"] = events_catalogue.read_state(session, schema, event_schema)
            if found["lease_notify"]["event_table"]:
                found["waiting_events"] = counts.count_waiting(session, event_schema)
                found["oldest_event"], found["newest_event"] = counts.ages(session, event_schema)
    except PostgresError as error:
        found["error"] = error.as_result()["msg"]
    return found


def _parts(document: Document, top: str) -> Dict[str, Any]:
    def part(*path: str) -> Any:
        try:
            value = document.get((top, *path))
        except KeaJsonError:  # it comes from an included file
            return None
        return None if value is MISSING else without_secrets(value)

    def listed(one: str, several: str) -> Any:
        return part(several) if part(one) is None else [part(one)]

    return {
        "interfaces": part("interfaces-config", "interfaces"),
        "socket_type": part("interfaces-config", "dhcp-socket-type"),
        "lease_database": part("lease-database"),
        "hosts_databases": listed("hosts-database", "hosts-databases"),
        "config_databases": part("config-control", "config-databases"),
        "hooks_libraries": part("hooks-libraries"),
        "control_sockets": listed("control-socket", "control-sockets"),
    }


def unix_sockets(found: Any) -> List[str]:
    """Paths of the control sockets of a configuration; a bare name stands for one in Kea's run directory."""
    sockets = [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
    names = [one["socket-name"] for one in sockets if one.get("socket-type") == "unix" and "socket-name" in one]
    return [os.path.join(RUN_DIRECTORY, str(name)) for name in names]


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
    return {"name": unit.name, "active": unit.active, "enabled": unit.enabled} if unit else None


def lease_problem(path: str) -> str:
    """What keeps the server with that configuration from its leases; empty for nothing, and where nobody can be asked.

    Without hook libraries one command alone needs them: to look for expired ones, as Kea does every few seconds itself.
    """
    for name in unix_sockets(config(path)["control_sockets"]):
        answer = _ask(name, {"command": "leases-reclaim", "arguments": {"remove": False}})
        if answer.get("result") != 0:
            return f"Kea has no leases ({answer.get('text', 'no answer')})"
    return ""


def _answers(path: str) -> bool:
    """Whether the server behind a control socket says that all is well."""
    return bool(_ask(path, {"command": "status-get"}).get("result") == 0)


def _ask(path: str, command: Dict[str, Any]) -> Dict[str, Any]:
    """The answer of the server behind a control socket; an empty one for none."""
    try:
        with socket.socket(socket.AF_UNIX) as channel:
            channel.settimeout(ANSWER_TIMEOUT)
            channel.connect(path)
            channel.sendall(json.dumps(command).encode())
            parts: List[bytes] = []
            while True:
                part = channel.recv(65536)
                if not part:
                    break
                parts.append(part)
        answer = json.loads(b"".join(parts))
    except (OSError, ValueError):
        return {}
    return answer if isinstance(answer, dict) else {}
