# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: starts and restarts a Kea server, never while its lease file is cleaned up, and waits until it serves."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Dict, Optional

from .._errors import KeaError
from .. import _info
from . import lfc_lock
from .._host import systemd
from .._config.file import SERVICES, top_of_path

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule


LIVES = 3
"""Starts of a server that ends each time, until nobody waits for it any more: its database may have been away."""


class KeaServiceError(KeaError):
    """The server does not serve; says why."""


class KeaService:
    """The server that reads one configuration file."""

    def __init__(self, module: AnsibleModule, path: str) -> None:
        self._module = module
        self._path = path
        self._top = top_of_path(path)

    def unit(self) -> Optional[systemd.Unit]:
        """The unit as systemd knows it, by whichever name."""
        return systemd.find(self._module, *SERVICES[self._top])

    def config(self) -> Dict[str, Any]:
        """What C(kea_info) finds in the configuration."""
        found: Dict[str, Any] = _info.config(self._path)
        return found

    def lease_file(self) -> Optional[str]:
        """None when the leases are in no file."""
        path: Optional[str] = lfc_lock.lease_file(self.config(), self._top)
        return path

    def run(self, verb: Optional[str], timeout: float) -> None:
        """systemctl C(start) or C(restart), and wait until the server serves; without a verb, only that. Raises
        KeaServiceError.

        The leases are loaded in that time, so nobody may clean them up before it is over.
        """
        unit = self.unit()
        if unit is None:
            raise KeaServiceError(f"systemd knows no unit {' or '.join(SERVICES[self._top])}")
        try:
            with lfc_lock.no_cleanup(self.lease_file()):
                if verb:
                    self._systemctl("daemon-reload")
                    # A server that refused its configuration time and again may not be started else. Of a unit that is
                    # neither enabled nor active systemd knows nothing by now, and there is nothing to reset.
                    self._module.run_command(["systemctl", "reset-failed", unit.name])
                    self._systemctl(verb, unit.name)
                # Whoever says reset-failed begins to count anew.
                self._see_it_serve(unit.name, timeout, 0 if verb else unit.restarts)
        except lfc_lock.LockError as error:
            raise KeaServiceError(str(error)) from error

    def _see_it_serve(self, name: str, timeout: float, before: int) -> None:
        """C(before) is how often systemd had started it again by then.

        It answers, and it has its leases: after a reload that failed, a server answers without any."""
        deadline = time.monotonic() + timeout
        while True:
            server = _info.server(self._module, self._path)
            problem = _info.lease_problem(self._path) if server["serving"] else f"{name} does not answer"
            if not problem:
                return
            unit = self.unit()
            if unit and (unit.failed or unit.restarts - before >= LIVES):
                raise KeaServiceError(f"{name} ends as soon as it is started")
            if time.monotonic() > deadline:
                raise KeaServiceError(f"{problem}, {timeout:.0f} s on")
            time.sleep(0.2)

    def enable(self) -> None:
        """Have it start with the host."""
        unit = self.unit()
        if unit:
            self._systemctl("enable", unit.name)

    def _systemctl(self, *words: str) -> None:
        code, _out, err = self._module.run_command(["systemctl", *words])
        if code:
            raise KeaServiceError(f"systemctl {' '.join(words)} failed: {err.strip()}")
