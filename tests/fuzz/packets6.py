# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packets of DHCPv6 clients, as relays forward them: random ones, mostly valid, with hostile names and identifiers.

An input is a whole RELAY-FORW with a client's SOLICIT. Transaction and link are set when it is sent. A client can be a
relay itself: then there are two around its message.
"""

from __future__ import annotations

import random
import socket
import struct
from typing import Callable, Iterable, Iterator, Sequence

import identities6
from hostile import LONGEST, NAMES, WELL_BEHAVED, domain, foreign, hwaddr, noise, sentinel, text
from messages import Answer, Kinds
from mutation import TOKENS, mutated

SOLICIT, ADVERTISE, REQUEST, RENEW, REPLY, RELEASE, DECLINE, RELAY_FORW, RELAY_REPL = 1, 2, 3, 5, 7, 8, 9, 12, 13
KINDS = Kinds(SOLICIT, ADVERTISE, REQUEST, REPLY, RENEW, DECLINE, RELEASE)

_CLIENT_ID, _SERVER_ID, _IA_NA, _IA_TA, _ADDRESS, _REQUESTED, _ELAPSED, _RELAYED = 1, 2, 3, 4, 5, 6, 8, 9
_RAPID_COMMIT, _USER_CLASS, _VENDOR_CLASS, _VENDOR_OPTIONS, _INTERFACE_ID = 14, 15, 16, 17, 18
_IA_PD, _PREFIX, _REMOTE_ID, _SUBSCRIBER_ID, _FQDN, _LINK_LAYER = 25, 26, 37, 38, 39, 79
_LINK_AT, _PEER_AT, _RELAYS_OPTIONS_AT = 2, 18, 34
_OPTIONS_AT = 4
"""Where the options of a client's message are, after its type and its transaction."""


def _option(code: int, value: bytes) -> bytes:
    return struct.pack("!HH", code, len(value) & 0xFFFF) + value


def _encoded(options: Iterable[tuple[int, bytes]]) -> bytes:
    return b"".join(_option(code, value) for code, value in options)


def solicit(options: Iterable[tuple[int, bytes]]) -> bytes:
    """Return a client's message."""
    return struct.pack("!I", SOLICIT << 24) + _encoded(options)


def relayed(message: bytes, peer: bytes, options: Sequence[tuple[int, bytes]] = (), hops: int = 0) -> bytes:
    """Return the message as a relay forwards it that adds these options. ``peer`` is the client's address."""
    head = bytes([RELAY_FORW, hops]) + bytes(16) + peer
    return head + _encoded([*options[::2], (_RELAYED, message), *options[1::2]])


def well_behaved(number: int) -> bytes:
    """Return the packet of a client that must be served whatever the others send.

    The relay of each second one tells its hardware address, which is then the client's name in the inventory. Its DUID
    does not have that address: hostile clients send one that has it.
    """
    own = sentinel(number)
    associations = [(_IA_NA, struct.pack("!III", 1, 0, 0)), (_IA_PD, struct.pack("!III", 1, 0, 0))]
    name = WELL_BEHAVED + b"-%d" % number
    options = [(_CLIENT_ID, b"\0\2\0\0\0\0" + name), *associations, (_FQDN, bytes([0, len(name)]) + name)]
    return relayed(solicit(options), identities6.link_local(own), [] if number % 2 else [(_LINK_LAYER, b"\0\1" + own)])


def random_packet(chance: random.Random, known: Sequence[bytes]) -> bytes:
    """Return a packet: mostly one that Kea answers."""
    if known and chance.random() < 0.1:
        packet = chance.choice(known)
    else:
        own = hwaddr(chance)
        peer = identities6.peer(chance, own)
        packet = solicit(_options(chance, own))
        if chance.random() < 0.05:
            packet = relayed(packet, peer, _relay(chance, own), chance.choice((0, 1, 7, 8, 31, 32, 255)))
        packet = relayed(packet, peer, _relay(chance, own))
    if chance.random() < 0.08:
        packet = _within(packet, lambda message: message[:_OPTIONS_AT] + _mutated(chance, message[_OPTIONS_AT:]))
    if chance.random() < 0.04:
        packet = packet[:_RELAYS_OPTIONS_AT] + _mutated(chance, packet[_RELAYS_OPTIONS_AT:])
    return packet[:LONGEST]


def _mutated(chance: random.Random, options: bytes) -> bytes:
    return mutated(chance, options, (*TOKENS, *NAMES))


def _options(chance: random.Random, own: bytes) -> list[tuple[int, bytes]]:
    kinds: dict[int, tuple[float, Callable[[random.Random], bytes]]] = {
        _FQDN: (0.7, lambda chance: chance.choice((b"\0", b"\1", b"\2", b"\4", b"\xfa", b"\xff")) + domain(chance)),
        _VENDOR_CLASS: (0.3, lambda chance: chance.randbytes(4) + _items(chance)),
        _USER_CLASS: (0.1, _items),
        _VENDOR_OPTIONS: (0.1, lambda chance: chance.randbytes(4) + _encoded([(1, text(chance))])),
        _REQUESTED: (0.3, lambda chance: chance.randbytes(chance.choice((2, 2, 10, 64, 300, 7)))),
        _ELAPSED: (0.5, lambda chance: chance.choices((b"\0\0", b"\xff\xff", b""), (9, 9, 1))[0]),
        _RAPID_COMMIT: (0.1, lambda chance: b""),
        # Of a client's own message it proves nothing.
        _LINK_LAYER: (0.1, lambda chance: b"\0\1" + foreign(chance)),
        chance.randrange(200): (0.1, noise),
    }
    found = [(code, make(chance)) for code, (share, make) in kinds.items() if chance.random() < share]
    found = [(code, value) for code, value in found if code not in (_CLIENT_ID, _SERVER_ID)]
    found.append((_CLIENT_ID, identities6.duid(chance, own)))
    found += [_association(chance) for _one in range(chance.choice((0, 1, 1, 1, 1, 1, 2, 2, 3, 9)))]
    chance.shuffle(found)
    return found


def _items(chance: random.Random) -> bytes:
    """Return texts, each after its length, which is sometimes wrong."""
    texts = [text(chance) for _one in range(chance.choice((0, 1, 1, 2)))]
    wrong = chance.choices((0, 1, -1, 200), (20, 1, 1, 1))[0]
    return b"".join(struct.pack("!H", max(0, len(one) + wrong)) + one for one in texts)


def _association(chance: random.Random) -> tuple[int, bytes]:
    """Return an identity association, often with an address or a prefix that the client wants to have."""
    code = chance.choice((_IA_NA, _IA_NA, _IA_NA, _IA_NA, _IA_PD, _IA_PD, _IA_TA))
    value = struct.pack("!I", chance.choice((0, 1, 1, 1, 2, 2**31, 2**32 - 1, chance.randrange(2**32))))
    if code != _IA_TA:
        value += struct.pack("!II", *chance.choices((0, 1, 2**31, 2**32 - 1), k=2))
    if chance.random() < 0.4:
        wanted, times = identities6.wanted(chance), struct.pack("!II", *chance.choices((0, 60, 2**32 - 1), k=2))
        length = bytes([chance.choice((0, 48, 56, 64, 64, 128, 129, 255))])
        value += _option(_PREFIX, times + length + wanted) if code == _IA_PD else _option(_ADDRESS, wanted + times)
    if chance.random() < 0.05:
        value += _option(chance.randrange(40), noise(chance))
    return code, value[: chance.choice((-1, 3, 11))] if chance.random() < 0.03 else value


def _relay(chance: random.Random, own: bytes) -> list[tuple[int, bytes]]:
    """Return options that a relay adds."""
    found = {
        _LINK_LAYER: (0.5, chance.choice((b"\0\1", b"\0\1", b"\0\1", b"\0\x20", b"\xff\xff", b"")) + own),
        _INTERFACE_ID: (0.5, text(chance) if chance.random() < 0.7 else noise(chance)),
        _REMOTE_ID: (0.4, chance.randbytes(4) + text(chance)),
        _SUBSCRIBER_ID: (0.1, text(chance)),
        _VENDOR_OPTIONS: (0.1, noise(chance)),
    }
    return [(code, value) for code, (share, value) in found.items() if chance.random() < share]


def _within(packet: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """Return the packet with another client's message. A length that is wrong stays so."""
    if packet[:1] != bytes([RELAY_FORW]):
        return change(packet)
    at = _RELAYS_OPTIONS_AT
    while at + 4 <= len(packet):
        code, length = struct.unpack("!HH", packet[at : at + 4])
        inner, rest = packet[at + 4 : at + 4 + length], packet[at + 4 + length :]
        if code == _RELAYED:
            changed = _within(inner, change)
            told = max(0, length + len(changed) - len(inner)) & 0xFFFF
            return packet[:at] + struct.pack("!HH", code, told) + changed + rest
        at += 4 + length
    return packet


def sent(packet: bytes, kind: int, transaction: int, relay: bytes, answer: Answer | None = None) -> bytes:
    """Return a message of the exchange that begins with this packet, as its relay forwards it."""
    known = b""
    if answer:
        known = _option(_SERVER_ID, answer.server) + (answer.held if kind != REQUEST else b"")
    head = struct.pack("!I", kind << 24 | transaction)
    data = _within(packet, lambda message: head + known + message[_OPTIONS_AT:])
    return data[:_LINK_AT] + relay + data[_PEER_AT:]


def _options_of(data: bytes) -> Iterator[tuple[int, bytes]]:
    while len(data) >= 4:
        code, length = struct.unpack("!HH", data[:4])
        yield code, data[4 : 4 + length]
        data = data[4 + length :]


def parse(data: bytes) -> Answer:
    """Return what an answer says."""
    while data[:1] == bytes([RELAY_REPL]):
        data = dict(_options_of(data[_RELAYS_OPTIONS_AT:])).get(_RELAYED, b"")
    if len(data) < _OPTIONS_AT:
        return Answer(0, 0, b"")
    options = list(_options_of(data[_OPTIONS_AT:]))
    addresses: list[str] = []
    prefixes: list[str] = []
    held = b""
    for code, value in options:
        parts = dict(_options_of(value[12:])) if code in (_IA_NA, _IA_PD) else {}
        addresses += [_spelled(parts[_ADDRESS][:16])] if _ADDRESS in parts else []
        prefixes += [_spelled(parts[_PREFIX][9:25])] if _PREFIX in parts else []
        held += _option(code, value) if parts.keys() & {_ADDRESS, _PREFIX} else b""
    number = int.from_bytes(data[1:_OPTIONS_AT], "big")
    return Answer(number, data[0], dict(options).get(_SERVER_ID, b""), tuple(addresses), tuple(prefixes), held)


def _spelled(address: bytes) -> str:
    return socket.inet_ntop(socket.AF_INET6, address)
