# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``db``: the schema of the state. What would be done is said first, from the same plan that is then carried out."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any, Callable, Dict

from kea_lease_monitor.errors import ConfigurationError, SchemaError
from kea_lease_monitor.state import migrate, schema
from kea_lease_monitor.state.location import Place

COMMANDS = ("init", "upgrade", "downgrade", "version")


def run(place: Place, options: argparse.Namespace) -> int:
    """Raises SchemaError, TemporaryError; ConfigurationError when nobody is there to agree."""
    if options.step == "init":
        migrate.upgrade(place)
    elif options.step == "upgrade":
        _change(migrate.plan_upgrade, migrate.upgrade, place, options)
    elif options.step == "downgrade":
        _change(migrate.plan_downgrade, migrate.downgrade, place, options)
    found = _status(place)
    if options.json:
        print(json.dumps(found))
    else:
        print(f"schema {found['schema'] or 'none'}, this program needs {found['needed']}")
    return 0


def _change(
    plan: Callable[..., migrate.Plan], act: Callable[..., migrate.Plan], place: Place, options: argparse.Namespace
) -> None:
    planned = plan(place, options.to)
    if not options.json:
        for line in _described(planned, place, options.step):
            print(line)
    if not planned.steps or options.dry_run:
        return
    if not options.yes and not _agreed():
        raise ConfigurationError("nothing was changed")
    act(place, options.to)


def _described(plan: migrate.Plan, place: Place, verb: str) -> Any:
    yield f"The state {place} has schema {plan.found or 'none'}."
    if not plan.steps:
        yield "There is nothing to do."
    for step in plan.steps:
        yield f"  {verb} {step.version}: {step.text}"


def _agreed() -> bool:
    if not sys.stdin.isatty():
        raise ConfigurationError("nobody is there to agree, so nothing was changed; say --yes")
    return input("Do this? [y/N] ").strip().lower() in ("y", "yes")


def _status(place: Place) -> Dict[str, Any]:
    found, needed = schema.found(place), schema.versions()[-1]
    try:
        schema.require(found)
        problem = None
    except SchemaError as error:
        problem = str(error)
    return {"state": str(place), "schema": found, "needed": needed, "known": schema.versions(), "problem": problem}
