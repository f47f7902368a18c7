# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: one reservation in Kea's configuration and in the running Kea, if that takes commands: in both or none."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Optional

from .._config.document import Document
from .._config.file import alone, update_alone
from .._config.identity import client
from .._config.servers import family_of, top_of_path
from .._config.subnets import subnets_of
from .._errors import KeaError
from .._host import state_text
from .._kea import durable, host_maps, tree
from .._server import config, served, subnets
from .._server.databases import Databases
from .._server.giving_way import Former
from .._server.merging import Merging
from .._server.reservation_commands import Host, UnavailableError, argument, channel
from .given import Given
from .in_kea import InKea, agrees, shown

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

Result = Dict[str, Any]


class InFile:
    """The reservation of one client in the configuration that the module's options name."""

    def __init__(self, module: AnsibleModule, given: Given, sockets: Any) -> None:
        """``sockets`` are the control sockets of the configuration."""
        self._module, self._given, self._sockets = module, given, sockets
        self._path: str = module.params["path"]
        self._top = top_of_path(self._path)

    def merge(self, host: Mapping[str, Any]) -> Result:
        """Merge the reservation into the configuration, and bring it into the running Kea. Raises KeaError.

        The record of the play is not touched: it is a person's. The lock of the file is held until Kea has answered.
        """
        module = self._module
        values = {f"subnet{family_of(self._top)}": [{"id": self._given.subnet, "reservations": [dict(host)]}]}
        params = {
            "merge": values,
            "exclusive": False,
            "allow_removals": True,
            "moved_reservations": [],
            "complete_reservations": False,
            "known_ids": [],
        }
        params["record"] = None
        with alone(module):
            included = config.included(self._path)
            former = [] if module.check_mode else _formers([self._path, *included])
            merging = Merging(params, self._top, not module.check_mode, Databases(module, self._path))
            try:
                _before, after, result = update_alone(module, merging.edit, self._top, included)
                result["gave_way"] = merging.gave_way
            except KeaError:
                merging.revert()
                raise
            try:
                self._bring(merging, after, result)
            except KeaError as error:
                refused = _restored(error, former, result.get("backup_file"))
                merging.revert()
                raise refused from error
            merging.settle()
        return {**result, "kept_in": "configuration"}

    def _bring(self, merging: Merging, after: Document, result: Result) -> None:
        """Bring the reservation into the running Kea, and complete the result. Raises KeaError."""
        wanted = self._wanted(after)
        result["in_force"] = True
        try:
            running = self._running(wanted)
            if running.is_right:
                return
            if not self._module.check_mode:
                # The applier changes reservations in Kea, too.
                merging.hold(after, self._given.subnet)
                running = self._running(wanted)
                running.run(merging.lost)
        except UnavailableError as error:
            result["in_force"] = not result["changed"] and self._is_loaded(wanted)
            if not result["in_force"]:
                result["msg"] = self._words(str(error))
            return
        self._note(running, wanted, result)

    def _running(self, wanted: Optional[Host]) -> InKea:
        """Return the reservation in the running Kea. Raises UnavailableError."""
        if wanted is None:
            self._refuse_others()
        return InKea(channel(self._sockets, self._given.subnet), self._given, argument(wanted))

    def _note(self, running: InKea, wanted: Optional[Host], result: Result) -> None:
        """Write what changed in Kea into the result; what changed in the files, too, is there already."""
        if self._module._diff and not result["changed"]:
            names = {"before_header": "the running Kea", "after_header": "the running Kea"}
            result["diff"] = {**names, **state_text.diff(shown(running.former), shown(wanted))}
        result["changed"] = True
        if not result["gave_way"]:
            addresses = [", ".join(host_maps.addresses_of(one)) for one in running.gave_way]
            result["gave_way"] = [f"{one} in subnet {self._given.subnet}" for one in addresses]

    def _wanted(self, after: Document) -> Optional[Host]:
        """Return the reservation of the new configuration, with what a person wrote into it; None if it has none."""
        listed = [one for one in subnets_of(after, self._top) if one.id == self._given.subnet]
        return self._of_client([host for one in listed for host in one.reservations])

    def _of_client(self, hosts: List[Host]) -> Optional[Host]:
        return next((one for one in hosts if client(one) == (self._given.kind, self._given.identifier)), None)

    def _refuse_others(self) -> None:
        """Raise UnavailableError if the configuration has a reservation of the client that was not edited."""
        listed = subnets.reservations_in(self._path, self._given.subnet)
        if self._is_present or (not self._module.check_mode and self._of_client(listed)):
            raise UnavailableError(f"{self._path} includes its reservation from a file that this module does not edit")

    def _is_loaded(self, wanted: Optional[Host]) -> bool:
        """Return whether a Kea that takes no commands for it has loaded the configuration with the reservation."""
        for one in served.served(self._sockets, self._top) or []:
            if one.id == self._given.subnet:
                return agrees(self._of_client(one.value.get("reservations", [])), wanted)
        return False

    @property
    def _is_present(self) -> bool:
        return bool(self._module.params["state"] == "present")

    def _words(self, reason: str) -> str:
        return (
            f"what {self._path} says of {self._given.text} is not in force: {reason}. Restart Kea, or have it reload "
            "its configuration"
        )


def _formers(paths: List[str]) -> List[Former]:
    """Return the files as they are; one that cannot be read is not edited either."""
    found = [_former(path) for path in paths]
    return [one for one in found if one]


def _former(path: str) -> Optional[Former]:
    try:
        with tree.at(path) as spot:
            status = spot.stat()
            if status is None:
                return None
            owner = status.st_uid, status.st_gid
            return Former(spot.path, spot.read(), stat.S_IMODE(status.st_mode), owner)
    except OSError:
        return None


def _restored(error: KeaError, former: List[Former], backup: Optional[str]) -> KeaError:
    """Write the files as they were before Kea's refusal, and return the error to raise."""
    try:
        for one in former:
            if tree.read(one.path) != one.content:
                one.restore()
        if backup:
            durable.remove(backup)
    except (KeaError, OSError) as failure:
        return KeaError(f"{error.message}. Then the previous configuration could not be restored: {failure}")
    return error
