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
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, Mapping, NamedTuple, Optional, Union

from _kea import reservation_files
from _kea.control import Answer, ControlError, send
from _kea.reading import Reading, reading_of

from kea_lease_monitor import files
from kea_lease_monitor.errors import TemporaryError
from kea_lease_monitor.kea.applier import batch, edits, lines, report
from kea_lease_monitor.kea.applier.commands import Commands
from kea_lease_monitor.kea.applier.confirming import Confirming
from kea_lease_monitor.kea.applier.followed import Followed
from kea_lease_monitor.kea.applier.known import Reporting, Tested
from kea_lease_monitor.kea.applier.live import Live
from kea_lease_monitor.kea.applier.reloading import Reload
from kea_lease_monitor.kea.applier.report import Places, Status
from kea_lease_monitor.kea.applier.trial import Trial

_ANSWER = 120.0
"""Seconds that Kea may take to load a large configuration and all leases."""

_OTHER = 900.0
"""Seconds to wait for another process that applies reservations."""

_TEST = ".test"
"""Directory of the configuration that Kea tests, in the directory of includes."""

_HELD = "wait for a reload by a person or a play"


class _Judged(NamedTuple):
    """What Kea accepted in its test."""

    configuration: Mapping[str, edits.File]
    """The files of its configuration that this program does not write."""
    written: Mapping[int, batch.Written]
    changed_before: float
    """Epoch seconds at which the files that Kea includes had been changed before this apply."""


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
    confirming: Confirming
    min_interval: float
    """Seconds between two reloads, during which Kea does not serve."""
    sleep: Callable[[float], None]
    now: Callable[[], float]
    """Epoch seconds, as file times are."""
    monotonic: Callable[[], float]
    """Seconds by a clock that never steps back."""
    report_interval: float = 0.0
    """Seconds between two reports of reservations that came into force by command."""
    answered: Optional[Callable[[], None]] = None
    """Is told of each answer of Kea, if a person waits."""
    _live: Optional[Union[Live, Followed]] = field(default=None, init=False)
    """What is known since the last apply."""
    is_held: bool = field(default=False, init=False)
    """Whether what the last apply wrote waits for a reload by a person or a play."""

    def run(self) -> bool:
        """Bring into force what differs between the monitor's files and what Kea has. Raises TemporaryError.

        Waits while another process applies, and until the interval between reloads is over. Return whether that took
        no more than commands; otherwise all reservations were tested.
        """
        with files.locked(os.path.join(self.included, reservation_files.LOCK), _OTHER):
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

    def report_in(self) -> Optional[float]:
        """Return in how many seconds ``report`` is due, None if everything is reported."""
        return self._live.report_in() if self._live else None

    def report(self) -> bool:
        """Report what came into force by command. Return False if all must be compared. Raises TemporaryError."""
        live, self._live = self._live, None
        with files.locked(os.path.join(self.included, reservation_files.LOCK), _OTHER):
            if live and live.report():
                self._live = live
        return self._live is not None

    def pause(self) -> float:
        """Return the seconds until the interval since the last reload is over. Raises TemporaryError."""
        if self._live and self._live.by_command:
            return 0.0
        status = report.read(self.places.report) or Status()
        since = self.now() - status.reloaded_at
        return self.min_interval - since if 0 <= since < self.min_interval else 0.0

    def _apply(self, former: Status) -> None:
        """Bring into force what Kea accepts of the reservations, and report it. Raises TemporaryError."""
        lines.applying("test")
        read_at = self.now()
        written = batch.read_all(self.places, self.included, self.confirming)
        configuration = self._configuration()
        paths = {subnet: one.files.path for subnet, one in written.items()}
        with Trial(self.program, self.config, os.path.join(self.included, _TEST), paths) as trial:
            sifted = batch.accepted(self.places, written, trial)
        self.confirming.keep(sifted.refused)
        commands = Commands(self._ask, self.sleep, self.monotonic)
        by_command, silent = False, None
        try:
            by_command = commands.available()
        except TemporaryError as error:
            silent = error
        judged = _Judged(configuration, written, batch.changed_at(self.included, written))
        done = former._replace(
            subnets=batch.counted(written, sifted, trial.included),
            waiting_since=None,
            error="",
            interval=self.min_interval,
            # Kea reads the files when it starts. With parts, later changes write little.
            loaded=batch.write(written, sifted, with_parts=by_command or silent is not None),
            read_at=read_at,
            planned=False,
            edited=(),
        )
        self.confirming.settle(sifted)
        # After an apply that failed or was killed it is not known what Kea has loaded.
        known = not former.error and done.loaded == former.loaded == batch.digest_before(written)
        if silent and not known:
            raise silent
        tested = Tested(written, sifted.by_subnet(), trial.sources)
        if by_command:
            self._begin(commands, done, tested)
        else:
            self._follow(done if known else self._load(former, done, judged), tested, silent is None)

    def _begin(self, commands: Commands, done: Status, tested: Tested) -> None:
        lines.applying("commands")
        live = Live(commands, self._reporting, tested, self.confirming)
        live.begin(done)
        self._live, self.is_held = live, False
        lines.applying("done")

    def _follow(self, done: Status, tested: Tested, is_answered: bool) -> None:
        report.write(self.places.report, done)
        self.is_held = done.is_held
        # A Kea that is silent now may take commands once it answers.
        self._live = Followed(self._reporting, tested, done, self.confirming) if is_answered else None
        lines.applying(_HELD if done.is_held else "done")

    @property
    def _reporting(self) -> Reporting:
        return Reporting(self.places, self.now, self.monotonic, self.report_interval)

    def _load(self, former: Status, done: Status, judged: _Judged) -> Status:
        """Have Kea load what was tested, or leave that to a person or a play. Return the report.

        ``done`` is the report if Kea has loaded it. Raises TemporaryError.
        """
        reading = self._reading()
        edited = [] if reading.is_half else edits.pending(judged.configuration, former, reading)
        is_read = batch.changed_at(self.included, judged.written) < reading.earliest
        if is_read and (reading.is_half or former.edited):
            return done
        if not edited and not reading.is_half:
            # Last, because an LFC run may have begun during the test, which takes seconds.
            self._reload.after_lfc(judged.configuration)
            return done._replace(reloaded_at=self.now(), configuration=edits.digests(judged.configuration))
        known = {subnet: one.in_force for subnet, one in former.subnets.items()}
        if judged.changed_before < reading.earliest:  # a person or a play has reloaded Kea since the last apply
            known = {subnet: len(one.included) for subnet, one in judged.written.items()}
            former = former._replace(waiting_since=None)
        if edited and edited != list(former.edited):
            lines.apply_held(edited)
        since = report.waiting_since(self.places, former)
        return done._replace(
            subnets=batch.not_loaded(done.subnets, known),
            waiting_since=done.read_at if since is None else since,
            loaded=former.loaded,
            planned=reading.is_half,
            edited=edited,
        )

    def is_reloaded(self) -> bool:
        """Return whether nothing keeps any longer what waited for a reload by a person or a play.

        A Kea that does not answer may be reading its configuration. One that takes commands is asked whether it was
        restarted or reloaded. Raises TemporaryError.
        """
        known = self._live
        if (known and known.is_stale()) or (not (known and known.by_command) and self._is_over()):
            self._live = None
            return True
        return False

    def _is_over(self) -> bool:
        """Return whether changes waited for a reload by a person or a play, and wait no longer."""
        status = report.read(self.places.report)
        if status is None or not status.is_held:
            return False
        subnets = report.written(self.places.written)
        try:
            reading = self._reading()
        except TemporaryError:
            return False
        if batch.changed_at(self.included, subnets) < reading.earliest:
            return True
        return not reading.is_half and not edits.pending(self._configuration(), status, reading)

    @property
    def _reload(self) -> Reload:
        return Reload(self.lease_file, self._ask, self.sleep)

    def _reading(self) -> Reading:
        """Return when Kea read its configuration, and whether it is half of a pair. Raises TemporaryError.

        A reload of half of a pair stops DHCP for some heartbeats, and two at once stop all (kea-facts 8). Only a play
        sees both servers, so only a play reloads them.
        """
        return reading_of(self._ask("status-get").arguments, self.now())

    def _configuration(self) -> Dict[str, edits.File]:
        """Return the files of Kea's configuration that this program does not write. Raises TemporaryError."""
        return edits.present(self.config, self.included)

    def _ask(self, name: str, arguments: Optional[Mapping[str, Any]] = None) -> Answer:
        answer = ask(self.control_socket, name, arguments)
        if self.answered:
            self.answered()
        return answer


def ask(path: str, name: str, arguments: Optional[Mapping[str, Any]] = None) -> Answer:
    """Send a command to Kea's control socket, and return the answer. Raises TemporaryError if there is none."""
    try:
        return send(path, name, _ANSWER, arguments)
    except ControlError as error:
        raise TemporaryError(f"Kea's control socket {error.path}: {error.reason}") from error
