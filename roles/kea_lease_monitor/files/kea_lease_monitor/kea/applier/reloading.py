# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A reload of Kea by the applier: never during an LFC run, and never with a configuration that was not tested."""

from __future__ import annotations

from typing import Callable, Mapping

from _kea import lfc
from _kea.control import SUCCESS, Answer
from _kea.lease_file import LeaseFile, Lock

from kea_lease_monitor.errors import TemporaryError
from kea_lease_monitor.kea.applier import edits, lines

_LFC = 600.0
"""Seconds that an LFC run may take before this program gives up. The service manager then tries again."""

_ATTEMPTS = 60
"""Reloads that are tried while an LFC run makes Kea refuse them, one each second."""


class Reload:
    """Has one server of Kea read its configuration again. All methods raise TemporaryError."""

    def __init__(self, lease_file: str, ask: Callable[[str], Answer], sleep: Callable[[float], None]) -> None:
        """``ask`` sends a command to Kea, and returns the answer."""
        self._lease_file, self._ask, self._sleep = lease_file, ask, sleep

    def after_lfc(self, tested: Mapping[str, edits.File]) -> None:
        """Reload under the lock, so that no LFC run begins before the reload is over.

        Raises TemporaryError, also if Kea's configuration differs from the one that was tested.
        """
        waited = 0.0
        while True:
            with Lock(self._lease_file) as lock:
                free = lock.take()
                reason = self._load_refused() if free else "another process runs an LFC, or restarts Kea"
                if not reason:
                    if changed := edits.changed(tested):
                        raise TemporaryError(f"{changed} was changed during the test: Kea is not reloaded with that")
                    return self.now()
            if waited >= _LFC:
                raise TemporaryError(f"the LFC run does not finish: {reason}")
            if not waited:
                lines.apply_waits(reason, _LFC)
            self._sleep(0.5)
            waited += 0.5

    def _load_refused(self) -> str:
        """Return why Kea cannot load its leases now, empty if it can. A failed load takes DHCP down (kea-facts 3.4)."""
        unfinished = LeaseFile(self._lease_file).unfinished()
        if unfinished:
            return f"{unfinished[0]} exists"
        found = lfc.find(self._lease_file)
        return found.text if found.refuses_load else ""

    def now(self) -> None:
        """Reload, again and again if an LFC run prevents it: until a reload succeeds, Kea then has no leases."""
        lines.applying("reload")
        for _attempt in range(_ATTEMPTS):
            answer = self._ask("config-reload")
            if answer.result == SUCCESS:
                return
            reason = self._load_refused()
            if not reason and "cleanup" not in answer.text:
                break
            lines.apply_waits(reason or answer.text, 1.0)
            self._sleep(1.0)
        raise TemporaryError(f"Kea refused to reload: {answer.text or f'result {answer.result}'}")
