# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns: which of several monitors acts for a subscription."""

from __future__ import annotations

from typing import Callable, Optional, Protocol

from kea_lease_monitor.clock import Clock
from kea_lease_monitor.errors import MonitorError, TemporaryError

_INTERVAL = 1.0
"""Seconds between two claims while another monitor acts or a command of this one runs."""


class Terms(Protocol):
    """What a turn needs of the state store."""

    def claim(self, subscription: str) -> Optional[int]: ...


class Turn:
    """The term in which this monitor acts for a subscription."""

    def __init__(self, name: str, terms: Terms, clock: Clock, ended: Callable[[], None]) -> None:
        """``ended`` must drop all work of the ended term: another monitor may have continued from the bookmark."""
        self._name = name
        self._terms = terms
        self._clock = clock
        self._ended = ended
        self.term: Optional[int] = None
        self.due = 0.0
        """When to claim again, by the monotonic clock."""

    def claim(self) -> bool:
        """Return whether this monitor acts now. Raises MonitorError."""
        self.due = self._clock.monotonic() + _INTERVAL
        try:
            term = self._terms.claim(self._name)
        except MonitorError:
            self._end()
            raise
        if term != self.term:
            self._end()
            self.term = term
        return term is not None

    def confirm(self) -> None:
        """Raises TemporaryError when the term is over."""
        if self._terms.claim(self._name) != self.term:
            self._end()
            raise TemporaryError("another monitor may have taken over")

    def _end(self) -> None:
        if self.term is not None:
            self._ended()
            self.term = None
