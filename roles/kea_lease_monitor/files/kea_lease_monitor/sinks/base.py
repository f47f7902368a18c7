# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every sink of lease events promises."""

from __future__ import annotations

import abc
from typing import Dict, Iterable, List, Mapping, Protocol, Sequence, Set, Tuple, Union, runtime_checkable

from kea_lease_monitor.batch import Delivery, Pending, Rejection
from kea_lease_monitor.lease import BY_PERSON, Lease, LeaseEvent


def is_meant(event: LeaseEvent, address: str) -> bool:
    """Return whether a FORGOTTEN event is about what a sink keeps for its client at this address.

    A person means the client. Otherwise the time of one lease is over, and the client may live at another address.
    """
    return event.ref == BY_PERSON or event.lease.address == address


class Sink(abc.ABC):
    """Acts on lease events. Effects are idempotent: after any interruption the same events come again, in order."""

    name: str

    @abc.abstractmethod
    def check(self) -> None:
        """Raise TemporaryError if this sink could not deliver anything now."""

    @abc.abstractmethod
    def deliver(self, events: Sequence[LeaseEvent]) -> Union[Delivery, Pending]:
        """Act on all events, and return once the effect is durable. Raises TemporaryError or RefusedError.

        After TemporaryError all events come again. RefusedError says that one of them can never be accepted: the caller
        hands them over singly to find out which. A sink that takes long returns Pending, so that other subscriptions
        get their turn; it then gets the same events again, and finds out itself which one is refused. Sinks that never
        wait declare Delivery alone as their result, so Pending needs no interface of its own.
        """

    @abc.abstractmethod
    def close(self) -> None:
        """Release what this sink holds."""


@runtime_checkable
class Forgetting(Protocol):
    """A sink that removes what it made when it gets events of the kind FORGOTTEN."""

    def made(self) -> Sequence[Lease]:
        """Return a lease for each effect, as far as the effect tells of it. Raises TemporaryError.

        For a command of a person, which may take long.
        """


@runtime_checkable
class Holding(Protocol):
    """A sink that reserves addresses, so that Kea gives them to no other client."""

    def held(self, leases: Sequence[Lease]) -> List[Lease]:
        """Return those leases whose address this sink reserved for their client. Raises TemporaryError."""

    def counted(self) -> Mapping[Tuple[int, int], int]:
        """Return how many clients have a reservation of this sink, by family and subnet. Raises TemporaryError.

        It is called every few seconds, so that it must not read all reservations each time.
        """


@runtime_checkable
class Confirming(Protocol):
    """A sink whose effects tell whether a client is confirmed."""

    def confirm(self, leases: Sequence[Lease]) -> None:
        """Keep the times of these leases, which confirm their clients, where it keeps a lease of theirs.

        Each client comes once in its life, or after a crash again. Raises TemporaryError or RefusedError.
        """


def held(sinks: Iterable[Sink], leases: Sequence[Lease]) -> Set[Lease]:
    """Return those leases whose address one of these sinks reserved for their client. Raises TemporaryError."""
    return {lease for sink in sinks if isinstance(sink, Holding) for lease in sink.held(leases)}


def confirm(sinks: Iterable[Sink], leases: Sequence[Lease]) -> None:
    """Tell these sinks of leases that confirm their clients. Raises TemporaryError."""
    for sink in sinks if leases else ():
        if isinstance(sink, Confirming):
            sink.confirm(leases)


def counted(sinks: Iterable[Sink]) -> Dict[Tuple[int, int], int]:
    """Return how many clients have a reservation of one of these sinks, by family and subnet. Raises TemporaryError.

    Of sinks that reserve in the same subnet, the greatest number counts.
    """
    found: Dict[Tuple[int, int], int] = {}
    for counts in (sink.counted() for sink in sinks if isinstance(sink, Holding)):
        found.update({subnet: max(count, found.get(subnet, 0)) for subnet, count in counts.items()})
    return found


@runtime_checkable
class Refusable(Protocol):
    """A sink whose effects another program may refuse later."""

    name: str

    def late_refusals(self) -> Sequence[Rejection]:
        """Return what is refused now of what this sink made. Raises TemporaryError."""


@runtime_checkable
class Adopting(Protocol):
    """A sink whose effects carry a mark, which release 1.0.0 did not write."""

    def adopt(self, events: Sequence[LeaseEvent]) -> None:
        """Mark the reservations that release 1.0.0 would have written for these current leases. Raises TemporaryError.

        Only for a request by a person: nothing tells such a reservation from one that a person wrote.
        """
