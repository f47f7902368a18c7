# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every sink of lease events promises."""

from __future__ import annotations

import abc
from typing import Sequence, Union

from kea_lease_monitor.batch import Delivery, Pending
from kea_lease_monitor.lease import LeaseEvent


class Sink(abc.ABC):
    """Effects are idempotent: the same events may come again, in the same order, after any interruption."""

    name: str

    @abc.abstractmethod
    def check(self) -> None:
        """Raises TemporaryError when nothing could be delivered now."""

    @abc.abstractmethod
    def deliver(self, events: Sequence[LeaseEvent]) -> Union[Delivery, Pending]:
        """Act on all events and return when the effect is durable; or say what to wait for while others get their turn.

        After Pending the caller comes back with the same events, unless it is stopped. Raises TemporaryError (all will
        come again) or RefusedError (one of them can never be accepted; the caller finds out which one by handing them
        over singly; a sink that answers Pending finds out itself).
        """

    def adopt(self, events: Sequence[LeaseEvent]) -> None:  # noqa: B027 (most sinks mark nothing)
        """Present leases: take over what an unmarked release of ours may have made of just them, and nobody changed.

        Only when a person asks for it, because nothing tells it from what a person made. Raises TemporaryError.
        """

    @abc.abstractmethod
    def close(self) -> None: ...
