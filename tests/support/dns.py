# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A DNS server for tests: it answers questions from a table, or as a test asks. It shares no code with its clients."""

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
        self.truncates = False
        """Whether an answer by UDP only says that it would be too long."""
        self.by_tcp = b""
        """What it sends by TCP in place of the answer, keeping the connection open."""
        self.asked: list[tuple[str, int]] = []
        self._socket, self._listener = _sockets()
        self.port: int = self._socket.getsockname()[1]

    def serve(self) -> None:
        """Answer until an empty packet comes."""
        while True:
            question, client = self._socket.recvfrom(512)
            if not question:
                return
            name, kind = _question(question)
            self.asked.append((name, kind))
            if self.truncates:
                self._socket.sendto(question[:2] + struct.pack("!5H", 0x8600, 1, 0, 0, 0) + question[12:], client)
                self._serve_by_tcp()
            elif not self.silent:
                self._socket.sendto(self._answer(question, name, kind), client)

    def _serve_by_tcp(self) -> None:
        """Answer the next question."""
        channel, _client = self._listener.accept()
        with channel:
            [length] = struct.unpack("!H", channel.recv(2))
            question = channel.recv(length)
            if self.by_tcp:
                channel.sendall(self.by_tcp)
                channel.recv(1)  # until the client gives up
                return
            answer = self._answer(question, *_question(question))
            channel.sendall(struct.pack("!H", len(answer)) + answer)

    def stop(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.sendto(b"", ("127.0.0.1", self.port))

    def close(self) -> None:
        self._socket.close()
        self._listener.close()

    def _answer(self, question: bytes, name: str, kind: int) -> bytes:
        values = self.records.get((name, kind), [])
        code = self.code or (0 if any(known == name for known, _kind in self.records) else NO_NAME)
        values = [] if code else values
        head = question[:2] + struct.pack("!5H", 0x8400 | code, 1, len(values), 0, 0) + question[12:]
        # Each record points to the name of the question.
        return head + b"".join(
            struct.pack("!HHHIH", 0xC00C, kind, 1, 60, len(data)) + data
            for data in (_data(kind, one) for one in values)
        )


def _sockets() -> tuple[socket.socket, socket.socket]:
    """Return sockets for UDP and for TCP with one port."""
    while True:
        listener, packets = socket.create_server(("127.0.0.1", 0)), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            packets.bind(listener.getsockname())
        except OSError:
            # The port is another program's for UDP.
            listener.close()
            packets.close()
            continue
        return packets, listener


def _question(packet: bytes) -> tuple[str, int]:
    labels, at = [], 12
    while packet[at]:
        labels.append(packet[at + 1 : at + 1 + packet[at]].decode().lower())
        at += 1 + packet[at]
    return ".".join([*labels, ""]), struct.unpack_from("!H", packet, at + 1)[0]


def _data(kind: int, value: str) -> bytes:
    """Return the data of a record: an address, a name, or the name of the first server of a zone."""
    if kind in (A, AAAA):
        return ipaddress.ip_address(value).packed
    name = b"".join(bytes([len(one)]) + one.encode() for one in value.split(".") if one) + b"\0"
    return name + b"\0" + struct.pack("!5I", 1, 60, 60, 60, 60) if kind == SOA else name


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
