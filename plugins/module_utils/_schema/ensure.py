# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: brings Kea's schema to the version that the installed Kea requires, and verifies that afterwards.

kea-admin's result cannot be trusted. Before Kea 2.7.2 a failed upgrade ends with exit code 0, and uses port 5432
instead of the given one. An old kea-admin does nothing to a newer schema and ends with exit code 0, too.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any, Dict, NamedTuple, Optional

from .._config.packagings import UNITS, unit_of
from .._config.servers import has_leases
from .._config.versions import Capabilities, capabilities, is_older_schema
from .._errors import KeaError
from .._server import config as server_config
from .schema import Schema

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule


CONFIG_DIRECTORY = "/etc/kea"


class Upgrade(NamedTuple):
    """What an upgrade is allowed to do."""

    allowed: bool
    dump_dir: Optional[str]
    while_serving: bool


def ensure(module: AnsibleModule, schema: Schema, upgrade: Upgrade) -> Dict[str, Any]:
    """Create or upgrade the schema, and return the module's result. Raises KeaError."""
    kea = _installed_kea(module, schema.backend.dialect.client)
    if kea is None:
        return {"changed": True, "schema_version": None, "previous_version": None}
    wanted = schema.backend.wanted(kea)
    found = schema.version()
    result: Dict[str, Any] = {"changed": found != wanted, "schema_version": wanted, "previous_version": found}
    if found is not None and found != wanted:
        _refuse(found, wanted, kea, upgrade.allowed)
        if not upgrade.while_serving:
            _refuse_while_serving(module, schema)
    _check_time(schema)
    if found == wanted or module.check_mode:
        return result
    output = ""
    if found is None:
        module.log(f"kea-admin creates the schema {wanted} in {schema.connection.database}")
        schema.initialise()
    else:
        result["dump"] = (
            f"{upgrade.dump_dir}/kea-{schema.connection.database}-{found}-{time.strftime('%Y%m%dT%H%M%S')}.dump"
        )
        module.log(f"step 1 of 2: dumping {schema.connection.database} to {result['dump']}")
        schema.dump(result["dump"])
        module.log(f"step 2 of 2: kea-admin upgrades the schema from {found} to {wanted}")
        output = schema.upgrade()
    _verify(schema.version(), wanted, result, output)
    return result


def _installed_kea(module: AnsibleModule, client: str) -> Optional[Capabilities]:
    """Return the Kea that kea-admin belongs to; None in check mode if kea-admin or its client is not installed yet."""
    program = module.get_bin_path("kea-admin", required=not module.check_mode)
    if module.get_bin_path(client, required=not module.check_mode) is None or program is None:
        return None
    _code, out, _err = module.run_command([program, "-v"], check_rc=True)
    return capabilities(out)


def _refuse(found: str, wanted: str, kea: Capabilities, may_upgrade: bool) -> None:
    if not is_older_schema(found, wanted):
        raise KeaError(
            f"the schema is {found}, newer than the {wanted} of the installed Kea {kea.version}; Kea cannot go back: "
            "install the Kea that made it, or restore a dump"
        )
    if not may_upgrade:
        raise KeaError(
            f"the schema is {found}, but Kea {kea.version} needs {wanted}; "
            "stop Kea and run this again with state: upgraded",
            outdated=True,
        )


def _refuse_while_serving(module: AnsibleModule, schema: Schema) -> None:
    """Raise KeaError while a Kea may use the database: it would find unknown tables and answer clients wrongly."""
    for top in filter(has_leases, UNITS):
        unit = unit_of(module, top)
        if unit and unit.active and _may_use_database(top):
            raise KeaError(f"{unit.name} still serves clients; stop it before the upgrade. Nothing was changed")
    sessions = schema.sessions()
    if sessions:
        raise KeaError(
            f"the role {schema.connection.user} has other sessions with the database, from {sessions}, so a Kea "
            "may still serve clients there; stop it before the upgrade. Nothing was changed"
        )


def _may_use_database(top: str) -> bool:
    """Return False for a server whose configuration keeps leases in a file and names no other database."""
    config = server_config.read(os.path.join(CONFIG_DIRECTORY, f"kea-{top.lower()}.conf"))
    leases = config["lease_database"] or {}
    return leases.get("type") != "memfile" or bool(config["hosts_databases"] or config["config_databases"])


def _check_time(schema: Schema) -> None:
    found = schema.time_difference()
    if found:
        raise KeaError(
            f"{found}, so leases would end too early or too late; give the two the same time zone, for example with "
            f"{schema.backend.dialect.set_zone}. Nothing was changed"
        )


def _verify(version: Optional[str], wanted: str, result: Dict[str, Any], output: str) -> None:
    if version == wanted:
        return
    dump = f"; the database before the upgrade is in {result['dump']}" if "dump" in result else ""
    raise KeaError(f"kea-admin left the schema at {version} instead of {wanted}{dump}. Its output: {output.strip()}")
