# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: a DHCPv6 client (RFC 8415) for the Kea on its own host; this host also acts as its relay.

The relay sends to the link-local address of Kea's interface, which is this host's own, so no packet leaves the host.
It asks for the answer on the port that it sends from (RFC 8357), so it does not need port 547, which Kea or another
relay may have (tried with 2.2, 2.6 and 3.0). It names the subnet by its address on the link, and tells the client's
hardware address (RFC 6939).
"""

from __future__ import annotations

import ipaddress
import socket
import struct
from typing import Any, Dict, Optional

from . import dhcp

SOLICIT, ADVERTISE, REQUEST, REPLY, RELEASE, RELAY_FORW, RELAY_REPL = 1, 2, 3, 7, 8, 12, 13
IAID = 1
"""Of the client's only identity association."""

_NAMES = {SOLICIT: "SOLICIT", REQUEST: "REQUEST"}
_CLIENT_ID, _SERVER_ID, _IA_NA, _IA_ADDRESS, _ELAPSED, _RELAYED, _STATUS = 1, 2, 3, 5, 8, 9, 13
_CLIENT_LINK_LAYER, _RELAY_PORT = 79, 135
_ETHERNET = struct.pack("!H", 1)
_DUID_LL = struct.pack("!H", 3)
_SERVERS = "ff02::1:2"
_PORT = 547
_RELAYED_HEADER = 34
_TRANSACTION = 0x4B4541
_PEER = socket.inet_pton(socket.AF_INET6, "fe80::1")
"""Address of the client on its link. It tells no hardware address, which the relay does."""

Options = Dict[int, bytes]


def duid(hwaddr: bytes) -> bytes:
    """Return the DUID that the client makes of its hardware address (DUID-LL)."""
    return _DUID_LL + _ETHERNET + hwaddr


class Client:
    """A client with one hardware address."""

    def __init__(self, interface: str, hwaddr: bytes, link: bytes) -> None:
        """Open a socket. ``link`` is an address in the wanted subnet. Raises ProbeError."""
        self._hwaddr, self._link = hwaddr, link
        self._server = b""
        try:
            address, _port, flow, scope = _own_address(interface)
            self._kea = (address, _PORT, flow, scope)
            self._socket = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
            self._socket.bind((address, 0, flow, scope))
        except OSError as error:
            raise dhcp.unusable(interface, error) from error

    def lease(self, timeout: float) -> bytes:
        """Return the address that Kea assigns; ``timeout`` is in seconds for each answer. Raises ProbeError."""
        advertised = self._ask(SOLICIT, ADVERTISE, timeout, _association())
        self._server = advertised.get(_SERVER_ID, b"")
        return _address(self._ask(REQUEST, REPLY, timeout, _association(_address(advertised))))

    def release(self, address: bytes) -> None:
        """Release the address, without waiting for Kea's answer."""
        self._send(RELEASE, _association(address))

    def _ask(self, kind: int, wanted: int, timeout: float, association: bytes) -> Options:
        self._send(kind, association)
        return dhcp.answer(self._socket, lambda data: _parse(data, wanted), _NAMES[kind], timeout)

    def _send(self, kind: int, association: bytes) -> None:
        parts = [_option(_CLIENT_ID, duid(self._hwaddr)), _option(_ELAPSED, bytes(2)), association]
        if self._server:
            parts.append(_option(_SERVER_ID, self._server))
        message = struct.pack("!I", kind << 24 | _TRANSACTION) + b"".join(parts)
        told = _option(_CLIENT_LINK_LAYER, _ETHERNET + self._hwaddr) + _option(_RELAY_PORT, bytes(2))
        relayed = bytes([RELAY_FORW, 0]) + self._link + _PEER + told + _option(_RELAYED, message)
        self._socket.sendto(relayed, self._kea)


def _own_address(interface: str) -> Any:
    """Return the socket address of this host that DHCPv6 messages on an interface come from. Raises OSError."""
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as channel:
        channel.connect((_SERVERS, _PORT, 0, socket.if_nametoindex(interface)))
        found = channel.getsockname()
    if not ipaddress.IPv6Address(found[0].split("%", 1)[0]).is_link_local:
        raise OSError("it has no link-local address")
    return found


def _parse(data: bytes, wanted: int) -> Optional[Options]:
    """Return the options of Kea's message to the client; None if it is no answer of this kind."""
    if data[:1] != bytes([RELAY_REPL]):
        return None
    message = _options(data[_RELAYED_HEADER:]).get(_RELAYED, b"")
    return _options(message[4:]) if message[:4] == struct.pack("!I", wanted << 24 | _TRANSACTION) else None


def _address(said: Options) -> bytes:
    """Return the address in Kea's message. Raises ProbeError with Kea's reason if it has none."""
    association = _options(said.get(_IA_NA, b"")[12:])
    if _IA_ADDRESS in association:
        return association[_IA_ADDRESS][:16]
    reason = (association.get(_STATUS) or said.get(_STATUS, b""))[2:].decode("utf-8", "replace")
    raise dhcp.ProbeError(f"Kea assigns no address: {reason}")


def _association(address: bytes = b"") -> bytes:
    """Return the option of the identity association, with its address if it has one."""
    held = _option(_IA_ADDRESS, address + bytes(8)) if address else b""
    return _option(_IA_NA, struct.pack("!III", IAID, 0, 0) + held)


def _option(code: int, value: bytes) -> bytes:
    return struct.pack("!HH", code, len(value)) + value


def _options(rest: bytes) -> Options:
    found = {}
    while len(rest) >= 4:
        code, length = struct.unpack("!HH", rest[:4])
        found[code] = rest[4 : 4 + length]
        rest = rest[4 + length :]
    return found
