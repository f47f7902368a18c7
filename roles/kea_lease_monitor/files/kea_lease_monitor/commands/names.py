# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``names``: send the names of leases again that did not reach DNS. A timer runs it each minute, as Kea's user."""

from __future__ import annotations

import argparse
import os
import time

from kea_lease_monitor import files
from kea_lease_monitor.commands import output
from kea_lease_monitor.errors import ConfigurationError
from kea_lease_monitor.kea.names import memory as names_memory
from kea_lease_monitor.kea.names.look import Names, Server

_STATE = "/var/lib/kea-ddns-names/names.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the command."""
    parser.add_argument("--ddns-socket", required=True, help="control socket of kea-dhcp-ddns")
    parser.add_argument("--control-socket4", help="control socket of kea-dhcp4")
    parser.add_argument("--control-socket6", help="control socket of kea-dhcp6")
    parser.add_argument("--state", default=_STATE, help="what the next run must know (default: %(default)s)")
    parser.add_argument("--all", action="store_true", help="compare all names now, although none need be lost")


def execute(options: argparse.Namespace) -> int:
    """Compare names with DNS if changes may be lost. Raises MonitorError.

    As root it is refused: Kea's user may write where this program reads and writes.
    """
    if os.geteuid() == 0 and files.owner_of_directory(options.state) != 0:
        raise ConfigurationError("names is for Kea's user: systemctl start kea-ddns-names.service")
    sockets = {4: options.control_socket4, 6: options.control_socket6}
    memory = names_memory.read(options.state)
    if options.all:
        memory.start_over()
    names = Names(options.ddns_socket, [Server(*one) for one in sockets.items() if one[1]], memory, time.time)
    try:
        for line in names.run():
            output.show(f"sent again: {line}")
    finally:
        names_memory.write(options.state, memory)
    return 0
