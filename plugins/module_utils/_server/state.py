# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: the server that reads a configuration file: its version, its unit, and whether it serves with this file."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Dict

from .._config.database import find_library
from .._config.packagings import unit_of
from .._config.servers import installed_version, top_of_path
from .._config.tls import VARIABLES, asked_mode
from .._config.versions import KeaVersionError, capabilities
from .._kea import pairs
from . import channel, config

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

RESERVATION_HOOK = "libdhcp_host_cmds.so"
APPARMOR = "/sys/kernel/security/apparmor"


def server(module: AnsibleModule, path: str, hook_directory: str = "") -> Dict[str, Any]:
    """Return what ``kea_info`` reports about the server. What is missing is None, so this works before installation.

    ``hook_directory`` is the pattern of the directory of hooks that a person names.
    """
    top = top_of_path(path)
    unit = unit_of(module, top)
    settings = config.read(path)
    found: Dict[str, Any] = {"version": installed_version(module, top), "capabilities": None}
    found["unit"] = unit.shown() if unit else None
    if found["version"]:
        try:
            found["capabilities"] = capabilities(found["version"])._asdict()
        except KeaVersionError as error:
            module.warn(str(error))
    found["serving"] = channel.is_serving(unit, settings["control_sockets"])
    found["listening"] = channel.listening(settings["control_sockets"])
    found["pair_state"] = channel.pair_state(settings["control_sockets"])
    files = [path, *config.included(path)]
    found["outdated"] = bool(unit and unit.outdated(files))
    found["changed_files"] = unit.newer(files) if unit and unit.active else []
    environment = unit.environment() if unit and unit.active else {}
    found["tls_environment"] = {name: value for name, value in environment.items() if name in VARIABLES.values()}
    keys = bool(found["capabilities"] and found["capabilities"]["postgresql_tls_keys"])
    entries = [settings["lease_database"], *(settings["hosts_databases"] or []), *(settings["config_databases"] or [])]
    found["ssl_mode"] = asked_mode(environment, entries, keys) if unit and unit.active else None
    hook = find_library(pairs.HOOK, hook_directory)
    found["hooks"] = os.path.dirname(hook) if hook else None
    by_command = bool(found["capabilities"] and found["capabilities"]["reservation_commands"])
    found["reservation_hook"] = find_library(RESERVATION_HOOK, hook_directory) if by_command else None
    found["admin"] = module.get_bin_path("kea-admin")
    found["confined"] = os.path.isdir(APPARMOR)
    return found
