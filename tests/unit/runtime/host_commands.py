# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Kea 3.0 of the tests, as the applier commands it."""

from __future__ import annotations

from typing import Any, Mapping

from _kea.control import Answer
from kea_lease_monitor.errors import TemporaryError
from support import host_commands

SITE = host_commands.SITE


class HostCommands(host_commands.HostCommands):
    """One whose refused connection is the monitor's error."""

    def ask(self, _path: str, command: str, arguments: Mapping[str, Any] | None = None) -> Answer:
        try:
            return self.answer(command, arguments)
        except OSError as error:
            raise TemporaryError(f"Kea's control socket: {error}") from error
