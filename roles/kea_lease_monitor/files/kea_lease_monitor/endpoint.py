# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Small HTTP server for a few pages: one thread, few connections, each with an end, whatever the clients do."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
import time
from typing import Callable, Dict, Mapping, NamedTuple

CONNECTIONS = 16
"""Connections at a time. One more closes the oldest, so that idle ones keep no reader out."""

SECONDS = 5.0
"""Seconds that a connection may last."""

_REQUEST = 8192
"""Bytes of a request."""

_REASONS = {200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed", 503: "Service Unavailable"}


class Page(NamedTuple):
    """An answer."""

    status: int
    kind: str
    """Its Content-Type."""
    content: bytes


class _Connection:
    """A client: first its request is read, then the answer is written."""

    def __init__(self, channel: socket.socket, due: float) -> None:
        channel.setblocking(False)
        self.channel = channel
        self.due = due
        self.request = b""
        self.answer = b""


class Endpoint:
    """The server. It listens once it is made."""

    def __init__(self, address: str, port: int, pages: Mapping[str, Callable[[], Page]]) -> None:
        """``pages`` has a function for each path. Port 0 is any free one. Raises OSError."""
        family = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0][0]
        self._listening = socket.create_server((address, port), family=family, backlog=CONNECTIONS)
        self._listening.setblocking(False)
        self.port = int(self._listening.getsockname()[1])
        self._pages = pages
        self._connections: Dict[int, _Connection] = {}

    def start(self) -> None:
        """Serve in a thread that ends with the program."""
        threading.Thread(target=self._run, name="endpoint", daemon=True).start()

    def _run(self) -> None:
        while True:
            self.step(SECONDS)

    def step(self, seconds: float) -> None:
        """Wait at most so long for something to do, and do it."""
        poll = select.poll()
        poll.register(self._listening, select.POLLIN)
        for number, connection in self._connections.items():
            poll.register(number, select.POLLOUT if connection.answer else select.POLLIN)
        due = min((each.due for each in self._connections.values()), default=time.monotonic() + seconds)
        for number, _event in poll.poll(max(0.0, due - time.monotonic()) * 1000):
            if number == self._listening.fileno():
                self._accept()
            elif number in self._connections:
                self._serve(self._connections[number])
        for connection in [each for each in self._connections.values() if each.due <= time.monotonic()]:
            self._close(connection)

    def _accept(self) -> None:
        try:
            channel, _address = self._listening.accept()
        except OSError:
            time.sleep(0.1)  # such as no descriptor left: the next step tries again
            return
        if len(self._connections) >= CONNECTIONS:
            self._close(min(self._connections.values(), key=lambda each: each.due))
        self._connections[channel.fileno()] = _Connection(channel, time.monotonic() + SECONDS)

    def _serve(self, connection: _Connection) -> None:
        try:
            if connection.answer:
                connection.answer = connection.answer[connection.channel.send(connection.answer) :]
                if not connection.answer:
                    self._close(connection)
                return
            received = connection.channel.recv(_REQUEST)
        except BlockingIOError:
            return
        except OSError:
            received = b""
        connection.request += received
        if not received:
            self._close(connection)
        elif b"\r\n\r\n" in connection.request or len(connection.request) > _REQUEST:
            connection.answer = _encoded(self._page(connection.request))

    def _page(self, request: bytes) -> Page:
        words = request.partition(b"\r\n")[0].decode("latin-1").split(" ")
        if len(words) != 3 or b"\r\n\r\n" not in request:
            return Page(400, "text/plain", b"this is no request\n")
        if words[0] != "GET":
            return Page(405, "text/plain", b"only GET is served\n")
        make = self._pages.get(words[1].partition("?")[0])
        return make() if make else Page(404, "text/plain", f"served are: {', '.join(self._pages)}\n".encode())

    def _close(self, connection: _Connection) -> None:
        del self._connections[connection.channel.fileno()]
        with contextlib.suppress(OSError):
            connection.channel.close()


def _encoded(page: Page) -> bytes:
    head = f"HTTP/1.1 {page.status} {_REASONS[page.status]}\r\nContent-Type: {page.kind}\r\n"
    return f"{head}Content-Length: {len(page.content)}\r\nConnection: close\r\n\r\n".encode() + page.content
