# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every source of lease events promises."""

from __future__ import annotations

import abc
from typing import Optional, Protocol, runtime_checkable

from kea_lease_monitor.batch import Batch
from kea_lease_monitor.errors import PositionLostError
from kea_lease_monitor.position import Position

_SKEW = 5.0
"""Seconds by which a clock may be set back without consequences."""


def require_clock(judged_at: float, now: float) -> None:
    """Check that the clock was not ahead when leases were judged, epoch seconds. Raises PositionLostError.

    Leases in force then looked expired, and their next renewals would look like those of known leases.
    """
    if now < judged_at - _SKEW:
        raise PositionLostError(f"the clock was {judged_at - now:.0f} seconds ahead when leases were read")


class Source(abc.ABC):
    """Hands over the events of each lease in the order in which they happened, and each event at least once.

    The caller keeps the position. So a subscription whose sinks fail reads again, and no queue can be lost.
    """

    renewals = True
    """Whether this source tells of each renewal of a lease."""

    @abc.abstractmethod
    def fileno(self) -> Optional[int]:
        """Return a descriptor that becomes readable when ``read`` may find something; None while there is none."""

    @abc.abstractmethod
    def due(self) -> float:
        """Return when to read even if the descriptor stays silent, by the monotonic clock."""

    @abc.abstractmethod
    def start(self, everything: bool) -> Position:
        """Return the position before all current leases, or after all events so far. Raises TemporaryError.

        All current leases are handed over as if none were known, so that a lost effect is repeated.
        """

    @abc.abstractmethod
    def read(self, after: Position, limit: int) -> Batch:
        """Return at most ``limit`` events after ``after``, without waiting for any.

        The position of the last batch says that this batch is settled; an earlier position returns the same events
        again. Raises TemporaryError, and PositionLostError if only ``start(True)`` helps.
        """

    @abc.abstractmethod
    def close(self) -> None:
        """Release what this source holds. With several monitors, a later ``start`` or ``read`` opens it again."""


@runtime_checkable
class StandingBy(Protocol):
    """A source that keeps events for each monitor until that monitor has read them."""

    def stand_by(self, position: Position) -> None:
        """Keep nothing before this position for this monitor: another one reads, and has reached it."""


@runtime_checkable
class Learning(Protocol):
    """A source that learns only while it runs which leases were there before."""

    def has_learnt(self) -> bool:
        """Return whether a client that it calls new was not met before this process began."""


@runtime_checkable
class Resting(Protocol):
    """A source that spares Kea work while it is read at short intervals."""

    def rest(self) -> None:
        """Prepare for a pause of any length before the next read. Raises nothing."""


@runtime_checkable
class Reporting(Protocol):
    """A source that can work and still have no leases to read."""

    def missing(self) -> str:
        """Return what is missing, for people; empty if nothing is."""

    def told_until(self) -> float:
        """Return up to when this source told of renewals, epoch seconds. A lease that ends later may live unheard."""
