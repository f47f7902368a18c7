# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The service that has Kea use what the monitor wrote: it watches the monitor's directory, as Kea's user."""

from __future__ import annotations

import sys
from typing import Callable, Dict, Generic, List, NoReturn, Optional, TypeVar

from kea_lease_monitor import files, loop, service
from kea_lease_monitor.clock import Clock
from kea_lease_monitor.errors import TemporaryError
from kea_lease_monitor.kea.applier import lines, report
from kea_lease_monitor.kea.control import Apply
from kea_lease_monitor.sources.memfile.watch import Watch

_LOOK = 10.0
"""Seconds between two looks at the files while inotify is silent: it may be full or absent.

Also between two questions whether a play has reloaded Kea, which is half of a pair.
"""

_HELD_REST = 9.0
"""Rest after an apply that only wrote what waits for a reload by a person or a play, as a multiple of its time."""

_RETRY = 10.0
"""Seconds after which an apply that failed is tried again."""

_OBSERVE, _LONGEST = 10.0, 600.0
"""Seconds between two readings of Kea's statistics, at least and at most."""

_SHARE = 0.005
"""Share of its time that Kea may spend on the answer: it serves no client meanwhile."""


class Applier:
    """Applies at the start, and whenever a file of the monitor changed.

    The start compares everything, so nothing is lost when this process is killed.
    """

    def __init__(self, apply: Apply, watch: Watch, clock: Clock) -> None:
        self._apply, self._watch, self._clock = apply, watch, clock
        self._due = clock.monotonic()
        self._not_before = self._due
        self._seen: Optional[Dict[str, Optional[files.Stamp]]] = None
        """The files as they were before the last apply that succeeded; None if the next one is due anyway."""
        self._error = ""
        self._ask_at = self._due

    def fileno(self) -> Optional[int]:
        return self._watch.fileno()

    def due(self) -> float:
        return self._due

    def pump(self) -> None:
        """Apply if a file changed and the interval is over. An apply that fails is retried."""
        self._watch.drain()
        now = self._clock.monotonic()
        if now < self._not_before:
            self._due = self._not_before
            return
        self._due = now + _LOOK
        try:
            self._apply_changes(now)
        except TemporaryError as error:
            self._fail(str(error))

    def _apply_changes(self, now: float) -> None:
        stamps = self._stamps()
        is_settled = stamps == self._seen and self._report(now) and not self._is_reloaded(now)
        if is_settled and not self._apply.confirming.has_news():
            return
        if pause := self._apply.pause():
            self._due = self._not_before = now + pause
            return
        by_command = self._apply.run()
        # A change during the apply differs from these, and is applied next.
        self._seen, self._error = stamps, ""
        end = self._clock.monotonic()
        # Commands, which take milliseconds, have pauses of their own.
        self._due = self._not_before = end if by_command else end + self._rest(end - now)

    def _rest(self, took: float) -> float:
        """Return the seconds to rest after an apply: whoever writes without a pause must not keep the processor busy.

        Half of the time is for applies at most; a tenth where nothing comes into force before a play reloads Kea, as
        far as the report is no later by that than the look at what Kea has read.
        """
        return max(took, min(took * _HELD_REST, _LOOK)) if self._apply.is_held else took

    def _report(self, now: float) -> bool:
        """Report what came into force, once that is due. Return False if all must be compared."""
        wait = self._apply.report_in()
        if wait:
            self._due = min(self._due, now + wait)
        return True if wait is None or wait else self._apply.report()

    def _is_reloaded(self, now: float) -> bool:
        """Return whether Kea has read what waited for a play. Kea answers in the thread that serves clients."""
        if now < self._ask_at:
            return False
        self._ask_at = now + _LOOK
        return self._apply.is_reloaded()

    def _fail(self, error: str) -> None:
        if error != self._error:
            lines.apply_failed(error)
        self._seen, self._error = None, error
        self._due = self._not_before = self._clock.monotonic() + _RETRY

    def _stamps(self) -> Dict[str, Optional[files.Stamp]]:
        paths = report.written(self._apply.places.written).values()
        return {path: files.stamp(path, follow=False) for path in paths}


_Seen = TypeVar("_Seen")


class Observer(Generic[_Seen]):
    """Writes down, at regular times, what the monitor may not ask Kea for. The first failure and its end are logged."""

    def __init__(self, gather: Callable[[], _Seen], write: Callable[[_Seen, float], None], clock: Clock) -> None:
        """``write`` takes what was gathered, and in how many seconds the next follows."""
        self._gather, self._write, self._clock = gather, write, clock
        self._due = clock.monotonic()
        self._failed = False

    def fileno(self) -> Optional[int]:
        return None

    def due(self) -> float:
        return self._due

    def pump(self) -> None:
        """Observe once. What fails is retried."""
        interval, begun = _OBSERVE, self._clock.monotonic()
        try:
            seen = self._gather()
            # The limit is for an answer that waited while Kea loaded its configuration.
            interval = min(max(_OBSERVE, (self._clock.monotonic() - begun) / _SHARE), _LONGEST)
            self._write(seen, interval)
        except TemporaryError as error:
            if not self._failed:
                lines.observe_failed(str(error))
            self._failed = True
        else:
            if self._failed:
                lines.observing()
            self._failed = False
        self._due = self._clock.monotonic() + interval


def run(apply: Optional[Apply], observer: Observer[_Seen], clock: Clock) -> None:
    """Run until a signal ends the process. Without ``apply``, Kea's reservations are not in files.

    A signal ends this at once, wherever it is: the next start finds what is not done.
    """
    signals = loop.Signals(_stop)
    tasks: List[loop.Task] = []
    if apply:
        tasks.append(Applier(apply, Watch(apply.places.written), clock))
    tasks.append(observer)
    lines.applying("watch")
    service.notify("READY=1")
    loop.run(tasks, signals, lambda: None, clock)


def _stop() -> NoReturn:
    sys.exit(0)
