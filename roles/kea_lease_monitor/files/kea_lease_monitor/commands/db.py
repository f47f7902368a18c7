# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``db``: create, upgrade or downgrade the schema of the state. The plan is printed before it is done."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from typing import Any, Dict, Iterator

from kea_lease_monitor.commands import access
from kea_lease_monitor.commands.progress import Progress
from kea_lease_monitor.errors import ConfigurationError, SchemaError
from kea_lease_monitor.state import schema
from kea_lease_monitor.state.location import StateLocation
from kea_lease_monitor.state.schema import SchemaPlan


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the steps and flags of the command."""
    steps = parser.add_subparsers(required=True, dest="step", metavar="{init,upgrade,downgrade,version}")
    for name in ("init", "upgrade", "downgrade", "version"):
        step = steps.add_parser(name)
        step.set_defaults(version=None)
        access.add_config(step)
        step.add_argument("--state", help="state database (default: as configured)")
        step.add_argument("--json", action="store_true", help="for programs")
        if name in ("upgrade", "downgrade"):
            default = "the newest" if name == "upgrade" else "the previous one"
            step.add_argument("--to", metavar="VERSION", help=f"schema to reach (default: {default})")
            step.add_argument("--yes", action="store_true", help="do not ask for confirmation")
            step.add_argument("--dry-run", action="store_true", help="only print what would be done")
        if name == "downgrade":
            step.add_argument("version", nargs="?", help="the same as --to")


def execute(options: argparse.Namespace) -> int:
    """Do the step. Raises SchemaError, TemporaryError; ConfigurationError if it is not confirmed."""
    location = StateLocation(options.state) if options.state else access.read_settings(options).state
    access.become_owner(location, options.config)
    if options.step == "init":
        _migrate().upgrade(location)
    elif options.step in ("upgrade", "downgrade"):
        _change(location, options)
    found = _status(location)
    if options.json:
        print(json.dumps(found))
    else:
        print(f"schema {found['schema'] or 'none'}, this program needs {found['needed']}")
    return 0


def _migrate() -> Any:
    """Return state.migrate. It imports Alembic, which no other command needs."""
    return importlib.import_module("kea_lease_monitor.state.migrate")


def _change(location: StateLocation, options: argparse.Namespace) -> None:
    migrate, target = _migrate(), options.to or options.version
    upwards = options.step == "upgrade"
    plan = (migrate.plan_upgrade if upwards else migrate.plan_downgrade)(location, target)
    if not options.json:
        for line in _described(plan, location, options.step):
            print(line)
    if not plan.steps or options.dry_run:
        return
    if not options.yes and not _confirmed():
        raise ConfigurationError("nothing was changed")
    with Progress("steps done", len(plan.steps)) as progress:
        (migrate.upgrade if upwards else migrate.downgrade)(location, target, progress)


def _described(plan: SchemaPlan, location: StateLocation, verb: str) -> Iterator[str]:
    yield f"The state {location} has schema {plan.found or 'none'}."
    if not plan.steps:
        yield "There is nothing to do."
    for step in plan.steps:
        yield f"  {verb} {step.version}: {step.text}"


def _confirmed() -> bool:
    if not sys.stdin.isatty():
        raise ConfigurationError("nothing was changed: standard input is no terminal to confirm on; use --yes")
    return input("Do this? [y/N] ").strip().lower() in ("y", "yes")


def _status(location: StateLocation) -> Dict[str, Any]:
    found, needed = schema.found(location), schema.versions()[-1]
    try:
        schema.require(found)
        problem = None
    except SchemaError as error:
        problem = str(error)
    return {"state": str(location), "schema": found, "needed": needed, "known": schema.versions(), "problem": problem}
