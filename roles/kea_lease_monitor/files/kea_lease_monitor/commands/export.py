# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``export`` and ``import``: the reservations in files as JSON, for a backup or for new hardware."""

from __future__ import annotations

import argparse
import sys
import time
from typing import Optional

from kea_lease_monitor.commands import access
from kea_lease_monitor.commands.approving import Approving
from kea_lease_monitor.commands.progress import Progress
from kea_lease_monitor.errors import ConfigurationError, TemporaryError
from kea_lease_monitor.heart import STALE
from kea_lease_monitor.kea import transfer
from kea_lease_monitor.kea.applier.report import Places
from kea_lease_monitor.settings import MonitorSettings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of ``export``."""
    access.add_config(parser)
    _add_family(parser)


def add_import_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of ``import``."""
    access.add_config(parser)
    _add_family(parser)
    parser.add_argument("file", help="what export printed; - for standard input")
    parser.add_argument("--dry-run", action="store_true", help="print what would be added, and write nothing")


def execute(options: argparse.Namespace) -> int:
    """Print the reservations. Raises MonitorError."""
    settings = access.read_settings(options)
    access.become_owner(settings.state, options.config)
    with Progress("reservations read") as progress:
        document = transfer.export(_places(settings, options.family).written, progress)
    print(document)
    return 0


def execute_import(options: argparse.Namespace) -> int:
    """Write the reservations. Return 1 if some were left out. Raises MonitorError."""
    settings = access.read_settings(options)
    # Read before this process becomes another user, who may not read the file.
    hosts = transfer.load(_text(options.file))
    approving = Approving(settings)
    try:
        return _import(options, settings, hosts, approving)
    finally:
        approving.close()


def _import(options: argparse.Namespace, settings: MonitorSettings, hosts: transfer.Hosts, approving: Approving) -> int:
    store = access.open_store(settings.state, options.config)
    directory, report = _places(settings, options.family)
    now = time.time()
    if not options.dry_run and any(
        now - beat.beat_at <= STALE and beat.status != "stopped" for beat in store.heartbeats()
    ):
        # The monitor may append to a file at the moment in which this replaces it.
        raise TemporaryError(
            "the monitor runs: stop it first (systemctl stop kea-lease-monitor), and start it afterwards"
        )
    with Progress("reservations compared", sum(map(len, hosts.values()))) as progress:
        found = transfer.plan(directory, hosts, progress)
    for sentence in found.conflicts:
        print(f"left out: {sentence}", file=sys.stderr)
    if not options.dry_run:
        # Also those that are there: a person may have written them, or this command may have been killed.
        approving.approve(report, found.claims)
    if found.contents and not options.dry_run:
        transfer.write(directory, found.contents)
    print(
        f"{found.added} {'would be ' * options.dry_run}added, {found.unchanged} there, {len(found.conflicts)} left out"
    )
    return 1 if found.conflicts else 0


def _add_family(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--family", type=int, choices=(4, 6), help="needed where both have reservations in files")


def _places(settings: MonitorSettings, family: Optional[int]) -> Places:
    found = settings.reservation_places(family)
    if len(found) == 1:
        return found[0]
    where = ", ".join(places.written for places in found)
    if not found:
        raise ConfigurationError("no reservations are written into files; those in a database are in its backup")
    raise ConfigurationError(f"several directories have reservations: {where}; name one by --family 4 or --family 6")


def _text(path: str) -> str:
    try:
        if path == "-":
            return sys.stdin.read()
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from error
