# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kea's schema in PostgreSQL, made and upgraded by kea-admin and believed only when it was read back.

kea-admin cannot be trusted alone: before Kea 2.7.2 a failed upgrade ends with exit code 0 and goes to port 5432
whatever it was told, and an old kea-admin does nothing to a newer schema and exits 0 as well.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from typing import TYPE_CHECKING, Any, Dict, NamedTuple, Optional, Tuple

from .._errors import KeaError
from .._server import config as server_config
from .._host import systemd
from .._config.servers import SERVICES
from .._config.versions import (
    Capabilities,
    KeaVersionError,
    capabilities,
    is_older_schema,
)
from .._host.time_zone import difference

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule


CONFIG_DIRECTORY = "/etc/kea"


class KeaSchemaError(KeaError):
    """The schema is not what was asked for; says why and what to do next."""


class UnreachableError(KeaSchemaError):
    """There is no session to be had, for another reason than a wrong password."""


class OutdatedError(KeaSchemaError):
    """The schema is older than the installed Kea needs, and nobody asked for an upgrade."""


class Schema:
    """The schema of one database, seen through the programs that Kea and the database bring along.

    C(backend) is a C(_kea_schema_pgsql.Pgsql), or what looks like one.
    """

    def __init__(self, backend: Any) -> None:
        self.backend = backend
        self.connection = backend.connection

    def version(self) -> Optional[str]:
        """Major and minor, None in an empty database. Raises KeaSchemaError for a database that is not Kea's."""
        is_kea, relations = self._ask(self.backend.probe).split("|", 1)
        if is_kea in ("t", "1"):
            return self._kea_version()
        if relations:
            raise KeaSchemaError(
                f"the database {self._name} holds no schema of Kea, but {relations}; Kea needs one of its own"
            )
        return None

    def sessions(self) -> str:
        """Where the sessions of the same role come from; empty without any."""
        return self._ask(self.backend.other_sessions)

    def time_difference(self) -> Optional[str]:
        """Why Kea's times would be taken for others; None if they are not."""
        found: Optional[str] = difference([int(seconds) for seconds in self._ask(self.backend.moments).split("|")])
        return found

    def initialise(self) -> None:
        """Raises KeaSchemaError with kea-admin's words."""
        self._kea_admin("db-init")

    def upgrade(self) -> str:
        """What kea-admin said: the first error if there is one, because all others follow from it.

        Raises KeaSchemaError when it admits to a failure.
        """
        out, err = self._kea_admin("db-upgrade")
        return next((line for line in err.splitlines() if "ERROR" in line), out)

    def dump(self, path: str) -> None:
        """Writes the whole database, readable by nobody else, as a file that is there only when it is complete."""
        part = path + ".part"
        try:
            code, _out, err = self.backend.run(*self.backend.dump(part), umask=0o077)
            if code != 0:
                raise KeaSchemaError(f"the database could not be dumped, so it is not upgraded: {_one_line(err)}")
            os.rename(part, path)
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(part)

    def _ask(self, query: str) -> str:
        code, out, err = self.backend.run(*self.backend.ask(query))
        if code != 0:
            error = KeaSchemaError if self.backend.refused in err else UnreachableError
            raise error(f"cannot connect to the database {self._name}: {_one_line(err)}")
        return str(out).strip()

    @property
    def _name(self) -> str:
        return f"{self.connection.database} on {self.connection.host}"

    def _kea_version(self) -> str:
        out, _err = self._kea_admin("db-version")
        found = re.search(r"^(\d+\.\d+)$", out, re.MULTILINE)
        if not found:
            raise KeaSchemaError(f"kea-admin db-version says no version: {out.strip()}")
        return found.group(1)

    def _kea_admin(self, command: str) -> Tuple[str, str]:
        code, out, err = self.backend.run(*self.backend.admin(command))
        if code != 0:
            raise KeaSchemaError(f"kea-admin {command} failed: {(err.strip() or out.strip())}")
        return out, err


class Upgrade(NamedTuple):
    """What an upgrade is allowed to do."""

    allowed: bool
    dump_dir: Optional[str]
    while_serving: bool


def ensure(module: AnsibleModule, schema: Schema, upgrade: Upgrade) -> Dict[str, Any]:
    """Brings the schema to the one that the installed Kea insists on; the module's result. Raises KeaSchemaError."""
    kea = _installed_kea(module, schema.backend.client)
    if kea is None:
        return {"changed": True, "schema_version": None, "previous_version": None}
    wanted = str(schema.backend.wanted(kea))
    found = schema.version()
    result: Dict[str, Any] = {"changed": found != wanted, "schema_version": wanted, "previous_version": found}
    if found is not None and found != wanted:
        _refuse(found, wanted, kea, upgrade.allowed)
        if not upgrade.while_serving:
            _refuse_while_serving(module, schema)
    _check_time(schema)
    if found == wanted or module.check_mode:
        return result
    said = ""
    if found is None:
        schema.initialise()
    else:
        result["dump"] = (
            f"{upgrade.dump_dir}/kea-{schema.connection.database}-{found}-{time.strftime('%Y%m%dT%H%M%S')}.dump"
        )
        schema.dump(result["dump"])
        said = schema.upgrade()
    _believe(schema.version(), wanted, result, said)
    return result


def _installed_kea(module: AnsibleModule, client: str) -> Optional[Capabilities]:
    """The Kea that kea-admin belongs to; None in check mode when it, or what it runs, is not installed yet."""
    program = module.get_bin_path("kea-admin", required=not module.check_mode)
    if module.get_bin_path(client, required=not module.check_mode) is None or program is None:
        return None
    _code, out, _err = module.run_command([program, "-v"], check_rc=True)
    try:
        kea: Capabilities = capabilities(out)
    except KeaVersionError as error:
        raise KeaSchemaError(str(error)) from error
    return kea


def _refuse(found: str, wanted: str, kea: Capabilities, may_upgrade: bool) -> None:
    if not is_older_schema(found, wanted):
        raise KeaSchemaError(
            f"the schema is {found}, newer than the {wanted} of the installed Kea {kea.version}; Kea cannot go back: "
            "install the Kea that made it, or restore a dump"
        )
    if not may_upgrade:
        raise OutdatedError(
            f"the schema is {found}, but Kea {kea.version} needs {wanted}; "
            "stop Kea and run this again with state: upgraded"
        )


def _refuse_while_serving(module: AnsibleModule, schema: Schema) -> None:
    """A Kea that runs meanwhile finds tables that are not its own, and clients get no answers or wrong ones."""
    for top in SERVICES:
        unit = systemd.find(module, *SERVICES[top])
        if unit and unit.active and _may_use_database(top):
            raise KeaSchemaError(f"{unit.name} still serves clients; stop it before the upgrade. Nothing was changed")
    sessions = schema.sessions()
    if sessions:
        raise KeaSchemaError(
            f"the role {schema.connection.user} has other sessions with the database, from {sessions}, so a Kea "
            "may still serve clients there; stop it before the upgrade. Nothing was changed"
        )


def _may_use_database(top: str) -> bool:
    """A Kea that says that its leases are in a file, and names no other database, has nothing to do with any schema."""
    config = server_config.read(os.path.join(CONFIG_DIRECTORY, f"kea-{top.lower()}.conf"))
    leases = config["lease_database"] or {}
    return leases.get("type") != "memfile" or bool(config["hosts_databases"] or config["config_databases"])


def _check_time(schema: Schema) -> None:
    found = schema.time_difference()
    if found:
        raise KeaSchemaError(
            f"{found}, so leases would end too early or too late; give the two the same time zone, for example with "
            f"{schema.backend.set_zone}. Nothing was changed"
        )


def _believe(version: Optional[str], wanted: str, result: Dict[str, Any], said: str) -> None:
    if version == wanted:
        return
    dump = f"; the database as it was is in {result['dump']}" if "dump" in result else ""
    raise KeaSchemaError(f"kea-admin left the schema at {version} instead of {wanted}{dump}. It said: {said.strip()}")


def _one_line(text: str) -> str:
    return " ".join(text.replace("psql: error: ", "").split())
