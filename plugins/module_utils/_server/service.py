# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: starts, restarts and reloads a Kea server while no LFC runs, and waits until it and its pair serve."""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Optional, Tuple

from .._config.packagings import UNITS, unit_of
from .._config.servers import has_leases, top_of_path
from .._errors import KeaError
from .._host import systemd
from .._kea import control
from . import channel, config, kea_account
from .lfc import no_lfc
from .pair import Pair
from .pair_steps import Step
from .pair_steps import before as next_before

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

LIVES = 3
"""Restarts by systemd that are waited for: at the first ones, the database of the server may still be away."""


RELOAD = "reload"


class KeaService:
    """The server that reads one configuration file."""

    def __init__(self, module: AnsibleModule, path: str) -> None:
        self._module = module
        self._path = path
        self._top = top_of_path(path)

    def unit(self) -> Optional[systemd.Unit]:
        """Return the unit as systemd knows it, None if there is none."""
        return unit_of(self._module, self._top)

    def config(self) -> Dict[str, Any]:
        """Return the parts of the configuration, see ``config.read``."""
        return config.read(self._path)

    def lease_file(self) -> Optional[str]:
        """Return the path of the lease file; None if the leases are in no file, or if the server has none."""
        return config.lease_file_of(self._path) if has_leases(self._top) else None

    @contextlib.contextmanager
    def without_lfc(self) -> Iterator[None]:
        """Hold the lock of the lease file, see ``no_lfc``. Raises KeaError.

        Kea's user may write the configuration, and so name any file as lease file. Where that user may not write, Kea
        has no leases, and root locks and removes nothing.
        """
        path = self.lease_file()
        if path and not kea_account.account(self._module, self._path).may_write(os.path.dirname(path)):
            path = None
        with no_lfc(path):
            yield

    def hand_over(self, act: bool) -> Tuple[bool, List[str]]:
        """Have the partner of a pair serve all clients, so that something else may restart the server.

        Waits before that for an LFC run, during which the server could not load its leases. Return whether the partner
        takes over now, and sentences for a person. Without ``act`` only look. Raises KeaError if it does not take over.
        """
        unit = self.unit()
        pair = (
            Pair(self._path, kea_account.of(self._module, self._path))
            if has_leases(self._top) and unit and unit.active
            else None
        )
        before = pair.look() if pair else None
        if pair is None or before is None:
            return False, []
        if not act:
            return next_before(before, lasting=True)[0] is Step.HAND_OVER, []
        with self.without_lfc():
            said, after = pair.hand_over(lasting=True), pair.look()
            return after is not None and after.there != before.there, said

    def run(self, verb: Optional[str], timeout: float) -> List[str]:
        """Start, restart or reload the server (``verb``), and wait until it serves; with None, only wait.

        No LFC runs during this: the server loads its leases. ``timeout`` is in seconds, from the start of the server.
        On a pair the partner serves all clients meanwhile; see ``pair``. Return sentences for a person about the pair.
        Raises KeaError.
        """
        unit = self.unit()
        if unit is None:
            raise KeaError(f"systemd knows no unit {' or '.join(UNITS[self._top])}")
        pair = Pair(self._path, kea_account.of(self._module, self._path)) if has_leases(self._top) else None
        said: List[str] = []
        if pair and verb and unit.active:
            # The partner does not serve all while an LFC run is waited for. Kea may start another one meanwhile.
            with self.without_lfc():
                pass
            said = pair.hand_over()
        with self.without_lfc():
            if verb == RELOAD:
                self._reload(timeout)
            elif verb:
                self._systemctl("daemon-reload")
                # After repeated failures systemd refuses to start the unit without reset-failed. That call fails for a
                # unit that is not loaded, which does no harm.
                self._module.run_command(["systemctl", "reset-failed", unit.name])
                self._systemctl(verb, unit.name)
            # reset-failed also resets the count of restarts.
            self._wait_until_it_serves(unit.name, timeout, unit.restarts if verb in (None, RELOAD) else 0)
        return said + (pair.settle(wait=verb is not None) if pair else [])

    def _reload(self, timeout: float) -> None:
        sockets = control.unix_sockets(self.config()["control_sockets"])
        if not sockets:
            raise KeaError(f"Kea has no unix control socket for a reload: set control-socket in {self._path}")
        try:
            answer = control.send(sockets[0], "config-reload", timeout)
        except control.ControlError as error:
            raise KeaError(f"{error}: look whether it serves") from error
        if answer.result != control.SUCCESS:
            raise KeaError(f"Kea refused to reload ({answer.text}): it may serve no client until a restart")

    def _wait_until_it_serves(self, name: str, timeout: float, restarts: int) -> None:
        """``restarts`` is how often systemd had restarted the server before this wait.

        An answer alone is not enough: after a failed reload, a server answers without any leases.
        """
        deadline = time.monotonic() + timeout
        while True:
            unit, sockets = self.unit(), self.config()["control_sockets"]
            serving = channel.is_serving(unit, sockets)
            problem = self._lease_problem(sockets) if serving else f"{name} does not answer"
            if not problem:
                return
            if unit and (unit.failed or unit.restarts - restarts >= LIVES):
                raise KeaError(f"{name} ends as soon as it is started")
            if time.monotonic() > deadline:
                raise KeaError(f"{problem} after {timeout:.0f} s")
            time.sleep(0.2)

    def _lease_problem(self, sockets: Any) -> str:
        return channel.lease_problem(sockets) if has_leases(self._top) else ""

    def enable(self) -> None:
        """Make the server start with the host. Raises KeaError."""
        unit = self.unit()
        if unit:
            self._systemctl("enable", unit.name)

    def _systemctl(self, *words: str) -> None:
        code, _out, err = self._module.run_command(["systemctl", *words])
        if code:
            raise KeaError(f"systemctl {' '.join(words)} failed: {err.strip()}")
