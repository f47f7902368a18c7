# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The exchanges of many clients with a server, by their relays."""

from __future__ import annotations

import select
import socket
from typing import NamedTuple, Sequence

from families import Family
from messages import Answer

_WINDOW = 50
"""Packets that are under way at once: Kea's socket holds them."""
_PROBE = 2**32 - 1
"""Number of the well-behaved client that asks after each window, and takes no lease."""
_TRIES = 60
"""Seconds in which Kea has to answer that client."""


class Lease(NamedTuple):
    """What a client was told. A DHCPv6 client has several leases."""

    packet: bytes
    relay: str
    answer: Answer

    @property
    def granted(self) -> set[str]:
        """Return its addresses and prefixes."""
        return {*self.answer.addresses, *self.answer.prefixes}


class Clients:
    """All clients of a server, and their relays."""

    def __init__(self, family: Family) -> None:
        self._family, self._kinds = family, family.packets.KINDS
        self._inet = socket.AF_INET if family.number == 4 else socket.AF_INET6
        self._transaction = 0
        self._socket = socket.socket(self._inet, socket.SOCK_DGRAM)
        self._socket.bind(family.client)

    def serve(self, inputs: Sequence[bytes], relay: str) -> list[Lease]:
        """Run the exchange of each packet's client by this relay. Return what was acknowledged."""
        kinds = self._kinds
        found: list[tuple[bytes, Answer]] = []
        for begin in range(0, len(inputs), _WINDOW):
            window = inputs[begin : begin + _WINDOW]
            answered = self._answered([(one, None) for one in window], kinds.ask, relay)
            offered = [(one, answer) for one, answer in answered if answer.kind == kinds.offered]
            # A DHCPv6 client can have its lease at once (rapid commit).
            found += [*answered, *self._answered(offered, kinds.request, relay)]
        leases = [Lease(one, relay, answer) for one, answer in found if answer.kind == kinds.granted]
        return [lease for lease in leases if lease.granted]

    def renew(self, lease: Lease) -> None:
        """Renew the lease, without waiting for the server's answer."""
        self._send(lease.packet, self._kinds.renew, lease.relay, lease.answer)

    def end(self, lease: Lease, declined: bool) -> None:
        """Release the lease, or say that its address is in use. What the server answers does not matter."""
        self._send(lease.packet, self._kinds.decline if declined else self._kinds.release, lease.relay, lease.answer)

    def _answered(
        self, asked: Sequence[tuple[bytes, Answer | None]], kind: int, relay: str
    ) -> list[tuple[bytes, Answer]]:
        """Return each packet that was answered, with the answer. Raises AssertionError if Kea answers no client.

        Kea takes one packet after another, so that the answer to the last one tells that there will be no more.
        """
        numbers = {self._send(packet, kind, relay, before): packet for packet, before in asked}
        found: list[tuple[bytes, Answer]] = []
        probes: set[int] = set()
        for _try in range(_TRIES if asked else 0):
            probes.add(self._send(self._family.packets.well_behaved(_PROBE), self._kinds.ask, relay, None))
            while select.select([self._socket], [], [], 1)[0]:
                answer = self._family.packets.parse(self._socket.recv(4096))
                if answer.transaction in probes:
                    return found
                if answer.transaction in numbers:
                    found.append((numbers.pop(answer.transaction), answer))
        assert not asked, "Kea answers no client any more"
        return found

    def _send(self, packet: bytes, kind: int, relay: str, answer: Answer | None) -> int:
        self._transaction += 1
        link = socket.inet_pton(self._inet, relay)
        message = self._family.packets.sent(packet, kind, self._transaction, link, answer)
        self._socket.sendto(message, self._family.server)
        return self._transaction

    def close(self) -> None:
        self._socket.close()
