# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packets of DHCPv4 clients: random ones, mostly valid, whose names and identifiers are hostile.

An input is a whole DHCPDISCOVER as a client sends it. Transaction and relay are set when it is sent. The message type
is the first option, so that the later messages of the exchange can be made of any input.
"""

from __future__ import annotations

import random
import socket
import struct
from typing import Sequence

from hostile import LONGEST, NAMES, WELL_BEHAVED, domain, hwaddr, noise, sentinel, text
from messages import Answer, Kinds
from mutation import TOKENS, mutated

DISCOVER, OFFER, REQUEST, DECLINE, ACK, RELEASE = 1, 2, 3, 4, 5, 7
KINDS = Kinds(DISCOVER, OFFER, REQUEST, ACK, REQUEST, DECLINE, RELEASE)

_MAGIC = b"\x63\x82\x53\x63"
_TYPE_AT = 242
"""Where the message type is: after the header, the magic number, the option's code and its length."""
_OPTIONS_AT = _TYPE_AT + 1
_END = 255
_HOSTNAME, _REQUESTED, _SERVER, _VENDOR_CLASS, _CLIENT_ID, _USER_CLASS, _FQDN, _RELAY = 12, 50, 54, 60, 61, 77, 81, 82
_OVERLOAD, _PARAMETERS, _VENDOR_IDENTIFYING = 52, 55, 124


def discover(hardware: bytes, options: Sequence[tuple[int, bytes]], htype: int = 1, hlen: int | None = None) -> bytes:
    """Return a packet. ``options`` follow the message type. A value of more than 255 octets is split (RFC 3396)."""
    length = len(hardware) if hlen is None else hlen
    header = struct.pack("!BBBBIHH4s4s4s4s", 1, htype, length, 1, 0, 0, 0, *[bytes(4)] * 4)
    return header + hardware[:16].ljust(16, b"\0") + bytes(192) + _MAGIC + _encoded([(53, bytes([DISCOVER])), *options])


def _encoded(options: Sequence[tuple[int, bytes]]) -> bytes:
    parts = [(code, value[at : at + 255]) for code, value in options for at in range(0, max(1, len(value)), 255)]
    return b"".join(bytes([code, len(part)]) + part for code, part in parts) + bytes([_END])


def well_behaved(number: int) -> bytes:
    """Return the packet of a client that must be served whatever the others send."""
    return discover(sentinel(number), [(_HOSTNAME, WELL_BEHAVED + b"-%d" % number)])


def random_packet(chance: random.Random, known: Sequence[bytes]) -> bytes:
    """Return a packet: mostly one that Kea answers."""
    if known and chance.random() < 0.1:
        packet = chance.choice(known)
    else:
        packet = discover(hwaddr(chance), _options(chance), *_hardware(chance))
    if chance.random() < 0.15:
        packet = packet[:_OPTIONS_AT] + mutated(chance, packet[_OPTIONS_AT:], (*TOKENS, *NAMES))
    return packet[:LONGEST]


def _hardware(chance: random.Random) -> tuple[int, int | None]:
    """Return hardware type and length; None for the length that the address has."""
    if chance.random() < 0.9:
        return 1, None
    return chance.choice((0, 1, 6, 32, 255)), chance.choice((None, 0, 1, 8, 15, 16, 17, 20, 21, 255))


def _options(chance: random.Random) -> list[tuple[int, bytes]]:
    kinds = {
        _HOSTNAME: (0.7, text),
        _FQDN: (0.3, _fqdn),
        _CLIENT_ID: (0.5, _client_id),
        _VENDOR_CLASS: (0.3, text),
        _USER_CLASS: (0.1, text),
        _RELAY: (0.5, _relay),
        _VENDOR_IDENTIFYING: (0.1, noise),
        _PARAMETERS: (0.3, noise),
        _OVERLOAD: (0.02, noise),
        chance.randrange(1, _END): (0.1, noise),
    }
    found = [(code, make(chance)) for code, (share, make) in kinds.items() if chance.random() < share]
    found = [(code, value) for code, value in found if code not in (53, _REQUESTED, _SERVER)]
    chance.shuffle(found)
    return found


def _fqdn(chance: random.Random) -> bytes:
    """Return flags, both return codes and a name, in the form of DNS or of ASCII."""
    flags = chance.choice((0, 1, 4, 5, 4, 5, 8, 0x0F, 255))
    return bytes([flags, chance.randrange(256), 0]) + domain(chance)


def _client_id(chance: random.Random) -> bytes:
    octets = chance.randbytes(chance.choice((0, 1, 6, 7, 20, 127, 128, 254, 300)))
    return chance.choice((b"\x01" + hwaddr(chance), b"\0" + text(chance), b"\xff" + octets, octets))


def _relay(chance: random.Random) -> bytes:
    """Return circuit-id, remote-id and others; the lengths are sometimes wrong."""
    codes = chance.sample((1, 2, 2, 5, 9, 12, 151, 152, 200), chance.choice((1, 1, 2, 3)))
    parts = [(code, text(chance) if chance.random() < 0.7 else chance.randbytes(6)) for code in codes]
    wrong = chance.choice((0, 0, 0, 0, 1, -1, 200))
    return b"".join(bytes([code, max(0, min(255, len(part) + wrong))]) + part for code, part in parts)[:255]


def sent(packet: bytes, kind: int, transaction: int, relay: bytes, answer: Answer | None = None) -> bytes:
    """Return a message of the exchange that begins with this packet, as its relay forwards it."""
    data = bytearray(packet)
    data[3] = 1
    data[4:8] = struct.pack("!I", transaction)
    data[24:28] = relay
    if len(data) > _TYPE_AT:
        data[_TYPE_AT] = kind
    if answer and kind in (REQUEST, DECLINE):
        data[_OPTIONS_AT:_OPTIONS_AT] = bytes([_REQUESTED, 4]) + answer.held
    if answer:
        data[_OPTIONS_AT:_OPTIONS_AT] = bytes([_SERVER, 4]) + answer.server
    if answer and kind == RELEASE:
        data[12:16] = answer.held
    return bytes(data)


def parse(data: bytes) -> Answer:
    """Return what an answer says."""
    options: dict[int, bytes] = {}
    rest = data[_TYPE_AT - 2 :]
    while rest and rest[0] != _END:
        if rest[0]:
            options[rest[0]] = rest[2 : 2 + rest[1]]
        rest = rest[2 + rest[1] :] if rest[0] else rest[1:]
    number = struct.unpack("!I", data[4:8])[0]
    address = data[16:20]
    kind, server = options.get(53, b"\0")[0], options.get(_SERVER, b"")
    return Answer(number, kind, server, (socket.inet_ntoa(address),), held=address)
