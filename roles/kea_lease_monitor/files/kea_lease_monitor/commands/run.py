# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``run``: the daemon. Without --config, flags describe one subscription."""

from __future__ import annotations

import argparse
import os
from typing import Any, Dict, List

from kea_lease_monitor import document, service
from kea_lease_monitor.app import Monitor
from kea_lease_monitor.clock import Clock
from kea_lease_monitor.commands import access, check
from kea_lease_monitor.database import installed
from kea_lease_monitor.errors import ConfigurationError
from kea_lease_monitor.kea.companions import DEFAULT_PATH
from kea_lease_monitor.settings import LOG_LEVELS, MonitorSettings
from kea_lease_monitor.sinks.discovery import DEFAULT_DIRECTORY
from kea_lease_monitor.state.location import DEFAULT_PATH as DEFAULT_STATE
from kea_lease_monitor.waiting import Waiting


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the command."""
    access.add_config(parser)
    parser.add_argument("--use-database-events", action="store_true", help="follow lease events in PostgreSQL")
    parser.add_argument("--lease-file", help=f"lease file to follow otherwise (default: {DEFAULT_PATH})")
    for name in ("host", "name", "user"):
        parser.add_argument(f"--db-{name}", help=f"{name} of the database")
    parser.add_argument("--db-port", type=int, help="port of the database")
    parser.add_argument("--db-password", help="prefer password_file in --config: others can see a command line")
    parser.add_argument("--subnet-id", type=int, action="append", help="only this subnet; may be repeated")
    parser.add_argument("--output-dir", help=f"for discovery files (default: {DEFAULT_DIRECTORY})")
    parser.add_argument("--state", help=f"state database (default: {DEFAULT_STATE})")
    parser.add_argument("--log-level", choices=LOG_LEVELS, help="least level of the log lines")


def execute(options: argparse.Namespace) -> int:
    """Run until a signal stops the daemon. Raises MonitorError."""
    if os.geteuid() == 0:
        access.become_owner(MonitorSettings.parse(_document(options)).state, options.config)
    if options.output_dir and os.path.isabs(options.output_dir):
        _create_directory(options.output_dir)
    waiting = Waiting(lambda: service.notify("WATCHDOG=1"))
    with installed(waiting):
        Monitor(lambda: MonitorSettings.parse(_document(options)), Clock(), waiting, check.problem).run()
    return 0


def _document(options: argparse.Namespace) -> Any:
    """Return the configuration file's document, or one that the flags describe. Raises ConfigurationError."""
    flags = {name: value for name, value in vars(options).items() if value and name not in ("execute", "config")}
    if options.config or not flags:
        if set(flags) - {"log_level"}:
            raise ConfigurationError(f"--config says all; not allowed beside it: {', '.join(sorted(flags))}")
        found = document.read(options.config or access.DEFAULT_CONFIG)
        if flags and isinstance(found, dict):
            found.update(flags)
        return found
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


def _create_directory(path: str) -> None:
    try:
        os.makedirs(path, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"--output-dir {path} cannot be made: {error.strerror}") from error
