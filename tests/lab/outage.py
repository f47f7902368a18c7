# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure when a Kea server does not answer: every 20 ms one client renews its lease through a relay (RFC 2131).

Many clients take turns, because a multi-threaded Kea drops a client's request while it handles the previous one. So
only an answer that takes 5 s makes Kea drop the next request, also on a machine with other work.

Exits on SIGTERM (its process ID is in /run/outage-RELAY.pid). Prints when each request without an answer was sent, in
seconds since the epoch; the addresses that the clients got at first; how many requests had an answer; which of these
were refused (DHCPNAK) or had another address; and the longest wait in seconds.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import struct
import sys
import time

DISCOVER, REQUEST = 1, 3
INTERVAL = 0.02
PATIENCE = 5.0
"""Seconds to wait for the last answers."""
CLIENTS = 250


def message(kind: int, number: int, relay: bytes, client: bytes, selected: bytes = b"") -> bytes:
    """Return a DHCP message. C(selected): the options that accept an offer."""
    header = struct.pack("!BBBBIHH4s4s4s4s", 1, 1, 6, 1, number, 0, 0, client, bytes(4), bytes(4), relay)
    options = bytes([53, 1, kind]) + selected
    hwaddr = b"\x02\xcc\x00\x00\x00" + bytes([1 + number % CLIENTS])
    return header + hwaddr.ljust(16, b"\0") + bytes(192) + b"\x63\x82\x53\x63" + options + b"\xff"


class Client:
    def __init__(self, server: str, relay: str) -> None:
        self.server, self.relay = (server, 67), socket.inet_aton(relay)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((relay, 67))
        self.sent: dict[int, float] = {}
        self.addresses: list[bytes] = []
        self.answered = 0
        self.naks: list[float] = []
        self.lost: list[float] = []
        self.longest = 0.0

    def ask(self, kind: int, number: int, selected: bytes) -> bytes:
        """Return an offered or acknowledged address. Repeats the request until there is one."""
        while True:
            self.socket.sendto(message(kind, number, self.relay, bytes(4), selected), self.server)
            while select.select([self.socket], [], [], 1.0)[0]:
                answered, address = self.answer()
                if answered == number:
                    return address

    def answer(self) -> tuple[int, bytes]:
        """Receive an answer. Return the number of its request and the address, which is zero in a refusal (DHCPNAK)."""
        data = self.socket.recv(2048)
        return struct.unpack("!I", data[4:8])[0], data[16:20]

    def lease(self, number: int) -> bytes:
        offered = self.ask(DISCOVER, number, b"")
        return self.ask(REQUEST, number, bytes([50, 4]) + offered + bytes([54, 4]) + socket.inet_aton(self.server[0]))

    def receive(self, seconds: float) -> None:
        due = time.monotonic() + seconds
        while select.select([self.socket], [], [], max(0.0, due - time.monotonic()))[0]:
            number, address = self.answer()
            sent = self.sent.pop(number, None)
            if sent is not None:
                self.answered += 1
                if address != self.addresses[number % CLIENTS]:
                    (self.lost if any(address) else self.naks).append(sent)
                self.longest = max(self.longest, time.time() - sent)


def main() -> None:
    server, relay = sys.argv[1:]
    client = Client(server, relay)
    client.addresses = [client.lease(number) for number in range(CLIENTS)]
    running = True

    def stop(*_: object) -> None:
        nonlocal running
        running = False

    signal.signal(signal.SIGTERM, stop)
    with open(f"/run/outage-{relay}.pid", "w", encoding="ascii") as file:
        file.write(str(os.getpid()))
    number = CLIENTS
    while running:
        number += 1
        client.sent[number] = time.time()
        client.socket.sendto(message(REQUEST, number, client.relay, client.addresses[number % CLIENTS]), client.server)
        client.receive(INTERVAL)
    client.receive(PATIENCE)
    told = {"answered": client.answered, "naks": client.naks, "lost": client.lost, "longest": client.longest}
    addresses = [socket.inet_ntoa(address) for address in client.addresses]
    print(json.dumps({"refused": sorted(client.sent.values()), "addresses": addresses, **told}))


if __name__ == "__main__":
    main()
