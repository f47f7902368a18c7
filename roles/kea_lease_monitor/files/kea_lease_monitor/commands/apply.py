# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``apply-reservations``: have Kea use the reservation files, once or whenever one changes."""

from __future__ import annotations

import argparse
import os
import time
from functools import partial
from typing import Tuple

from kea_lease_monitor import applier, files, telemetry
from kea_lease_monitor.clock import Clock
from kea_lease_monitor.commands.progress import Progress
from kea_lease_monitor.errors import ConfigurationError
from kea_lease_monitor.kea import pools
from kea_lease_monitor.kea.applier.confirming import Confirming
from kea_lease_monitor.kea.applier.leased import Leases
from kea_lease_monitor.kea.applier.report import DEFAULT, Places
from kea_lease_monitor.kea.companions import DEFAULT_PATH
from kea_lease_monitor.kea.control import Apply, ask

_REPORT = 0.25
"""Seconds between two reports while reservations come into force by command, one after another."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the command."""
    parser.add_argument("--follow", action="store_true", help="apply whenever a file changes, until a signal comes")
    parser.add_argument("--observe", action="store_true", help="apply nothing: Kea's reservations are in a database")
    parser.add_argument(
        "--kea-program", default="/usr/sbin/kea-dhcp4", help="tests a configuration (default: %(default)s)"
    )
    parser.add_argument("--kea-config", default="/etc/kea/kea-dhcp4.conf", help="of Kea (default: %(default)s)")
    parser.add_argument("--control-socket", required=True, help="of Kea")
    parser.add_argument("--lease-file", default=DEFAULT_PATH, help="of Kea (default: %(default)s)")
    parser.add_argument(
        "--leases-elsewhere",
        action="store_true",
        help="Kea has no lease file, so no lease has to confirm a reservation",
    )
    parser.add_argument("--directory", default=DEFAULT.written, help="of the monitor's files (default: %(default)s)")
    parser.add_argument("--report", default=DEFAULT.report, help="directory of the report (default: %(default)s)")
    parser.add_argument(
        "--included", default="/etc/kea/reservations.d/applied", help="of Kea's files (default: %(default)s)"
    )
    parser.add_argument("--pools", default=pools.DEFAULT_PATH, help="for the use of pools (default: %(default)s)")
    parser.add_argument("--min-interval", type=float, default=60.0, help="seconds between two reloads")


_Seen = Tuple[pools.Figures, pools.Server]


def _observer(options: argparse.Namespace, clock: Clock) -> applier.Observer[_Seen]:
    """Return what writes down how many addresses of each pool are in use, and the state of Kea."""
    command = partial(ask, options.control_socket)
    return applier.Observer(
        lambda: (pools.gather(command), pools.gather_server(command)),
        lambda seen, interval: pools.write(options.pools, seen[0], interval, seen[1]),
        clock,
    )


def execute(options: argparse.Namespace) -> int:
    """Test the configuration and reload Kea. Raises MonitorError.

    As root it is refused: Kea's user may write where this program reads and writes.
    """
    if os.geteuid() == 0 and files.owner_of_directory(options.lease_file) != 0:
        raise ConfigurationError("apply-reservations is for Kea's user: systemctl restart kea-reservations.service")
    telemetry.set_up("INFO")
    leases = None if options.leases_elsewhere else Leases(options.lease_file, time.sleep, time.monotonic)
    apply = Apply(
        program=options.kea_program,
        config=options.kea_config,
        control_socket=options.control_socket,
        lease_file=options.lease_file,
        places=Places(options.directory, options.report),
        included=options.included,
        confirming=Confirming(options.report, leases),
        min_interval=options.min_interval,
        sleep=time.sleep,
        now=time.time,
        monotonic=time.monotonic,
        report_interval=_REPORT if options.follow else 0.0,
    )
    if options.follow:
        clock = Clock()
        applier.run(None if options.observe else apply, _observer(options, clock), clock)
    else:
        with Progress("commands answered by Kea") as apply.answered:
            apply.run()
    return 0
