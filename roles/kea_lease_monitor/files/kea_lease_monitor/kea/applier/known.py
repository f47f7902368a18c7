# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of the files between two changes, so that a change costs the same beside any number of reservations."""

from __future__ import annotations

from typing import Callable, Dict, List, Mapping, NamedTuple, Optional

from kea_lease_monitor import files
from kea_lease_monitor.kea.applier import report
from kea_lease_monitor.kea.applier.batch import Written
from kea_lease_monitor.kea.applier.hosts import Host
from kea_lease_monitor.kea.applier.live_subnet import Change, LiveSubnet
from kea_lease_monitor.kea.applier.report import Places
from kea_lease_monitor.kea.applier.tail import Tail

Sources = Mapping[str, Optional[files.Stamp]]
"""Stamps of the files of Kea's configuration."""


class Tested(NamedTuple):
    """What Kea accepted in a test of its whole configuration, and is in the files that it includes."""

    written: Mapping[int, Written]
    hosts: Mapping[int, List[Host]]
    """By subnet."""
    sources: Sources


class Reporting(NamedTuple):
    """Where, and how often, to report what came into force."""

    places: Places
    now: Callable[[], float]
    """Return epoch seconds."""
    monotonic: Callable[[], float]
    """Return seconds by a clock that never steps back."""
    interval: float
    """Seconds between two reports."""


class Due:
    """When a report is due: one is for many changes, because it costs as much writing as a change itself."""

    def __init__(self, reporting: Reporting) -> None:
        """Nothing is to be reported yet."""
        self._monotonic, self._interval = reporting.monotonic, reporting.interval
        self._next = 0.0
        self.read_at: Optional[float] = None
        """Epoch seconds at which the files were read whose state is not in the report yet."""

    def within(self) -> Optional[float]:
        """Return in how many seconds a report is due, None if nothing is to be reported."""
        return None if self.read_at is None else max(0.0, self._next - self._monotonic())

    def done(self) -> None:
        """Record that all is reported."""
        self.read_at, self._next = None, self._monotonic() + self._interval


class Known:
    """The monitor's files of all subnets, and what Kea includes for each."""

    def __init__(self, places: Places, sources: Sources) -> None:
        """No subnet is known yet."""
        self._places, self._sources = places, sources
        self.subnets: Dict[int, LiveSubnet] = {}
        self.others: List[Tail] = []
        """Files whose reservations cannot be in force."""

    def is_current(self) -> bool:
        """Return whether only files of these subnets have changed."""
        known = {*(one.tail.path for one in self.subnets.values()), *(tail.path for tail in self.others)}
        return (
            known == set(report.written(self._places.written).values())
            and not any(tail.is_changed() for tail in self.others)
            and all(one.included.is_current() for one in self.subnets.values())
            and all(files.stamp(path) == found for path, found in self._sources.items())
        )

    def is_certain(self) -> bool:
        """Return whether the files are what was read; see Tail.is_certain. Raises TemporaryError."""
        return all(one.tail.is_certain() for one in self.subnets.values())

    def changes(self, again: bool) -> Optional[Dict[int, Change]]:
        """Return what changed, by subnet; None if that needs a test of all. Raises TemporaryError.

        With ``again``, what nothing confirmed is among it.
        """
        found: Dict[int, Change] = {}
        for number, one in self.subnets.items():
            if again or one.tail.is_changed():
                change = one.change(again)
                if change is None:
                    return None
                found[number] = change
        return found
