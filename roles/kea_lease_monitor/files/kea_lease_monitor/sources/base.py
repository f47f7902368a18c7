# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every source of lease events promises."""

from __future__ import annotations

import abc
from typing import Optional

from kea_lease_monitor.batch import Batch
from kea_lease_monitor.position import Position


class Source(abc.ABC):
    """The caller keeps the position, so a subscription whose sinks fail reads again, and there is no queue to lose.

    Events of one lease come in the order in which they happened. Each is handed over at least once.
    """

    @abc.abstractmethod
    def fileno(self) -> Optional[int]:
        """A descriptor that becomes readable when ``read`` may find something; None while there is none."""

    @abc.abstractmethod
    def due(self) -> float:
        """When to read even if nothing woke us, by the monotonic clock."""

    @abc.abstractmethod
    def start(self, everything: bool) -> Position:
        """The place before all present leases, or behind everything that happened so far. Raises TemporaryError."""

    @abc.abstractmethod
    def read(self, after: Position, limit: int) -> Batch:
        """At most ``limit`` events behind ``after``, without waiting for any.

        Handing in the position of the last batch tells that this batch is settled; handing in an earlier one gives
        the same events again. Raises TemporaryError, and PositionLostError when only ``start(True)`` helps.
        """

    def stand_by(self, position: Position) -> None:  # noqa: B027 (most sources keep nothing for others)
        """Another monitor reads, and has come to this place: nothing before it need be kept for us."""

    @abc.abstractmethod
    def close(self) -> None:
        """Give back what is held. Where monitors take turns, a later ``start`` or ``read`` takes it again."""
