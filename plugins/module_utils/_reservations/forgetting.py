# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: has the lease monitor forget a client, by its own command: it knows what it made, and who has a lease."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, List, Optional, Tuple

from .._errors import KeaError
from .._host.release import COMMAND

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

NOTHING = "nothing is kept for"
"""What the command prints for a client of which the monitor made nothing."""

TIMEOUT = 15.0
"""Seconds that the running monitor has to act; it looks for requests every 5 s."""


class Forgetting:
    """The command ``kea-lease-monitor forget`` for one client."""

    def __init__(self, module: AnsibleModule, target: str) -> None:
        """``target`` is an identifier as Kea writes it."""
        self._module = module
        self._target = target
        self._command: Optional[str] = module.get_bin_path(COMMAND)

    def kept(self) -> List[str]:
        """Return a line for each thing that the monitor made; none without a monitor.

        Raises KeaError if the client has a lease: it would come back at its next renewal.
        """
        if self._command is None:
            return []
        code, out, err = self._run("--dry-run")
        if code == 1 and not out.strip():
            raise KeaError(
                f"{'; '.join(err.strip().splitlines())}. Nothing was changed. Take the machine off the network and "
                "wait for its lease to end, or set lease: true"
            )
        if code:
            raise KeaError(f"{self._command} forget failed: {(err or out).strip()}. Nothing was changed")
        return [] if out.startswith(NOTHING) else out.strip().splitlines()[:-1]

    def request(self) -> bool:
        """Request that the monitor removes what it made. Return whether it has done so in time. Raises KeaError."""
        code, out, err = self._run()
        if code:
            raise KeaError(f"{self._command} forget failed: {(err or out).strip()}")
        deadline = time.monotonic() + TIMEOUT
        while self.kept():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.5)
        return True

    def _run(self, *flags: str) -> Tuple[int, str, str]:
        found: Tuple[int, str, str] = self._module.run_command([self._command, "forget", self._target, *flags])
        return found
