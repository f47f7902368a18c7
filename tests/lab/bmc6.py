# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real DHCPv6 from many BMCs: each requests an address from the server on this link, by multicast (RFC 8415).

Each then has the server confirm the address, as after a loss of its link. With --relay, this program is the relay of
the BMCs and tells their hardware addresses (RFC 6939). With --prefix, it takes an address of that prefix only: hosts of
other scenarios are on this link too, and their servers answer as well.

Prints one JSON object for each BMC: its hwaddr, DUID, hostname and the address that it got or null, whether the server
confirmed that, and what is wrong with it. Exits with 1 if anything is wrong. Needs only Python, so that it runs on any
test host.
"""

from __future__ import annotations

import argparse
import ipaddress
import json
import select
import socket
import struct
import sys
import time
from dataclasses import dataclass

SOLICIT, ADVERTISE, REQUEST, CONFIRM, REPLY, RELAY_FORW, RELAY_REPL = 1, 2, 3, 4, 7, 12, 13
CLIENT_ID, SERVER_ID, IA_NA, IA_ADDRESS, ELAPSED, RELAYED, STATUS, CLIENT_FQDN = 1, 2, 3, 5, 8, 9, 13, 39
CLIENT_LINK_LAYER = 79
INTERFACE_ID, REMOTE_ID = 18, 37
PORT, SWITCH = b"port 7", b"rack-7"
"""What the relay tells of all its clients."""
CLIENT_PORT, SERVER_PORT = 546, 547
SUCCESS = bytes(2)
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
    lifetime: int = 0
    """Seconds for which the address is valid."""
    confirmed: bool = False

    @property
    def hwaddr(self) -> bytes:
        return b"\x02\xbc" + struct.pack("!I", self.number)

    @property
    def duid(self) -> bytes:
        """DUID made from the hardware address (DUID-LL)."""
        return struct.pack("!HH", 3, 1) + self.hwaddr

    def result(self) -> dict[str, object]:
        known = {"hwaddr": self.hwaddr.hex(":"), "duid": self.duid.hex(":"), "hostname": self.hostname}
        return {**known, "address": self.address, "confirmed": self.confirmed}


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
    held = b""
    if bmc.state == CONFIRM and bmc.address:
        held = option(IA_ADDRESS, socket.inet_pton(socket.AF_INET6, bmc.address) + bytes(8))
    parts = [option(CLIENT_ID, bmc.duid), option(ELAPSED, bytes(2))]
    parts.append(option(IA_NA, struct.pack("!III", IAID, 0, 0) + held))
    parts.append(option(CLIENT_FQDN, b"\x01" + bytes([len(bmc.hostname)]) + bmc.hostname.encode()))
    if bmc.state == REQUEST:
        parts.append(option(SERVER_ID, bmc.server))
    return struct.pack("!I", bmc.state << 24 | bmc.number & 0xFFFFFF) + b"".join(parts)


def relayed(bmc: Bmc, link: str) -> bytes:
    """Return the next message of a client as a relay forwards it; ``link`` is its address on the client's link."""
    peer = b"\xfe\x80" + bytes(8) + bmc.hwaddr
    head = bytes([RELAY_FORW, 0]) + socket.inet_pton(socket.AF_INET6, link) + peer
    hwaddr = option(CLIENT_LINK_LAYER, struct.pack("!H", 1) + bmc.hwaddr)
    place = option(INTERFACE_ID, PORT) + option(REMOTE_ID, struct.pack("!I", 9) + SWITCH)
    return head + hwaddr + place + option(RELAYED, message(bmc))


def unwrapped(data: bytes) -> bytes:
    """Return the message of the server to the client, also from its answer to a relay."""
    return options(data[34:]).get(RELAYED, b"") if data[0] == RELAY_REPL else data


def address_of(ia: bytes) -> tuple[str | None, int]:
    """Return the address in an IA_NA and its valid lifetime in seconds; None if the server has none for the client."""
    found = options(ia[12:]).get(IA_ADDRESS)
    if not found:
        return None, 0
    return socket.inet_ntop(socket.AF_INET6, found[:16]), int.from_bytes(found[20:24], "big")


def hear(bmcs: dict[int, Bmc], data: bytes, prefix: str) -> Bmc | None:
    """Apply a server's message to its client, and return that client; None if there is nothing to do.

    The server of a client is the first one that offers an address in the prefix.
    """
    if len(data) < 4:
        return None
    [head] = struct.unpack("!I", data[:4])
    kind, bmc, said = head >> 24, bmcs.get(head & 0xFFFFFF), options(data[4:])
    address, lifetime = address_of(said.get(IA_NA, b""))
    if bmc is None or bmc.confirmed or (bmc.server and said.get(SERVER_ID) != bmc.server):
        return None
    if (bmc.state, kind) == (SOLICIT, ADVERTISE) and address and _is_in(address, prefix):
        bmc.state, bmc.server = REQUEST, said[SERVER_ID]
    elif (bmc.state, kind) == (REQUEST, REPLY) and address:
        bmc.state, bmc.address, bmc.lifetime = CONFIRM, address, lifetime
    elif (bmc.state, kind) == (CONFIRM, REPLY) and IA_NA not in said:
        # A REPLY to an earlier REQUEST has an IA_NA, and the one to a CONFIRM has only the status.
        bmc.confirmed = said.get(STATUS, b"")[:2] == SUCCESS
    else:
        return None
    return bmc


def _is_in(address: str, prefix: str) -> bool:
    return ipaddress.ip_address(address) in ipaddress.ip_network(prefix)


def lease(bmcs: dict[int, Bmc], interface: str, link: str, prefix: str) -> None:
    """Run the exchange of all clients; repeat each second for those that are not done. Without ``link``, no relay."""
    index = socket.if_nametoindex(interface)
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as channel:

        def send(bmc: Bmc) -> None:
            channel.sendto(relayed(bmc, link) if link else message(bmc), (SERVERS, SERVER_PORT, 0, index))

        channel.bind(("::", SERVER_PORT if link else CLIENT_PORT))
        for _try in range(TRIES):
            asking = [bmc for bmc in bmcs.values() if not bmc.confirmed]
            for bmc in asking:
                send(bmc)
            due = time.monotonic() + 1
            while any(not bmc.confirmed for bmc in asking) and (left := due - time.monotonic()) > 0:
                if not select.select([channel], [], [], left)[0]:
                    continue
                heard = hear(bmcs, unwrapped(channel.recv(4096)), prefix)
                if heard and not heard.confirmed:
                    send(heard)


def problem(bmc: Bmc, bmcs: dict[int, Bmc], prefix: str) -> str:
    """Return what is wrong with the address of a client; empty if nothing is."""
    if not bmc.address:
        return "no address"
    if not _is_in(bmc.address, prefix):
        return f"the address is not in {prefix}"
    if sum(other.address == bmc.address for other in bmcs.values()) > 1:
        return "another client got the same address"
    if not bmc.lifetime:
        return "the address is not valid"
    return "" if bmc.confirmed else "the server does not confirm the address"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("interface", help="interface on the server's link")
    parser.add_argument("--count", type=int, default=1, help="how many BMCs")
    parser.add_argument("--first", type=int, default=1, help="number of the first BMC, from which its DUID is made")
    parser.add_argument(
        "--prefix", default="::/0", help="prefix of the server's addresses, to tell it from other servers"
    )
    parser.add_argument("--relay", default="", metavar="ADDRESS", help="be a relay with this address on the BMCs' link")
    given = parser.parse_args()
    numbers = range(given.first, given.first + given.count)
    bmcs = {number & 0xFFFFFF: Bmc(number, f"bmc-{number:05d}") for number in numbers}
    lease(bmcs, given.interface, given.relay, given.prefix)
    problems = {number: problem(bmc, bmcs, given.prefix) for number, bmc in bmcs.items()}
    for number, bmc in bmcs.items():
        print(json.dumps({**bmc.result(), "problem": problems[number]}))
    return 1 if any(problems.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
