# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Have a running Kea load new reservations: after a test, and never during an LFC run (kea-facts 3.4).

Kea's configuration includes the copies in ``applied/``. Only this program writes them, and only after Kea accepted
them. So Kea starts with reservations that it can read at any moment, also after a crash or a power failure.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from typing import Callable, Optional

from _kea import lfc, pairs
from _kea.control import SUCCESS, Answer, ControlError, send
from _kea.lease_file import LeaseFile, Lock

from kea_lease_monitor import files, telemetry
from kea_lease_monitor.errors import TemporaryError
from kea_lease_monitor.kea.applier import batch, report
from kea_lease_monitor.kea.applier.report import APPLIED, REQUESTED, RUNNING, Status
from kea_lease_monitor.kea.applier.trial import Trial

_ANSWER = 120.0
"""Seconds that Kea may take to load a large configuration and all leases."""

_LFC = 600.0
"""Seconds that an LFC run may take before this program gives up. The service manager then tries again."""

_ATTEMPTS = 60
"""Reloads that are tried while an LFC run makes Kea refuse them, one each second."""

_TEST = ".test"
"""Directory of the configuration that Kea tests."""


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
        requested, running = self._path(REQUESTED), self._path(RUNNING)
        former = report.read(self.directory) or Status()
        if not os.path.exists(requested) and not os.path.exists(running) and not former.planned:
            return
        self._keep_interval()
        if os.path.exists(requested):
            os.replace(requested, running)
        try:
            self._apply(former)
        except TemporaryError as error:
            since = report.waiting_since(self.directory, former)
            failed = former._replace(error=str(error), waiting_since=since, interval=self.min_interval)
            report.write(self.directory, failed)
            raise
        files.touch(self._path(".last-apply"))
        os.utime(self._path(".last-apply"))
        with suppress(FileNotFoundError):
            os.unlink(running)
        telemetry.applying("done")

    def _apply(self, former: Status) -> None:
        """Load what Kea accepts of the reservations, and report it. Raises TemporaryError."""
        telemetry.applying("test")
        written = batch.read_all(self.directory)
        paths = {subnet: batch.applied_path(self.directory, subnet) for subnet in written}
        with Trial(self.program, self.config, self._path(os.path.join(APPLIED, _TEST)), paths) as trial:
            sifted = batch.accepted(self.directory, written, trial)
        changed_before = batch.changed_at(self.directory, written)
        loaded = batch.write(self.directory, written, sifted)
        counts = batch.counted(written, sifted, trial.included)
        # After an apply that failed or was killed it is not known what Kea has loaded.
        if former.error or not loaded == former.loaded == batch.digest_before(written):
            read = self._read_by_half()
            if read is not None and batch.changed_at(self.directory, written) >= read:
                known = {subnet: one.in_force for subnet, one in former.subnets.items()}
                if changed_before < read:  # a play has reloaded Kea since
                    known = {subnet: len(one.included) for subnet, one in written.items()}
                since = report.waiting_since(self.directory, former)
                held = batch.not_loaded(counts, known)
                status = Status(held, since, "", self.min_interval, former.loaded, planned=True)
                telemetry.applying("wait for a planned reload, because Kea is half of a pair")
                report.write(self.directory, status)
                return
            if read is None:
                # Last, because an LFC run may have begun during the test, which takes seconds.
                self._reload_after_lfc()
        report.write(self.directory, Status(counts, None, "", self.min_interval, loaded))

    def _read_by_half(self) -> Optional[float]:
        """Return when Kea read its configuration, in epoch seconds, if it is half of a pair; None if it is not.

        A reload of half of a pair stops DHCP for some heartbeats, and two at once stop all (kea-facts 8). Only a play
        sees both servers, so only a play reloads them.
        """
        status = self._ask("status-get").arguments
        # Kea 2.2 counts whole seconds, so that it may have read the file up to a second later.
        return self.now() - float(status.get("reload", 0)) - 1 if pairs.is_half(status) else None

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

    def _reload(self) -> None:
        """Reload, again and again if an LFC run prevents it: until a reload succeeds, Kea then has no leases."""
        telemetry.applying("reload")
        for _attempt in range(_ATTEMPTS):
            answer = self._ask("config-reload")
            if answer.result == SUCCESS:
                return
            reason = self._load_refused()
            if not reason and "cleanup" not in answer.text:
                break
            telemetry.apply_waits(reason or answer.text, 1.0)
            self.sleep(1.0)
        raise TemporaryError(f"Kea refused to reload: {answer.text or f'result {answer.result}'}")

    def _ask(self, name: str) -> Answer:
        try:
            return send(self.control_socket, name, _ANSWER)
        except ControlError as error:
            raise TemporaryError(f"Kea's control socket {error.path}: {error.reason}") from error
