# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the packets of both families have in common."""

from __future__ import annotations

import random
from typing import NamedTuple, Protocol, Sequence


class Answer(NamedTuple):
    """An answer of the server."""

    transaction: int
    kind: int
    server: bytes
    addresses: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()
    """Delegated ones, without their lengths."""
    held: bytes = b""
    """What the client sends later to say what it holds: an address, or identity associations of DHCPv6."""


class Kinds(NamedTuple):
    """The types of the messages of an exchange, in its order."""

    ask: int
    offered: int
    request: int
    granted: int
    renew: int
    decline: int
    release: int


class Packets(Protocol):
    """The module of a family. An input is the packet that begins an exchange; later messages are made of it."""

    KINDS: Kinds

    def random_packet(self, chance: random.Random, known: Sequence[bytes]) -> bytes:
        """Return a packet: mostly one that Kea answers."""

    def well_behaved(self, number: int) -> bytes:
        """Return the packet of a client that must be served whatever the others send."""

    def sent(self, packet: bytes, kind: int, transaction: int, relay: bytes, answer: Answer | None = None) -> bytes:
        """Return a message of the exchange that begins with this packet, as its relay forwards it."""

    def parse(self, data: bytes) -> Answer:
        """Return what an answer says."""
