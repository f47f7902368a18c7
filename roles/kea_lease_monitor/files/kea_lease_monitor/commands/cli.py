# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Command line of kea-lease-monitor: the parser and the exit codes."""

from __future__ import annotations

import argparse
import sys
from typing import Callable, Dict, List, NamedTuple, Optional

from kea_lease_monitor import __version__
from kea_lease_monitor.commands import (
    apply,
    check,
    check_config,
    db,
    dead_letters,
    export,
    forget,
    names,
    output,
    replace,
    replay,
    run,
    status,
)
from kea_lease_monitor.database import installed
from kea_lease_monitor.errors import ConfigurationError, MonitorError, SchemaError
from kea_lease_monitor.waiting import Waiting


class Command(NamedTuple):
    """One command. ``execute`` returns the exit code, or raises MonitorError."""

    add_arguments: Callable[[argparse.ArgumentParser], None]
    execute: Callable[[argparse.Namespace], int]
    help: str


COMMANDS: Dict[str, Command] = {
    "run": Command(run.add_arguments, run.execute, "follow the leases (the default command)"),
    "check": Command(check.add_arguments, check.execute, "exit 0 when a monitor is alive and no subscription is stuck"),
    "status": Command(status.add_arguments, status.execute, "show the subscriptions"),
    "check-config": Command(
        check_config.add_arguments, check_config.execute, "exit 0 when the configuration can be used"
    ),
    "replay": Command(replay.add_arguments, replay.execute, "let a subscription deliver leases again"),
    "dead-letters": Command(dead_letters.add_arguments, dead_letters.execute, "events that a sink will never accept"),
    "forget": Command(forget.add_arguments, forget.execute, "remove what was made for a client that is gone"),
    "replace": Command(replace.add_arguments, replace.execute, "give a new board the address and name of another one"),
    "export": Command(export.add_arguments, export.execute, "print the reservations in files as JSON"),
    "import": Command(export.add_import_arguments, export.execute_import, "write reservations that export printed"),
    "names": Command(names.add_arguments, names.execute, "send names again that did not reach DNS"),
    "db": Command(db.add_arguments, db.execute, "the schema of the state database"),
    "apply-reservations": Command(apply.add_arguments, apply.execute, "reload Kea when reservation files changed"),
}


def main(arguments: Optional[List[str]] = None) -> int:
    """Execute the command and return the exit code: 2 for what a person must change, 1 for any other problem."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or (given[0] not in COMMANDS and given[0] not in ("-h", "--help", "--version")):
        given.insert(0, "run")
    options = parser().parse_args(_joined(given, "--db-password"))
    try:
        with installed(Waiting()):
            return int(options.execute(options))
    except MonitorError as error:
        output.show(f"kea-lease-monitor: error: {error}", sys.stderr)
        return 2 if isinstance(error, (ConfigurationError, SchemaError)) else 1


def _joined(given: List[str], flag: str) -> List[str]:
    """Replace ``--flag VALUE`` by ``--flag=VALUE``. argparse would refuse, and show, a VALUE with a leading dash."""
    if flag not in given[:-1]:
        return given
    at = given.index(flag)
    return [*given[:at], f"{flag}={given[at + 1]}", *given[at + 2 :]]


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line, which the man page and the completion are made from, too."""
    made = argparse.ArgumentParser(prog="kea-lease-monitor", description="Follow Kea's leases.")
    made.add_argument("--version", action="version", version=__version__)
    commands = made.add_subparsers(required=True, metavar="{" + ",".join(COMMANDS) + "}")
    for name, command in COMMANDS.items():
        subparser = commands.add_parser(name, help=command.help)
        subparser.set_defaults(execute=command.execute)
        command.add_arguments(subparser)
    return made
