# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real kea-dhcp4 of this machine whose control channel is asked over HTTP, as that of Kea 3.0 is."""

from __future__ import annotations

import base64
import contextlib
import http.server
import json
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from support.certificates import Certificate
from support.kea import KeaServer
from support.wait import until

AGENT = shutil.which("kea-ctrl-agent", path="/usr/sbin:/usr/bin")
LOGIN = ("inventory", "correct horse")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


Answerer = Callable[[dict[str, Any]], Any]
"""From a request, what the server answers."""


@contextlib.contextmanager
def http_socket(answer: Answerer, certificate: Certificate | None = None, login: bool = False) -> Iterator[str]:
    """Serve a control channel as the HTTP socket of Kea 3.0 does, on localhost. Yields its URL."""
    expected = "Basic " + base64.b64encode(":".join(LOGIN).encode()).decode()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            refused = login and self.headers.get("Authorization") != expected
            content = json.dumps({"result": 401} if refused else answer(json.loads(body))).encode()
            self.send_response(401 if refused else 200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_words: object) -> None:
            """Print nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate.path, certificate.key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"{'https' if certificate else 'http'}://localhost:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


class Kea(KeaServer):
    """A kea-dhcp4 that serves no interface, with a lease file, reservations and an HTTP server in front of it."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self._agent: subprocess.Popen[bytes] | None = None

    def start_with(self, rows: list[str], reservations: list[dict[str, Any]], hook: bool) -> None:
        """Start it with these rows of a lease file, with reservations in subnet 1, and with the hook lease_cmds."""
        leases = self.directory / "leases.csv"
        head = "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context"
        leases.write_text("\n".join([head, *rows]) + "\n")
        libraries = [str(path) for path in Path("/usr/lib").glob("*/kea/hooks/libdhcp_lease_cmds.so")]
        subnet = {"id": 1, "subnet": "10.0.0.0/16", "pools": [{"pool": "10.0.1.0/24"}], "reservations": reservations}
        self.configure(
            {
                "interfaces-config": {"interfaces": []},
                "lease-database": {"type": "memfile", "name": str(leases), "lfc-interval": 0},
                "hooks-libraries": [{"library": library} for library in libraries] if hook else [],
                "subnet4": [subnet],
            }
        )
        self.start()

    def start_agent(self) -> str:
        """Start kea-ctrl-agent, and return its URL."""
        port = free_port()
        sockets = {"dhcp4": {"socket-type": "unix", "socket-name": str(self.socket)}}
        settings = {"http-host": "127.0.0.1", "http-port": port, "control-sockets": sockets}
        path, log = self.directory / "agent.conf", self.directory / "agent.log"
        path.write_text(json.dumps({"Control-agent": settings}))
        with log.open("wb") as output:
            self._agent = subprocess.Popen(
                [str(AGENT), "-c", path], stdout=output, stderr=output, env=self.environment()
            )

        def listens() -> bool:
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", port)) == 0

        until(listens, lambda: f"kea-ctrl-agent: {log.read_text()}")
        return f"http://127.0.0.1:{port}/"

    def answer(self, request: dict[str, Any]) -> Any:
        """Return Kea's own answer to a request, as the HTTP socket of Kea 3.0 does: a list."""
        return [self.ask(request["command"], **request.get("arguments", {}))]

    def stop(self) -> None:
        if self._agent:
            self._agent.terminate()
            self._agent.wait()
        super().stop()
