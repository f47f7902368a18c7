# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Have a running Kea use new reservations: by commands, or by a reload, never during an LFC run (kea-facts 3.4, 9).

Kea's configuration includes files in a directory that only Kea's user may write. Only this program writes them, and
only after Kea accepted them. So Kea starts with reservations that it can read at any moment, also after a crash or a
power failure.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from typing import Any, Callable, Mapping, Optional

from _kea import lfc, pairs
from _kea.control import SUCCESS, Answer, ControlError, send
from _kea.lease_file import LeaseFile, Lock

from kea_lease_monitor import files
from kea_lease_monitor.errors import TemporaryError
from kea_lease_monitor.kea.applier import batch, lines, report
from kea_lease_monitor.kea.applier.batch import Written
from kea_lease_monitor.kea.applier.commands import Commands
from kea_lease_monitor.kea.applier.live import Live, Tested
from kea_lease_monitor.kea.applier.report import Places, Status, Subnet
from kea_lease_monitor.kea.applier.trial import Trial

_ANSWER = 120.0
"""Seconds that Kea may take to load a large configuration and all leases."""

_LFC = 600.0
"""Seconds that an LFC run may take before this program gives up. The service manager then tries again."""

_ATTEMPTS = 60
"""Reloads that are tried while an LFC run makes Kea refuse them, one each second."""

_OTHER = 900.0
"""Seconds to wait for another process that applies reservations."""

_TEST, _LOCK = ".test", ".lock"
"""Directory of the configuration that Kea tests, and the lock of who applies. Both are in the directory of includes."""


@dataclass
class Apply:
    """Have Kea use the reservation files. It may be killed at any step and run again.

    The report tells what Kea has loaded, and is written last. So a run after a kill finds the difference.
    """

    program: str
    config: str
    control_socket: str
    lease_file: str
    places: Places
    included: str
    """Directory of the files that Kea includes."""
    min_interval: float
    """Seconds between two reloads, during which Kea does not serve."""
    sleep: Callable[[float], None]
    now: Callable[[], float]
    """Epoch seconds, as file times are."""
    _live: Optional[Live] = field(default=None, init=False)
    """What is known of a Kea that takes commands."""

    def run(self) -> bool:
        """Bring into force what differs between the monitor's files and what Kea has. Raises TemporaryError.

        Waits while another process applies, and until the interval between reloads is over. Return whether commands
        were enough; otherwise all reservations were tested.
        """
        with files.locked(os.path.join(self.included, _LOCK), _OTHER):
            former = report.read(self.places.report) or Status()
            try:
                if self._take():
                    return True
                if pause := self.pause():
                    lines.apply_waits("the last reload was a moment ago", pause)
                    self.sleep(pause)
                self._apply(former)
                return False
            except TemporaryError as error:
                since = report.waiting_since(self.places, former)
                failed = former._replace(error=str(error), waiting_since=since, interval=self.min_interval)
                report.write(self.places.report, failed)
                raise

    def _take(self) -> bool:
        live, self._live = self._live, None
        if live and live.take():
            self._live = live
        return self._live is not None

    def pause(self) -> float:
        """Return the seconds until the interval since the last reload is over. Raises TemporaryError."""
        if self._live:
            return 0.0
        status = report.read(self.places.report) or Status()
        since = self.now() - status.reloaded_at
        return self.min_interval - since if 0 <= since < self.min_interval else 0.0

    def _apply(self, former: Status) -> None:
        """Bring into force what Kea accepts of the reservations, and report it. Raises TemporaryError."""
        lines.applying("test")
        read_at = self.now()
        written = batch.read_all(self.places, self.included)
        paths = {subnet: one.files.path for subnet, one in written.items()}
        with Trial(self.program, self.config, os.path.join(self.included, _TEST), paths) as trial:
            sifted = batch.accepted(self.places, written, trial)
        commands = Commands(self._ask, self.sleep, time.monotonic)
        by_command, silent = False, None
        try:
            by_command = commands.available()
        except TemporaryError as error:
            silent = error
        changed_before = batch.changed_at(self.included, written)
        # Kea reads them when it starts. With parts, later changes write little.
        loaded = batch.write(written, sifted, with_parts=by_command or silent is not None)
        done = Status(
            batch.counted(written, sifted, trial.included),
            None,
            "",
            self.min_interval,
            loaded,
            read_at,
            former.reloaded_at,
        )
        # After an apply that failed or was killed it is not known what Kea has loaded.
        known = not former.error and loaded == former.loaded == batch.digest_before(written)
        if silent and not known:
            raise silent
        if by_command:
            self._begin(commands, done, Tested(written, sifted.by_subnet(), trial.sources))
        elif known:
            self._done(done)
        else:
            self._load(former, written, done, changed_before)

    def _begin(self, commands: Commands, done: Status, tested: Tested) -> None:
        lines.applying("commands")
        live = Live(commands, self.places, tested, self.now)
        live.begin(done)
        self._live = live
        lines.applying("done")

    def _done(self, done: Status) -> None:
        report.write(self.places.report, done)
        lines.applying("done")

    def _load(self, former: Status, written: Mapping[int, Written], done: Status, changed_before: float) -> None:
        """Have Kea load what changed: by a reload, or by waiting for a planned one. Raises TemporaryError."""
        kea_read_at = self._read_by_half()
        if kea_read_at is None:
            # Last, because an LFC run may have begun during the test, which takes seconds.
            self._reload_after_lfc()
            self._done(done._replace(reloaded_at=self.now()))
        elif batch.changed_at(self.included, written) >= kea_read_at:
            known = {subnet: one.in_force for subnet, one in former.subnets.items()}
            if changed_before < kea_read_at:  # a play has reloaded Kea since the last apply
                known = {subnet: len(one.included) for subnet, one in written.items()}
                former = former._replace(waiting_since=None)
            self._hold(former, batch.not_loaded(done.subnets, known), done.read_at)
        else:
            self._done(done)

    def _hold(self, former: Status, counts: Mapping[int, Subnet], read_at: float) -> None:
        """Report that changes wait for a planned reload; ``counts`` has what is in force until then.

        Raises TemporaryError.
        """
        since = report.waiting_since(self.places, former)
        held = former._replace(
            subnets=counts,
            waiting_since=read_at if since is None else since,
            error="",
            interval=self.min_interval,
            read_at=read_at,
            planned=True,
        )
        report.write(self.places.report, held)
        lines.applying("wait for a planned reload, because Kea is half of a pair")

    def is_reloaded(self) -> bool:
        """Return whether Kea has read what waited for a planned reload, or is half of a pair no longer.

        It has not while it does not answer: that reload may be going on. A Kea that takes commands is asked whether it
        was restarted or reloaded. Raises TemporaryError.
        """
        if self._live:
            self._live = None if self._live.is_stale() else self._live
            return self._live is None
        status = report.read(self.places.report)
        if status is None or not status.planned:
            return False
        subnets = report.written(self.places.written)
        try:
            kea_read_at = self._read_by_half()
        except TemporaryError:
            return False
        return kea_read_at is None or batch.changed_at(self.included, subnets) < kea_read_at

    def _read_by_half(self) -> Optional[float]:
        """Return when Kea read its configuration, in epoch seconds, if it is half of a pair; None if it is not.

        A reload of half of a pair stops DHCP for some heartbeats, and two at once stop all (kea-facts 8). Only a play
        sees both servers, so only a play reloads them. Raises TemporaryError.
        """
        status = self._ask("status-get").arguments
        # Kea 2.2 counts whole seconds, so that it may have read the file up to a second later.
        return self.now() - float(status.get("reload", 0)) - 1 if pairs.is_half(status) else None

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
                lines.apply_waits(reason, _LFC)
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
        lines.applying("reload")
        for _attempt in range(_ATTEMPTS):
            answer = self._ask("config-reload")
            if answer.result == SUCCESS:
                return
            reason = self._load_refused()
            if not reason and "cleanup" not in answer.text:
                break
            lines.apply_waits(reason or answer.text, 1.0)
            self.sleep(1.0)
        raise TemporaryError(f"Kea refused to reload: {answer.text or f'result {answer.result}'}")

    def _ask(self, name: str, arguments: Optional[Mapping[str, Any]] = None) -> Answer:
        return ask(self.control_socket, name, arguments)


def ask(path: str, name: str, arguments: Optional[Mapping[str, Any]] = None) -> Answer:
    """Send a command to Kea's control socket, and return the answer. Raises TemporaryError if there is none."""
    try:
        return send(path, name, _ANSWER, arguments)
    except ControlError as error:
        raise TemporaryError(f"Kea's control socket {error.path}: {error.reason}") from error
