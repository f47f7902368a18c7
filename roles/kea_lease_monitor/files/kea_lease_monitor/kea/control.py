# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Have a running Kea load new reservations: after a test, and never during an LFC run (kea-facts 3.4).

Kea's configuration includes the copies in ``applied/``. Only this program writes them, and only after Kea accepted
them. So Kea starts with reservations that it can read at any moment, also after a crash or a power failure.
"""

from __future__ import annotations

import glob
import os
import shutil
from dataclasses import dataclass
from typing import Callable, Dict

from _kea import lfc, program
from _kea.control import SUCCESS, Answer, ControlError, send
from _kea.lease_file import LeaseFile, Lock

from kea_lease_monitor import files, telemetry
from kea_lease_monitor.errors import TemporaryError

_ANSWER = 120.0
"""Seconds that Kea may take to load a large configuration and all leases."""

_LFC = 600.0
"""Seconds that an LFC run may take before this program gives up. The service manager then tries again."""

_ATTEMPTS = 60
"""Reloads that are tried while an LFC run makes Kea refuse them, one each second."""

APPLIED = "applied"
"""Directory of the copies that Kea includes."""

_TEST_CONFIG = ".test.conf"


@dataclass(frozen=True)
class Apply:
    """Have Kea load the reservation files. It may be killed at any step and run again.

    ``.apply-running`` stays until Kea has loaded the files.
    """

    program: str
    config: str
    control_socket: str
    lease_file: str
    directory: str
    min_interval: float
    """Seconds between two reloads."""
    sleep: Callable[[float], None]
    now: Callable[[], float]
    """Epoch seconds, as file times are."""

    def run(self) -> None:
        """Test and load the reservations if a reload is requested. Raises TemporaryError; the request then stays."""
        requested, running = self._path(".apply-requested"), self._path(".apply-running")
        if not os.path.exists(requested) and not os.path.exists(running):
            return
        self._keep_interval()
        if os.path.exists(requested):
            os.replace(requested, running)
        candidates = self._candidates()
        self._test(candidates)
        for candidate, applied in candidates.items():
            os.replace(candidate, applied)
        files.sync_directory(self._path(APPLIED))
        # Last, because an LFC run may have begun during the test, which takes seconds.
        self._reload_after_lfc()
        files.touch(self._path(".last-apply"))
        os.utime(self._path(".last-apply"))
        os.unlink(running)
        telemetry.applying("done")

    def _path(self, name: str) -> str:
        return os.path.join(self.directory, name)

    def _keep_interval(self) -> None:
        try:
            since = self.now() - os.stat(self._path(".last-apply")).st_mtime
        except FileNotFoundError:
            return
        if 0 <= since < self.min_interval:
            telemetry.apply_waits("the last reload was a moment ago", self.min_interval - since)
            self.sleep(self.min_interval - since)

    def _reload_after_lfc(self) -> None:
        """Reload under the lock, so that no LFC run begins before the reload is over."""
        waited = 0.0
        while True:
            with Lock(self.lease_file) as lock:
                free = lock.take()
                reason = self._load_refused() if free else "another process runs an LFC, or restarts Kea"
                if not reason:
                    return self._reload()
            if waited >= _LFC:
                raise TemporaryError(f"the LFC run does not finish: {reason}")
            if not waited:
                telemetry.apply_waits(reason, _LFC)
            self.sleep(0.5)
            waited += 0.5

    def _load_refused(self) -> str:
        """Return why Kea cannot load its leases now, empty if it can. A failed load takes DHCP down (kea-facts 3.4)."""
        unfinished = LeaseFile(self.lease_file).unfinished()
        if unfinished:
            return f"{unfinished[0]} exists"
        found = lfc.find(self.lease_file)
        return found.text if found.refuses_load else ""

    def _candidates(self) -> Dict[str, str]:
        """Copy the reservation files. Return the path of each copy and the path that it gets when Kea accepts it."""
        found: Dict[str, str] = {}
        for path in sorted(glob.glob(self._path("subnet-*.json"))):
            name = os.path.basename(path)
            candidate = self._path(os.path.join(APPLIED, f".{name}"))
            shutil.copyfile(path, candidate)
            with open(candidate, "rb") as copy:
                os.fsync(copy.fileno())
            found[candidate] = self._path(os.path.join(APPLIED, name))
        return found

    def _test(self, candidates: Dict[str, str]) -> None:
        """Have Kea test its configuration with the candidates. Raises TemporaryError.

        The test configuration lies next to them, because a confined Kea reads files below /etc/kea only.
        """
        telemetry.applying("test")
        text = (files.read(self.config) or b"").decode("utf-8")
        for candidate, applied in candidates.items():
            text = text.replace(f'"{applied}"', f'"{candidate}"')
        config = self._path(os.path.join(APPLIED, _TEST_CONFIG))
        files.replace(config, text.encode(), 0o600)
        try:
            tested = program.check(self.program, config)
            if tested.code:
                raise TemporaryError(f"Kea does not accept the new reservations: {tested.last_line}")
        finally:
            os.unlink(config)

    def _reload(self) -> None:
        """Reload, again and again if an LFC run prevents it: until a reload succeeds, Kea then has no leases."""
        telemetry.applying("reload")
        for _attempt in range(_ATTEMPTS):
            answer = self._command("config-reload")
            if answer.result == SUCCESS:
                return
            reason = self._load_refused()
            if not reason and "cleanup" not in answer.text:
                break
            telemetry.apply_waits(reason or answer.text, 1.0)
            self.sleep(1.0)
        raise TemporaryError(f"Kea refused to reload: {answer.text or f'result {answer.result}'}")

    def _command(self, name: str) -> Answer:
        try:
            return send(self.control_socket, name, _ANSWER)
        except ControlError as error:
            raise TemporaryError(f"Kea's control socket {error.path}: {error.reason}") from error
