# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One Kea server: its control channel, and the check of the configuration that a reload would read."""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import dataclass

from _kea import control, includes, pairs, program

from kea_lfc_cleanup.errors import LfcError

_TIMEOUT = 600.0
"""Seconds that Kea may take to answer: it loads all leases in a reload."""


@dataclass(frozen=True)
class Kea:
    """A Kea server on this host, and the programs that belong to it."""

    family: int
    """4 is DHCPv4, 6 is DHCPv6."""
    program: str
    """Path of kea-dhcp4 or kea-dhcp6."""
    config: str
    """Path of its configuration."""
    control_socket: str
    lfc: str
    """Path of kea-lfc."""

    def send(self, command: str) -> control.Answer:
        """Send a command over the control channel, and return the answer. Raises LfcError if there is none."""
        try:
            return control.send(self.control_socket, command, _TIMEOUT)
        except control.ControlError as error:
            raise LfcError(f"{error}: look whether it runs, and start it") from error

    def check(self) -> None:
        """Check that Kea may be reloaded, which has it read the configuration on the disk. Changes nothing.

        Raises LfcError if Kea, run as this user, refuses that configuration, if the server is half of a pair or reports
        an error, or if the configuration or a file that it includes was changed after the server read it: bringing that
        into force is the decision of the person who changed it.
        """
        self._check_config()
        status = self.send("status-get")
        if status.result != control.SUCCESS or "reload" not in status.arguments:
            raise LfcError("Kea answers status-get with an error: look into its journal, nothing was done")
        if pairs.is_half(status.arguments):
            raise LfcError(
                "Kea is half of a pair, where a reload stops DHCP: deploy again, so that another strategy is chosen "
                "and Kea is restarted while its partner serves; nothing was done"
            )
        # Kea 2.2 counts whole seconds, so that it may have read the file up to a second later.
        read = time.time() - float(status.arguments["reload"]) + 1
        for path in includes.closure(self.config):
            if os.stat(path).st_mtime > read:
                raise LfcError(
                    f"{path} was changed after Kea read it, and a reload would bring that into force: reload Kea "
                    "yourself or revert the change, nothing was done"
                )

    def _check_config(self) -> None:
        try:
            result = program.check(self.program, self.config, _TIMEOUT)
        except subprocess.TimeoutExpired as error:
            command = " ".join(program.check_command(self.program, self.config))
            raise LfcError(f"{command} did not end within {_TIMEOUT:.0f} s: look why, nothing was done") from error
        if result.code:
            raise LfcError(f"Kea would refuse to reload ({result.last_line}): mend {self.config}, nothing was done")
