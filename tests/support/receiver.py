# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A web server for tests that receives JSON over HTTP or HTTPS, and fails as a test asks."""

from __future__ import annotations

import http.server
import json
import socket
import ssl
import struct
import threading
from typing import Any, Callable, NamedTuple

from support.certificates import Certificate


class Request(NamedTuple):
    """What a client sent."""

    method: str
    path: str
    headers: dict[str, str]
    """By their names in lower case."""
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)


class Answer(NamedTuple):
    """What the server does with a request."""

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    reset: bool = False
    """Reset the connection instead."""
    until: threading.Event | None = None
    """Answer only once this is set."""


class Receiver:
    """A server in threads, on a free port of this host alone unless ``address`` says otherwise.

    ``answer`` decides for each request; it keeps all requests.
    """

    def __init__(self, certificate: Certificate | None = None, address: tuple[str, int] = ("127.0.0.1", 0)) -> None:
        self.requests: list[Request] = []
        self.answer: Callable[[Request], Answer] = lambda _request: Answer()
        self._server = _Server(address, _Handler)
        self._server.receiver = self
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate.path, certificate.key)
            self._server.tls = context
        scheme = "https" if certificate else "http"
        self.url = f"{scheme}://localhost:{self._server.server_address[1]}/events"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    receiver: Receiver
    tls: ssl.SSLContext | None = None

    def finish_request(self, request: Any, client_address: Any) -> None:
        # Not in the thread that accepts: a client that never ends its handshake would block all others.
        if self.tls:
            request = self.tls.wrap_socket(request, server_side=True)
        super().finish_request(request, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client that refuses the certificate is what a test asks for."""


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Server

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, self.path, headers, body)
        self.server.receiver.requests.append(request)
        answer = self.server.receiver.answer(request)
        if answer.until:
            answer.until.wait()
        if answer.reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            return
        self.send_response(answer.status)
        for name, value in answer.headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    do_GET = do_POST = do_PATCH = do_DELETE = _serve  # noqa: N815 - names of the standard library

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""
