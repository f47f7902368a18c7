# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: one question to one DNS server (RFC 1035), for what Kea's D2 keeps there: addresses, names and zones.

With dnspython in its place most of this remained (names of clients that are no text of a zone, attempts, one server
only), this package no longer needed the standard library alone, and each start of the monitor's program took 110 ms and
7 MB more.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import struct
import time
from typing import List, NamedTuple, Tuple

A, SOA, PTR, AAAA = 1, 6, 12, 28
"""Types of records."""
NO_ERROR, NO_NAME = 0, 3
"""Answers of a server: there may be records; there is no such name."""
PORT = 53

_IN = 1
_HEADER = struct.Struct("!6H")
_RECORD = struct.Struct("!HHIH")
_QUESTION = struct.Struct("!HH")
_ANSWER, _TRUNCATED, _CODE = 0x8000, 0x0200, 0x000F
_LENGTH = struct.Struct("!H")
_POINTER = 0xC0
_WORDS = {1: "FORMERR", 2: "SERVFAIL", NO_NAME: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED", 9: "NOTAUTH"}
_LARGEST = 4096
_ATTEMPTS = 2


class DnsError(Exception):
    """The server gave no usable answer; says why."""


class Endpoint(NamedTuple):
    """Where a DNS server listens."""

    address: str
    port: int = PORT


def is_name(text: str) -> bool:
    """Return whether a text can be asked for: a client may call itself anything."""
    try:
        return text.isascii() and text.isprintable() and len(_encoded(text)) > 1
    except DnsError:
        return False


def reverse_name(address: str) -> str:
    """Return the name below in-addr.arpa. or ip6.arpa. of an address."""
    return f"{ipaddress.ip_address(address).reverse_pointer}."


def ask(server: Endpoint, name: str, kind: int, timeout: float) -> List[str]:
    """Return the records of this type that a name has: addresses, names in small letters, or the name of the zone.

    ``timeout`` is in seconds, for each of two attempts. A name that does not exist has no records. Raises DnsError.
    """
    number = struct.unpack("!H", os.urandom(2))[0]
    question = _HEADER.pack(number, 0, 1, 0, 0, 0) + _encoded(name) + _QUESTION.pack(kind, _IN)
    try:
        answer = _exchange(server, question, timeout)
        if _HEADER.unpack_from(answer)[1] & _TRUNCATED:
            answer = _exchange_by_tcp(server, question, timeout)
        code = _HEADER.unpack_from(answer)[1] & _CODE
        if code not in (NO_ERROR, NO_NAME):
            raise DnsError(_WORDS.get(code, f"error {code}"))
        return [value for found, value in _records(answer) if found == kind]
    except socket.timeout as error:
        raise DnsError("no answer") from error
    except OSError as error:
        raise DnsError(error.strerror or str(error)) from error
    except (struct.error, IndexError, UnicodeDecodeError, ValueError) as error:
        raise DnsError("the answer cannot be read") from error


def _exchange(server: Endpoint, question: bytes, timeout: float) -> bytes:
    """Return the answer with the number of the question. Raises OSError."""
    family = socket.AF_INET6 if ":" in server.address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as channel:
        channel.connect(tuple(server))
        for _attempt in range(_ATTEMPTS):
            channel.send(question)
            deadline = time.monotonic() + timeout
            while (left := deadline - time.monotonic()) > 0:
                channel.settimeout(left)
                try:
                    answer = channel.recv(_LARGEST)
                except socket.timeout:
                    break
                if answer[:2] == question[:2] and len(answer) >= _HEADER.size and answer[2] & _ANSWER >> 8:
                    return answer
    raise socket.timeout("no answer")


def _exchange_by_tcp(server: Endpoint, question: bytes, timeout: float) -> bytes:
    """Return the answer where a server sent no whole one by UDP: it is too long, or asked too often. Raises OSError."""
    deadline = time.monotonic() + timeout
    with socket.create_connection((server.address, server.port), timeout) as channel:
        channel.sendall(_LENGTH.pack(len(question)) + question)
        length = int(_LENGTH.unpack(_received(channel, _LENGTH.size, deadline))[0])
        answer = _received(channel, length, deadline)
    if answer[:2] != question[:2]:
        raise ValueError("the answer is to another question")
    return answer


def _received(channel: socket.socket, count: int, deadline: float) -> bytes:
    """Return so many bytes. Raises OSError after the deadline, ValueError if the connection ends before."""
    received = b""
    while len(received) < count:
        left = deadline - time.monotonic()
        if left <= 0:
            raise socket.timeout("no answer")
        channel.settimeout(left)
        part = channel.recv(count - len(received))
        if not part:
            raise ValueError("the answer is not whole")
        received += part
    return received


def _records(answer: bytes) -> List[Tuple[int, str]]:
    """Return type and value of each record in the section of answers."""
    _number, _flags, questions, answers, _authorities, _others = _HEADER.unpack_from(answer)
    at, found = _HEADER.size, []
    for _one in range(questions):
        at = _name(answer, at)[1] + _QUESTION.size
    for _one in range(answers):
        owner, at = _name(answer, at)
        kind, _class, _ttl, length = _RECORD.unpack_from(answer, at)
        at += _RECORD.size
        found.append((kind, _value(answer, at, length, kind, owner)))
        at += length
    return found


def _value(answer: bytes, at: int, length: int, kind: int, owner: str) -> str:
    if kind in (A, AAAA):
        return str(ipaddress.ip_address(answer[at : at + length]))
    return _name(answer, at)[0] if kind == PTR else owner


def _encoded(name: str) -> bytes:
    """Raises DnsError for what is no name."""
    labels = [label.encode("ascii", "replace") for label in name.rstrip(".").split(".") if label]
    if any(len(label) > 63 for label in labels) or sum(map(len, labels)) + len(labels) > 254:
        raise DnsError(f"{name!r} is no name of DNS")
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def _name(answer: bytes, at: int) -> Tuple[str, int]:
    """Return the name at a position, and the position after it.

    A pointer only leads back, so none is followed twice. Raises ValueError for another one.
    """
    labels: List[str] = []
    after, first = -1, at
    while answer[at]:
        if answer[at] & _POINTER == _POINTER:
            target = struct.unpack_from("!H", answer, at)[0] & 0x3FFF
            if target >= first:
                raise ValueError("a pointer leads forward")
            after = at + 2 if after < 0 else after
            at = first = target
            continue
        labels.append(answer[at + 1 : at + 1 + answer[at]].decode("ascii").lower())
        at += 1 + answer[at]
    return ".".join([*labels, ""]), at + 1 if after < 0 else after
