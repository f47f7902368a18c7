# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real DHCPv6 from many BMCs: each requests an address from the server on this link, by multicast (RFC 8415).

Prints one JSON object for each BMC: its hwaddr, DUID, hostname and the address that it got or null. Needs only Python,
so that it runs on any test host.
"""

from __future__ import annotations

import argparse
import json
import select
import socket
import struct
import sys
import time
from dataclasses import dataclass

SOLICIT, ADVERTISE, REQUEST, REPLY = 1, 2, 3, 7
CLIENT_ID, SERVER_ID, IA_NA, IA_ADDRESS, ELAPSED, CLIENT_FQDN = 1, 2, 3, 5, 8, 39
SERVERS = "ff02::1:2"
TRIES = 5
IAID = 1


@dataclass
class Bmc:
    """One client and the state of its exchange."""

    number: int
    hostname: str
    state: int = SOLICIT
    server: bytes = b""
    address: str | None = None

    @property
    def hwaddr(self) -> bytes:
        return b"\x02\xbc" + struct.pack("!I", self.number)

    @property
    def duid(self) -> bytes:
        """DUID made from the hardware address (DUID-LL)."""
        return struct.pack("!HH", 3, 1) + self.hwaddr

    def result(self) -> dict[str, object]:
        known = {"hwaddr": self.hwaddr.hex(":"), "duid": self.duid.hex(":"), "hostname": self.hostname}
        return {**known, "address": self.address}


def option(code: int, value: bytes) -> bytes:
    return struct.pack("!HH", code, len(value)) + value


def options(data: bytes) -> dict[int, bytes]:
    found = {}
    while len(data) >= 4:
        code, length = struct.unpack("!HH", data[:4])
        found[code] = data[4 : 4 + length]
        data = data[4 + length :]
    return found


def message(bmc: Bmc) -> bytes:
    """Return the next message of a client. Its transaction ID is the client's number, to match the answer."""
    parts = [option(CLIENT_ID, bmc.duid), option(ELAPSED, bytes(2)), option(IA_NA, struct.pack("!III", IAID, 0, 0))]
    parts.append(option(CLIENT_FQDN, b"\x01" + bytes([len(bmc.hostname)]) + bmc.hostname.encode()))
    if bmc.state == REQUEST:
        parts.append(option(SERVER_ID, bmc.server))
    return struct.pack("!I", bmc.state << 24 | bmc.number & 0xFFFFFF) + b"".join(parts)


def address_of(ia: bytes) -> str | None:
    """Return the address in an IA_NA; None if the server has none for the client."""
    found = options(ia[12:]).get(IA_ADDRESS)
    return socket.inet_ntop(socket.AF_INET6, found[:16]) if found else None


def hear(bmcs: dict[int, Bmc], data: bytes) -> Bmc | None:
    """Apply a server's message to its client, and return that client; None if there is nothing to do."""
    [head] = struct.unpack("!I", data[:4])
    kind, bmc, said = head >> 24, bmcs.get(head & 0xFFFFFF), options(data[4:])
    address = address_of(said.get(IA_NA, b""))
    if bmc is None or bmc.address or not address:
        return None
    if (bmc.state, kind) == (SOLICIT, ADVERTISE):
        bmc.state, bmc.server = REQUEST, said[SERVER_ID]
    elif (bmc.state, kind) == (REQUEST, REPLY):
        bmc.address = address
    return bmc


def lease(bmcs: dict[int, Bmc], interface: str) -> None:
    """Run the exchange of all clients; repeat each second for those without an address."""
    index = socket.if_nametoindex(interface)
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as channel:
        channel.bind(("::", 546))
        for _try in range(TRIES):
            asking = [bmc for bmc in bmcs.values() if not bmc.address]
            for bmc in asking:
                channel.sendto(message(bmc), (SERVERS, 547, 0, index))
            due = time.monotonic() + 1
            while any(not bmc.address for bmc in asking) and (left := due - time.monotonic()) > 0:
                if not select.select([channel], [], [], left)[0]:
                    continue
                heard = hear(bmcs, channel.recv(4096))
                if heard and not heard.address:
                    channel.sendto(message(heard), (SERVERS, 547, 0, index))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("interface", help="interface on the server's link")
    parser.add_argument("--count", type=int, default=1, help="how many BMCs")
    parser.add_argument("--first", type=int, default=1, help="number of the first BMC, from which its DUID is made")
    given = parser.parse_args()
    numbers = range(given.first, given.first + given.count)
    bmcs = {number & 0xFFFFFF: Bmc(number, f"bmc-{number:05d}") for number in numbers}
    lease(bmcs, given.interface)
    for bmc in bmcs.values():
        print(json.dumps(bmc.result()))
    return 0 if all(bmc.address for bmc in bmcs.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
