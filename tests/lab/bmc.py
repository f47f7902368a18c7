# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real DHCP from many BMCs: each requests a lease from a Kea server through a relay, which is this host (RFC 2131).

Prints one JSON object for each BMC: its hwaddr, hostname, the address that it got or null, when the server
acknowledged it, how often it had to ask, and how often it was refused. Needs only Python, so that it runs on any test
host.
"""

from __future__ import annotations

import argparse
import contextlib
import heapq
import json
import select
import socket
import struct
import sys
import time
from dataclasses import dataclass
from typing import Iterator

DISCOVER, OFFER, REQUEST, DECLINE, ACK, NAK, RELEASE = 1, 2, 3, 4, 5, 6, 7
MAGIC = b"\x63\x82\x53\x63"
MESSAGE_TYPE, HOSTNAME, REQUESTED_ADDRESS, SERVER_ID, END = 53, 12, 50, 54, 255


@dataclass
class Bmc:
    """One client and the state of its exchange."""

    number: int
    hostname: str
    state: int = DISCOVER
    tries: int = 0
    refused: int = 0
    renewing: bool = False
    anonymous: bool = False
    """Whether it sends no hardware address."""
    options: tuple[tuple[int, bytes], ...] = ()
    """Further DHCP options that it sends."""
    address: bytes = b""
    server: bytes = b""
    acknowledged: float | None = None

    @property
    def hwaddr(self) -> bytes:
        return b"\x02\xbc" + struct.pack("!I", self.number)

    def result(self) -> dict[str, object]:
        return {
            "hwaddr": self.hwaddr.hex(":"),
            "hostname": self.hostname,
            "address": socket.inet_ntoa(self.address) if self.acknowledged else None,
            "acknowledged": self.acknowledged,
            "tries": self.tries,
            "refused": self.refused,
        }


def packet(bmc: Bmc, kind: int, relay: bytes, secs: int = 0) -> bytes:
    """Return a DHCP message as the relay forwards it. ``secs`` are those since the client began."""
    renewal = bmc.renewing and kind == REQUEST
    client = bmc.address if renewal or kind == RELEASE else bytes(4)
    length = 0 if bmc.anonymous else 6
    header = struct.pack("!BBBBIHH4s4s4s4s", 1, 1, length, 1, bmc.number, secs, 0, client, bytes(4), bytes(4), relay)
    options = [(MESSAGE_TYPE, bytes([kind])), (HOSTNAME, bmc.hostname.encode()), *bmc.options]
    if kind in (REQUEST, DECLINE) and not renewal:
        options.append((REQUESTED_ADDRESS, bmc.address))
    if kind in (REQUEST, DECLINE, RELEASE) and not renewal:
        options.append((SERVER_ID, bmc.server))
    encoded = b"".join(bytes([code, len(value)]) + value for code, value in options if value)
    return header + bmc.hwaddr[:length].ljust(16, b"\0") + bytes(192) + MAGIC + encoded + bytes([END])


def parse(data: bytes) -> tuple[int, int, bytes, bytes]:
    """Return transaction, message type, offered address and server of a reply."""
    options = {}
    rest = data[240:]
    while rest and rest[0] != END:
        if rest[0] == 0:
            rest = rest[1:]
            continue
        options[rest[0]] = rest[2 : 2 + rest[1]]
        rest = rest[2 + rest[1] :]
    number = struct.unpack("!I", data[4:8])[0]
    return number, options.get(MESSAGE_TYPE, b"\0")[0], data[16:20], options.get(SERVER_ID, b"")


class Relay:
    """Relay that sends for all BMCs on one socket and passes the answers to them."""

    def __init__(self, server: str, address: str = "") -> None:
        """``address`` is one of this host's; by default the one that faces the server."""
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.socket.connect((server, 67))
        address = address or self.socket.getsockname()[0]
        self.socket.close()
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        # Several relays may run on one host; each receives the answers of its own server.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind((address, 67))
        self.socket.connect((server, 67))
        self.address = socket.inet_aton(address)

    def send(self, bmc: Bmc, kind: int) -> None:
        with contextlib.suppress(ConnectionRefusedError):  # the server does not listen; the BMC asks again later
            self.socket.send(packet(bmc, kind, self.address))

    def replies(self, timeout: float) -> Iterator[tuple[int, int, bytes, bytes]]:
        while select.select([self.socket], [], [], max(0.0, timeout))[0]:
            timeout = 0
            with contextlib.suppress(ConnectionRefusedError):
                yield parse(self.socket.recv(2048))

    def lease(self, bmcs: list[Bmc], rate: float, retry_after: float, tries: int) -> None:
        """Run the exchange of every BMC: start ``rate`` of them a second, repeat after ``retry_after`` seconds.

        Each sends at most so many ``tries``.
        """
        start = time.monotonic()
        due = [(start + index / rate, bmc.number) for index, bmc in enumerate(bmcs)]
        heapq.heapify(due)
        known = {bmc.number: bmc for bmc in bmcs}
        waiting = len(bmcs)
        while waiting and due:
            for number, kind, address, server in self.replies(due[0][0] - time.monotonic()):
                bmc = known.get(number)
                if bmc is None or bmc.acknowledged:
                    continue
                if kind == OFFER and bmc.state == DISCOVER:
                    bmc.state, bmc.address, bmc.server = REQUEST, address, server
                    self.send(bmc, REQUEST)
                elif kind == ACK and bmc.state == REQUEST:
                    bmc.address, bmc.acknowledged = address, time.time()
                    waiting -= 1
                elif kind == NAK:
                    bmc.state, bmc.renewing = DISCOVER, False
                    bmc.refused += 1
            while due and due[0][0] <= time.monotonic():
                bmc = known[heapq.heappop(due)[1]]
                if bmc.acknowledged:
                    continue
                if bmc.tries == tries:
                    waiting -= 1
                    continue
                bmc.tries += 1
                self.send(bmc, bmc.state)
                heapq.heappush(due, (time.monotonic() + retry_after, bmc.number))


def option(text: str) -> tuple[int, bytes]:
    """Read CODE:HEX."""
    code, value = text.split(":")
    return int(code), bytes.fromhex(value)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("server", help="address of the Kea server")
    parser.add_argument("--count", type=int, default=1, help="how many BMCs")
    parser.add_argument("--first", type=int, default=1, help="number of the first BMC, from which its hwaddr is made")
    parser.add_argument("--rate", type=float, default=100, help="how many BMCs begin each second")
    parser.add_argument("--hostname", default="bmc-{number:05d}", help="pattern of their host names")
    parser.add_argument("--release", action="store_true", help="release the address at once (DHCPRELEASE)")
    parser.add_argument("--decline", action="store_true", help="report the address as in use elsewhere (DHCPDECLINE)")
    parser.add_argument("--renew", metavar="ADDRESS", help="renew this address, as one BMC that has it")
    parser.add_argument("--retry-after", type=float, default=1, help="seconds between tries")
    parser.add_argument("--tries", type=int, default=5, help="how often a BMC asks before it gives up")
    parser.add_argument(
        "--relay", default="", help="address of this host that the relay uses; the subnet follows from it"
    )
    parser.add_argument("--no-hwaddr", action="store_true", help="send no hardware address; an --option 61 is needed")
    parser.add_argument(
        "--option", action="append", default=[], type=option, metavar="CODE:HEX", help="another DHCP option to send"
    )
    options = parser.parse_args()
    numbers = range(options.first, options.first + options.count)
    bmcs = [Bmc(number, options.hostname.format(number=number)) for number in numbers]
    if options.renew:
        bmcs = [Bmc(options.first, bmcs[0].hostname, REQUEST, renewing=True, address=socket.inet_aton(options.renew))]
    for bmc in bmcs:
        bmc.options, bmc.anonymous = tuple(options.option), options.no_hwaddr
    relay = Relay(options.server, options.relay)
    relay.lease(bmcs, options.rate, options.retry_after, options.tries)
    for bmc in bmcs:
        if (options.release or options.decline) and bmc.acknowledged:
            relay.send(bmc, RELEASE if options.release else DECLINE)
        print(json.dumps(bmc.result()))
    return 0 if all(bmc.acknowledged for bmc in bmcs) else 1


if __name__ == "__main__":
    sys.exit(main())
