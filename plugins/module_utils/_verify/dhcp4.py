# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: a DHCPv4 client (RFC 2131) for the Kea on its own host; this host also acts as its relay.

Kea reads every frame on its interface, also those that its host sends (PF_PACKET with ETH_P_ALL; tried with 2.2, 2.6
and 3.0). Source and destination of each frame are the interface's own hardware address, so a switch drops it: it would
have to return to its port. The relay names the subnet (link selection, RFC 3527).
"""

from __future__ import annotations

import fcntl
import socket
import struct
from typing import Dict, NamedTuple, Optional

from . import dhcp

DISCOVER, OFFER, REQUEST, ACK, RELEASE = 1, 2, 3, 5, 7
_MAGIC = b"\x63\x82\x53\x63"
_TYPE, _REQUESTED, _SERVER, _RELAY, _END = 53, 50, 54, 82, 255
_LINK_SELECTION = 5
_PORT = 67
_GET_ADDRESS = 0x8915  # SIOCGIFADDR
_ALL_PROTOCOLS = 3  # ETH_P_ALL
_IP, _UDP = 14, 34
"""Offsets of these headers in a frame without IP options; Kea sends none either."""
_DHCP = 42
_TRANSACTION = 0x4B454130


class Answer(NamedTuple):
    """Kea's answer."""

    kind: int
    address: bytes
    server: bytes


class Client:
    """A client with one hardware address."""

    def __init__(self, interface: str, hwaddr: bytes, link: bytes) -> None:
        """Open the interface. ``link`` is an address in the wanted subnet. Raises ProbeError."""
        self._hwaddr, self._link = hwaddr, link
        try:
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ALL_PROTOCOLS))
            self._socket.bind((interface, 0))
            request = struct.pack("256s", interface.encode())
            self._host = fcntl.ioctl(self._socket.fileno(), _GET_ADDRESS, request)[20:24]
        except OSError as error:
            raise dhcp.unusable(interface, error) from error
        self._mac: bytes = self._socket.getsockname()[4]

    def lease(self, timeout: float) -> bytes:
        """Return the address that Kea assigns; ``timeout`` is in seconds for each answer. Raises ProbeError."""
        offer = self._ask(DISCOVER, OFFER, timeout)
        acknowledged = self._ask(REQUEST, ACK, timeout, offer)
        return acknowledged.address

    def release(self, address: bytes) -> None:
        """Release the address; Kea sends no answer."""
        server = Answer(ACK, address, self._host)
        self._socket.send(self._frame(RELEASE, server))

    def _ask(self, kind: int, wanted: int, timeout: float, offer: Optional[Answer] = None) -> Answer:
        self._socket.send(self._frame(kind, offer))
        word = "DHCPDISCOVER" if kind == DISCOVER else "DHCPREQUEST"
        return dhcp.answer(self._socket, lambda frame: self._parse(frame, wanted), word, timeout)

    def _frame(self, kind: int, offer: Optional[Answer]) -> bytes:
        options = bytes([_TYPE, 1, kind])
        if offer and kind == REQUEST:
            options += bytes([_REQUESTED, 4]) + offer.address
        if offer:
            options += bytes([_SERVER, 4]) + offer.server
        options += bytes([_RELAY, 6, _LINK_SELECTION, 4]) + self._link + bytes([_END])
        client = offer.address if offer and kind == RELEASE else bytes(4)
        addresses = (client, bytes(4), bytes(4), self._host, self._hwaddr.ljust(16, b"\0"))
        header = struct.pack("!BBBBIHH4s4s4s4s16s192x4s", 1, 1, 6, 1, _TRANSACTION, 0, 0, *addresses, _MAGIC)
        data = (header + options).ljust(300, b"\0")
        return self._mac + self._mac + b"\x08\x00" + self._packet(data)

    def _packet(self, data: bytes) -> bytes:
        """Return the IP packet; its UDP checksum is 0, which means none."""
        udp = struct.pack("!HHHH", _PORT, _PORT, 8 + len(data), 0) + data
        head = struct.pack(
            "!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 1, 0, 64, socket.IPPROTO_UDP, 0, self._host, self._host
        )
        total = sum(struct.unpack("!10H", head))
        total = (total >> 16) + (total & 0xFFFF)
        return head[:10] + struct.pack("!H", ~(total + (total >> 16)) & 0xFFFF) + head[12:] + udp

    def _parse(self, frame: bytes, wanted: int) -> Optional[Answer]:
        """Return the answer in a frame; None if the frame is no answer of this kind to this client."""
        data = frame[_DHCP:]
        is_ours = (
            len(data) > 240
            and frame[12:14] == b"\x08\x00"
            and frame[_IP + 9] == socket.IPPROTO_UDP
            and data[0] == 2
            and data[4:8] == struct.pack("!I", _TRANSACTION)
            and data[28:34] == self._hwaddr
        )
        if not is_ours:
            return None
        options = _options(data[240:])
        found = Answer(options.get(_TYPE, b"\0")[0], data[16:20], options.get(_SERVER, b""))
        return found if found.kind == wanted else None


def _options(rest: bytes) -> Dict[int, bytes]:
    found = {}
    while rest and rest[0] != _END:
        if rest[0] == 0:
            rest = rest[1:]
            continue
        found[rest[0]] = rest[2 : 2 + rest[1]]
        rest = rest[2 + rest[1] :]
    return found
