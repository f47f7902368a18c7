# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: one reservation of a site, in the mode that the host is in: in Kea's hosts database or its configuration."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Dict, List

from .._config.servers import family_of, top_of_path
from .._errors import KeaError
from .._kea import identifiers
from .._postgres.session import connect_as_root
from .._server import config, lease_commands, served
from .._server.subnets import subnets
from . import host_plan
from .forgetting import Forgetting
from .given import FieldError, Given, parse
from .host_change import Target, ensure
from .in_file import InFile

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

KEYS = ("hw_address", "client_id", "duid", "ip_address", "hostname", "subnet_id")
"""Options of the module, which are Kea's keys with underscores."""


class Reservation:
    """The reservation that the module's options describe."""

    def __init__(self, module: AnsibleModule) -> None:
        """Read the configuration, and find the subnet. Raises KeaError."""
        self._module = module
        self._path: str = module.params["path"]
        self._top = top_of_path(self._path)
        self._found = config.read(self._path)
        if self._found["error"]:
            raise KeaError(f"{self._path} cannot be read: {self._found['error']}; nothing was changed")
        self.given = self._parsed()

    @property
    def in_database(self) -> bool:
        """Whether Kea reads reservations from PostgreSQL."""
        return any(one.get("type") == "postgresql" for one in self._found["hosts_databases"] or [])

    def present(self) -> Dict[str, Any]:
        """Have the reservation. Raises KeaError, with nothing changed."""
        if self.in_database:
            return self._in_database(functools.partial(host_plan.present, [self.given]))
        if not self.given.address:
            raise KeaError(
                "ip-address: missing: a name alone in Kea's configuration would keep the lease monitor from reserving "
                "the leased address. Nothing was changed. Name the address, or list the client in kea_reservations"
            )
        return self._file().merge(self.given.host_map())

    def absent(self) -> Dict[str, Any]:
        """Remove the reservation, what the monitor made, and if asked the lease. Raises KeaError."""
        removed = self._without_lease() if self._module.params["lease"] else []
        monitor = Forgetting(self._module, identifiers.spell(self.given.identifier))
        # In check mode a lease that is to be removed is still there.
        kept = [] if removed and self._module.check_mode else monitor.kept()
        if self.in_database:
            result = self._in_database(functools.partial(host_plan.absent, self.given))
        else:
            host = {self.given.kind: identifiers.spell(self.given.identifier), "state": "absent"}
            result = self._file().merge(host)
        if kept and not self._module.check_mode and not monitor.request():
            self._module.warn("the lease monitor has not acted on the request yet; it does once it runs")
        return {**result, "changed": bool(result["changed"] or kept or removed), "forgotten": kept, "leases": removed}

    def _parsed(self) -> Given:
        params = self._module.params
        named = {key.replace("_", "-"): params[key] for key in KEYS if params[key] is not None}
        try:
            given = parse(named, subnets(self._path, served.Once(self._path)), complete=params["state"] == "present")
        except FieldError as error:
            raise KeaError(f"{error}. Nothing was changed") from error
        if given.address and given.family != family_of(self._top):
            raise KeaError(f"ip-address: {given.address} is not for {self._path}; name the other configuration in path")
        return given

    def _without_lease(self) -> List[str]:
        sockets, family = self._found["control_sockets"], family_of(self._top)
        identifier = identifiers.spell(self.given.identifier)
        leased = lease_commands.present(sockets, family, self.given.kind, identifier, self.given.subnet)
        for address in leased if not self._module.check_mode else ():
            lease_commands.remove(sockets, family, address)
        return leased

    def _in_database(self, make: Any) -> Dict[str, Any]:
        module = self._module
        with connect_as_root(module.params, readonly=module.check_mode) as session:
            result = ensure(session, Target(module.params["schema"], [self.given], self.given.family), make)
        return {**result, "kept_in": "database", "in_force": True}

    def _file(self) -> InFile:
        return InFile(self._module, self.given, self._found["control_sockets"])
