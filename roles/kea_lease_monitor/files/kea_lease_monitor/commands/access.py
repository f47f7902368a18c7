# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Access of the commands to the configuration and the state."""

from __future__ import annotations

import argparse
import os
import pwd

from kea_lease_monitor import document
from kea_lease_monitor.errors import TemporaryError
from kea_lease_monitor.settings import MonitorSettings
from kea_lease_monitor.state.location import StateLocation
from kea_lease_monitor.state.store import Store

DEFAULT_CONFIG = "/etc/kea-lease-monitor/config.yml"


def add_config(parser: argparse.ArgumentParser) -> None:
    """Add the flag that names the configuration file."""
    parser.add_argument("--config", help=f"configuration file (default: {DEFAULT_CONFIG})")


def read_settings(options: argparse.Namespace) -> MonitorSettings:
    """Read the configuration file. Raises ConfigurationError."""
    return MonitorSettings.parse(document.read(options.config or DEFAULT_CONFIG))


def open_store(location: StateLocation) -> Store:
    """Open the state as its owner. Raises SchemaError, TemporaryError."""
    become_owner(location)
    return Store(location)


def become_owner(location: StateLocation) -> None:
    """As root, switch to the monitor's user. Raises TemporaryError.

    A file that root creates beside the state would lock the monitor out, and a server on a unix socket identifies its
    roles by the user.
    """
    if os.geteuid() != 0:
        return
    try:
        if location.database is None:
            status = os.stat(location.path if os.path.exists(location.path) else os.path.dirname(location.path) or ".")
            _become(status.st_uid, status.st_gid)
        elif location.database.host.startswith("/"):
            user = pwd.getpwnam(location.database.user)
            _become(user.pw_uid, user.pw_gid)
    except KeyError:
        return  # The role is no user of this host, so it authenticates in another way.
    except OSError as error:
        raise TemporaryError(f"the state {location}: {error.strerror}") from error


def _become(user: int, group: int) -> None:
    os.setegid(group)
    os.seteuid(user)
