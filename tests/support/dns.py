# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A DNS server for tests: it answers questions from a table, or as a test asks."""

from __future__ import annotations

import ipaddress
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

A, SOA, PTR, AAAA = 1, 6, 12, 28
REFUSED, NO_NAME = 5, 3


class DnsServer:
    """Answers for the names of its table; knows no other name."""

    def __init__(self) -> None:
        self.records: dict[tuple[str, int], list[str]] = {}
        """Values by name in small letters with its dot, and by type."""
        self.code: int | None = None
        """Code of every answer, in place of the records."""
        self.silent = False
        self.asked: list[tuple[str, int]] = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]

    def serve(self) -> None:
        """Answer until an empty packet comes."""
        while True:
            question, client = self._socket.recvfrom(512)
            if not question:
                return
            name, kind = _question(question)
            self.asked.append((name, kind))
            if not self.silent:
                self._socket.sendto(self._answer(question, name, kind), client)

    def stop(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.sendto(b"", ("127.0.0.1", self.port))

    def close(self) -> None:
        self._socket.close()

    def _answer(self, question: bytes, name: str, kind: int) -> bytes:
        values = self.records.get((name, kind), [])
        code = self.code or (0 if any(known == name for known, _kind in self.records) else NO_NAME)
        values = [] if code else values
        head = question[:2] + struct.pack("!5H", 0x8400 | code, 1, len(values), 0, 0) + question[12:]
        # Each record points to the name of the question.
        return head + b"".join(
            struct.pack("!HHHIH", 0xC00C, kind, 1, 60, len(data)) + data for data in map(_data, values)
        )


def _question(packet: bytes) -> tuple[str, int]:
    labels, at = [], 12
    while packet[at]:
        labels.append(packet[at + 1 : at + 1 + packet[at]].decode().lower())
        at += 1 + packet[at]
    return ".".join([*labels, ""]), struct.unpack_from("!H", packet, at + 1)[0]


def _data(value: str) -> bytes:
    try:
        return ipaddress.ip_address(value).packed
    except ValueError:
        labels = [one.encode() for one in value.rstrip(".").split(".")]
        return b"".join(bytes([len(one)]) + one for one in labels) + b"\0"


@contextmanager
def dns_server() -> Iterator[DnsServer]:
    """Yield a DNS server of this machine."""
    server = DnsServer()
    thread = threading.Thread(target=server.serve)
    thread.start()
    try:
        yield server
    finally:
        server.stop()
        thread.join()
        server.close()
