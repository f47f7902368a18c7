# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: Kea's systemd unit during a move: stops, starts and awaits it, and guards that it does not stay stopped."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from typing import TYPE_CHECKING, Dict, Iterator

from .._config.packagings import unit_of
from .._config.servers import top_of_path
from .._errors import KeaError
from .._host import systemd
from .._kea import locks
from .._server import channel, kea_account
from .._server import config as server_config
from .journal import Journal

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

GUARD = "baremetal-kea-guard"
LOOK_EVERY = 0.05
"""Seconds between two looks whether the server serves."""
_MASKED = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)


class KeaUnit:
    """The unit of the server that reads one configuration file."""

    def __init__(self, module: AnsibleModule, path: str) -> None:
        """Find the unit. Raises KeaError if there is none."""
        unit = unit_of(module, top_of_path(path))
        if unit is None:
            raise KeaError(f"systemd knows no unit for {path}")
        self._module = module
        self._path = path
        self.name: str = unit.name
        # The unit file may be written for the new configuration; the running server has the previous environment.
        self._running: Dict[str, str] = unit.environment() if unit.active else {}

    def libpq(self, path: str) -> Dict[str, str]:
        """Return the libpq variables that Kea has, or will have, with the configuration at ``path``."""
        if path == self._path and self._running:
            return kea_account.libpq(self._running)
        if not self._module.check_mode:
            self._systemctl("daemon-reload")
        return kea_account.libpq(systemd.environment(self._module, self.name))

    def stop(self) -> None:
        """Stop the server. Raises KeaError."""
        self._systemctl("stop", self.name)

    def start(self) -> None:
        """Start the server, also after systemd gave up on it. Raises KeaError."""
        self._systemctl("daemon-reload")
        self._module.run_command(["systemctl", "reset-failed", self.name])
        self._systemctl("start", self.name)

    def wait_until_serving(self) -> None:
        """Wait until the server answers. Raises KeaError if it ended, or after ``timeout`` seconds."""
        timeout = self._module.params["timeout"]
        deadline = time.monotonic() + timeout
        while True:
            unit = systemd.find(self._module, self.name)
            if channel.is_serving(unit, server_config.read(self._path)["control_sockets"]):
                return
            if not (unit and unit.active):
                raise KeaError(f"{self.name} ended")
            if time.monotonic() > deadline:
                raise KeaError(f"{self.name} gave no answer for {timeout} s")
            time.sleep(LOOK_EVERY)

    def log(self) -> str:
        """Return the last lines of the server's log."""
        command = ["journalctl", "--unit", self.name, "--lines=15", "--no-pager", "--output=cat"]
        _code, out, _err = self._module.run_command(command)
        return str(out).strip()

    @contextlib.contextmanager
    def guarded(self, journal: Journal) -> Iterator[None]:
        """Hold the lock of the moves, and ignore the signals of a lost connection. Raises KeaError for a second move.

        A guard process waits for the lock, which the kernel releases however this process ends, and then starts Kea. So
        Kea does not stay stopped.
        """
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(journal.lock())
            except locks.LockedError as error:
                raise KeaError(f"another move is running: {error}") from error
            flock = self._module.get_bin_path("flock", required=True)
            command = ["systemd-run", "--quiet", "--collect", f"--unit={GUARD}-{os.getpid()}", "--no-block"]
            command += [flock, "--close", journal.lock_path, "systemctl", "start", self.name]
            self._module.run_command(command, check_rc=True)
            before = [signal.signal(number, signal.SIG_IGN) for number in _MASKED]
            try:
                yield
            finally:
                for number, handler in zip(_MASKED, before):
                    signal.signal(number, handler)

    def _systemctl(self, *words: str) -> None:
        code, _out, err = self._module.run_command(["systemctl", *words])
        if code:
            raise KeaError(f"systemctl {' '.join(words)} failed: {err.strip()}")
