# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When exactly a Kea server does not answer: one client that renews its lease every 20 ms, through a relay (RFC 2131).

Ends on SIGTERM (its process is in /run/outage-RELAY.pid). Prints when each request without an answer was sent, in
seconds since the epoch, how many had one, and the longest wait for one.
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
"""Seconds after which an answer does not come any more."""
HWADDR = b"\x02\xcc\x00\x00\x00\x01"


def message(kind: int, number: int, relay: bytes, client: bytes, selected: bytes = b"") -> bytes:
    """C(selected): the options that accept an offer."""
    header = struct.pack("!BBBBIHH4s4s4s4s", 1, 1, 6, 1, number, 0, 0, client, bytes(4), bytes(4), relay)
    options = bytes([53, 1, kind]) + selected
    return header + HWADDR.ljust(16, b"\0") + bytes(192) + b"\x63\x82\x53\x63" + options + b"\xff"


class Client:
    def __init__(self, server: str, relay: str) -> None:
        self.server, self.relay = (server, 67), socket.inet_aton(relay)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((relay, 67))
        self.sent: dict[int, float] = {}
        self.answered = 0
        self.longest = 0.0

    def ask(self, kind: int, number: int, selected: bytes) -> bytes:
        """An offered or acknowledged address; asks until there is one."""
        while True:
            self.socket.sendto(message(kind, number, self.relay, bytes(4), selected), self.server)
            if select.select([self.socket], [], [], 1.0)[0]:
                return self.socket.recv(2048)[16:20]

    def lease(self) -> bytes:
        offered = self.ask(DISCOVER, 1, b"")
        return self.ask(REQUEST, 2, bytes([50, 4]) + offered + bytes([54, 4]) + socket.inet_aton(self.server[0]))

    def receive(self, seconds: float) -> None:
        due = time.monotonic() + seconds
        while select.select([self.socket], [], [], max(0.0, due - time.monotonic()))[0]:
            number = struct.unpack("!I", self.socket.recv(2048)[4:8])[0]
            sent = self.sent.pop(number, None)
            if sent is not None:
                self.answered += 1
                self.longest = max(self.longest, time.time() - sent)


def main() -> None:
    server, relay = sys.argv[1:]
    client = Client(server, relay)
    address = client.lease()
    running = True

    def stop(*_: object) -> None:
        nonlocal running
        running = False

    signal.signal(signal.SIGTERM, stop)
    with open(f"/run/outage-{relay}.pid", "w", encoding="ascii") as file:
        file.write(str(os.getpid()))
    number = 10
    while running:
        number += 1
        client.sent[number] = time.time()
        client.socket.sendto(message(REQUEST, number, client.relay, address), client.server)
        client.receive(INTERVAL)
    client.receive(PATIENCE)
    print(json.dumps({"refused": sorted(client.sent.values()), "answered": client.answered, "longest": client.longest}))


if __name__ == "__main__":
    main()
