# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Access of the commands to the configuration and the state."""

from __future__ import annotations

import argparse
import grp
import os
import pwd
from typing import Optional

from kea_lease_monitor import document, files
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


def open_store(location: StateLocation, config: Optional[str] = None) -> Store:
    """Open the state as its owner. Raises SchemaError, TemporaryError."""
    become_owner(location, config)
    return Store(location)


def become_owner(location: StateLocation, config: Optional[str] = None) -> None:
    """As root, become the monitor's user, for good. Raises TemporaryError.

    The monitor's user may write where this program writes, and root must not follow what that user puts there. A file
    that root creates beside the state would lock the monitor out, and a server on a unix socket identifies its roles by
    the user. That user owns the directory of the state, or has the name of the database's role, or has the group of the
    configuration file ``config``.
    """
    if os.geteuid() != 0:
        return
    user = _owner(location, config or DEFAULT_CONFIG)
    if user is None or user.pw_uid == 0:
        return
    try:
        os.initgroups(user.pw_name, user.pw_gid)
        os.setgid(user.pw_gid)
        os.setuid(user.pw_uid)
        # libpq refuses to connect if it may not look for a certificate below this directory.
        os.environ["HOME"] = user.pw_dir
    except OSError as error:
        raise TemporaryError(f"root cannot become the user {user.pw_name}: {error.strerror}") from error


def _owner(location: StateLocation, config: str) -> Optional[pwd.struct_passwd]:
    if location.database is None:
        number = files.owner_of_directory(location.path)
        try:
            return pwd.getpwuid(number)
        except KeyError as error:
            problem = f"the directory of the state {location} belongs to user {number}, who does not exist"
            raise TemporaryError(problem) from error
    if location.database.host.startswith("/"):
        try:
            return pwd.getpwnam(location.database.user)
        except KeyError:
            pass  # The role is no user of this host, so it authenticates in another way.
    return _user_of_group(config)


def _user_of_group(config: str) -> Optional[pwd.struct_passwd]:
    """Return the user whose own group the configuration file has; None without a file. Raises TemporaryError."""
    group = files.group_of(config)
    users = [user for user in pwd.getpwall() if user.pw_gid == group]
    own = [user for user in users if group is not None and grp.getgrgid(user.pw_gid).gr_name == user.pw_name] or users
    if group is not None and len(own) != 1:
        raise TemporaryError(f"{config} does not tell the monitor's user by its group: run this as that user")
    return own[0] if own else None
