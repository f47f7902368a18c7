# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line. Exit codes: 0 well, 1 not well, 2 what was asked for cannot be done."""

from __future__ import annotations

import argparse
import importlib
import os
import socket
import sys
import time
from typing import Any, Dict, List, Optional

from kea_lease_monitor import __version__, document, settings, telemetry
from kea_lease_monitor.app import Monitor
from kea_lease_monitor.clock import Clock
from kea_lease_monitor.commands import check, status
from kea_lease_monitor.commands import replay as requests
from kea_lease_monitor.errors import ConfigurationError, MonitorError, SchemaError
from kea_lease_monitor.kea.companions import DEFAULT_PATH
from kea_lease_monitor.kea.control import Apply
from kea_lease_monitor.sinks.discovery import DEFAULT_DIRECTORY
from kea_lease_monitor.state.location import DEFAULT_PATH as DEFAULT_STATE
from kea_lease_monitor.state.location import Place
from kea_lease_monitor.state.store import Store

COMMANDS = ("run", "check", "status", "check-config", "replay", "dead-letters", "db", "apply-reservations")
DEFAULT_CONFIG = "/etc/kea-lease-monitor/config.yml"


def main(arguments: Optional[List[str]] = None) -> int:
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or (given[0] not in COMMANDS and given[0] not in ("-h", "--help", "--version")):
        given.insert(0, "run")
    options = _parser().parse_args(_joined(given, "--db-password"))
    try:
        return int(options.action(options))
    except MonitorError as error:
        print(f"kea-lease-monitor: error: {error}", file=sys.stderr)
        return 2 if isinstance(error, (ConfigurationError, SchemaError)) else 1


def _joined(given: List[str], flag: str) -> List[str]:
    """``--flag VALUE`` as ``--flag=VALUE``: a VALUE that begins with a dash else is refused, and then shown."""
    if flag not in given[:-1]:
        return given
    at = given.index(flag)
    return [*given[:at], f"{flag}={given[at + 1]}", *given[at + 2 :]]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="kea-lease-monitor", description="Follow Kea's leases.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="{" + ",".join(COMMANDS) + "}")
    _add_run(commands.add_parser("run", help="follow the leases (also without a command)"))
    for name, action, text in (
        ("check", _check, "exit 0 when a monitor is alive and no subscription is stuck"),
        ("status", _status, "show subscriptions"),
        ("check-config", _check_config, "exit 0 when the configuration can be used"),
    ):
        command = commands.add_parser(name, help=text)
        command.set_defaults(action=action)
        _add_config(command)
        if name == "status":
            command.add_argument("--json", action="store_true", help="for programs")
        if name == "check":
            command.add_argument(
                "--delivered", action="store_true", help="exit 0 when all events were acted upon, instead"
            )
    _add_replay(commands.add_parser("replay", help="have a subscription act upon leases once more"))
    _add_letters(commands.add_parser("dead-letters", help="events that a sink will never act upon"))
    _add_db(commands.add_parser("db", help="the schema of the state database"))
    _add_apply(commands.add_parser("apply-reservations", help="have Kea read reservation files that changed"))
    return parser


def _add_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", help=f"configuration file (default: {DEFAULT_CONFIG})")


def _add_run(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(action=_run)
    _add_config(parser)
    parser.add_argument("--use-database-events", action="store_true", help="follow lease events in PostgreSQL")
    parser.add_argument("--lease-file", help=f"lease file to follow otherwise (default: {DEFAULT_PATH})")
    for name in ("host", "name", "user"):
        parser.add_argument(f"--db-{name}", help="of the database")
    parser.add_argument("--db-port", type=int, help="of the database")
    parser.add_argument("--db-password", help="better password_file in --config: others can see a command line")
    parser.add_argument("--subnet-id", type=int, action="append", help="only this subnet; may be repeated")
    parser.add_argument("--output-dir", help=f"for discovery files (default: {DEFAULT_DIRECTORY})")
    parser.add_argument("--state", help=f"state database (default: {DEFAULT_STATE})")
    parser.add_argument("--log-level", choices=settings.LOG_LEVELS)


def _add_replay(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(action=_replay)
    _add_config(parser)
    parser.add_argument("subscription")
    begin = parser.add_mutually_exclusive_group()
    begin.add_argument("--since", help="only leases that Kea heard of since this time, like 2026-11-21T04:30")
    begin.add_argument("--position", help="go on from a place that status --json named")
    begin.add_argument(
        "--adopt",
        action="store_true",
        help="take over reservations that say what the lease says and nothing else, as release 1.0.0 made them",
    )


def _add_letters(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(required=True, dest="step", metavar="{list,retry,drop}")
    for name in ("list", "retry", "drop"):
        command = commands.add_parser(name)
        command.set_defaults(action=_letters)
        _add_config(command)
        command.add_argument("--subscription", help="only this one's")
        if name == "list":
            command.add_argument("--json", action="store_true", help="for programs")
        else:
            command.add_argument("id", nargs="*", type=int, help="the numbers that list shows")
            command.add_argument("--all", action="store_true")


def _add_db(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(required=True, dest="step", metavar="{init,upgrade,downgrade,version}")
    for name in ("init", "upgrade", "downgrade", "version"):
        command = commands.add_parser(name)
        command.set_defaults(action=_db, version=None)
        _add_config(command)
        command.add_argument("--state", help="state database (default: as configured)")
        command.add_argument("--json", action="store_true", help="for programs")
        if name in ("upgrade", "downgrade"):
            default = "the newest" if name == "upgrade" else "the one before"
            command.add_argument("--to", metavar="VERSION", help=f"schema to reach (default: {default})")
            command.add_argument("--yes", action="store_true", help="do not ask")
            command.add_argument("--dry-run", action="store_true", help="only say what would be done")
        if name == "downgrade":
            command.add_argument("version", nargs="?", help="the same as --to")


def _add_apply(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(action=_apply)
    parser.add_argument("--kea-program", default="/usr/sbin/kea-dhcp4")
    parser.add_argument("--kea-config", default="/etc/kea/kea-dhcp4.conf")
    parser.add_argument("--control-socket", required=True)
    parser.add_argument("--lease-file", default=DEFAULT_PATH)
    parser.add_argument("--directory", default="/etc/kea/reservations.d")
    parser.add_argument("--min-interval", type=float, default=60.0, help="seconds between two reloads")


def _run(options: argparse.Namespace) -> int:
    Monitor(lambda: settings.parse(_document(options)), Clock()).run()
    return 0


def _document(options: argparse.Namespace) -> Any:
    """The configuration file, or what the flags of the command line say in its shape."""
    flags = {name: value for name, value in vars(options).items() if value and name not in ("action", "config")}
    if options.config or not flags:
        if set(flags) - {"log_level"}:
            raise ConfigurationError(f"--config says all; not allowed beside it: {', '.join(sorted(flags))}")
        found = document.read(options.config or DEFAULT_CONFIG)
        if flags and isinstance(found, dict):
            found.update(flags)
        return found
    if options.output_dir and os.path.isabs(options.output_dir):
        _make_directory(options.output_dir)
    sinks: List[Dict[str, Any]] = [{"type": "discovery", "directory": options.output_dir or DEFAULT_DIRECTORY}]
    if options.use_database_events or options.db_host:
        sinks.insert(0, {"type": "reservation"})
    database = {name: getattr(options, f"db_{name}") for name in ("host", "port", "name", "user", "password")}
    tail = {"type": "memfile", "path": options.lease_file or DEFAULT_PATH}
    return {
        "database": {name: value for name, value in database.items() if value is not None},
        "source": {"type": "events"} if options.use_database_events else tail,
        "state": {"path": options.state or DEFAULT_STATE},
        "log_level": options.log_level or "INFO",
        "subscriptions": [{"name": "default", "match": {"subnets": options.subnet_id or []}, "sinks": sinks}],
    }


def _make_directory(path: str) -> None:
    try:
        os.makedirs(path, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"--output-dir {path} cannot be made: {error.strerror}") from error


def _settings(options: argparse.Namespace) -> settings.Settings:
    return settings.parse(document.read(options.config or DEFAULT_CONFIG))


def _check_config(options: argparse.Namespace) -> int:
    found = _settings(options)
    print(f"{len(found.flows)} subscription(s), source {found.source.type}: the configuration can be used")
    return 0


def _check(options: argparse.Namespace) -> int:
    found = _settings(options)
    store = _store(found)
    names = [flow.subscription.name for flow in found.flows]
    monitor = socket.gethostname() if found.state.shared else ""
    if options.delivered:
        problem = check.undelivered(found, store)
    else:
        problem = status.problem(store.heartbeats(), names, monitor, time.time())
    print(problem or f"healthy: {', '.join(names)}")
    return 1 if problem else 0


def _store(found: settings.Settings) -> Store:
    status.become_owner(found.state)
    return Store(found.state)


def _status(options: argparse.Namespace) -> int:
    lines = status.lines(_store(_settings(options)), time.time())
    print(status.as_json(lines) if options.json else status.as_table(lines))
    return 0


def _replay(options: argparse.Namespace) -> int:
    found = _settings(options)
    names = [flow.subscription.name for flow in found.flows]
    return requests.replay(_store(found), names, options, time.time())


def _letters(options: argparse.Namespace) -> int:
    return requests.letters(_store(_settings(options)), options, time.time())


def _db(options: argparse.Namespace) -> int:
    place = Place(options.state) if options.state else _settings(options).state
    status.become_owner(place)
    options.to = getattr(options, "to", None) or options.version
    # With it comes Alembic, which nothing else needs.
    return int(importlib.import_module("kea_lease_monitor.commands.db").run(place, options))


def _apply(options: argparse.Namespace) -> int:
    telemetry.set_up("INFO")
    Apply(
        program=options.kea_program,
        config=options.kea_config,
        control_socket=options.control_socket,
        lease_file=options.lease_file,
        directory=options.directory,
        min_interval=options.min_interval,
        sleep=time.sleep,
        now=time.time,
    ).run()
    return 0
