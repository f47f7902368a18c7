# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The server of metrics and health: what idle, slow and odd clients cannot do to it (case D6)."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import urllib.error
import urllib.request

import pytest
from kea_lease_monitor import endpoint, metrics
from kea_lease_monitor.endpoint import CONNECTIONS, Endpoint, Page
from support.wait import until

PAGE = Page(200, "text/plain", b"x" * 300_000)


@pytest.fixture
def served() -> Endpoint:
    """Return a server that runs in a thread; it ends with the tests."""
    server = Endpoint("127.0.0.1", 0, {"/page": lambda: PAGE})
    server.start()
    return server


def connected(server: Endpoint) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=10)


def asked(server: Endpoint, request: bytes) -> bytes:
    with connected(server) as client:
        client.sendall(request)
        answer = b""
        while part := client.recv(65536):
            answer += part
        return answer


@pytest.mark.slow
def test_idle_connections_keep_no_reader_out_and_take_no_descriptors(served: Endpoint) -> None:
    before, threads = len(os.listdir("/proc/self/fd")), threading.active_count()
    with contextlib.ExitStack() as idle:
        clients = [idle.enter_context(connected(served)) for _number in range(3 * CONNECTIONS)]
        assert asked(served, b"GET /page HTTP/1.1\r\nHost: x\r\n\r\n").endswith(PAGE.content)
        assert len(os.listdir("/proc/self/fd")) - before - len(clients) <= CONNECTIONS
        assert threading.active_count() == threads, "one thread for all"


def test_a_connection_ends_in_time_whatever_its_client_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint, "SECONDS", 0.0)
    server = Endpoint("127.0.0.1", 0, {"/page": lambda: PAGE})
    with connected(server) as idle, connected(server) as slow:
        slow.sendall(b"GET /page HTTP/1.1\r\n\r\n")
        for _step in range(4):
            server.step(0)
        assert idle.recv(1) == b"", "closed, and not left waiting"
        with contextlib.suppress(ConnectionResetError):
            while slow.recv(65536):
                pass


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /page HTTP/1.1\r\n\r\n", b"200 OK"),
        (b"GET /page?a=b HTTP/1.0\r\n\r\n", b"200 OK"),
        (b"GET /other HTTP/1.1\r\n\r\n", b"404 Not Found"),
        (b"POST /page HTTP/1.1\r\n\r\n", b"405 Method Not Allowed"),
        (b"\x16\x03\x01\x00\r\n\r\n", b"400 Bad Request"),
        (b"GET /" + b"a" * 10_000, b"400 Bad Request"),
    ],
)
def test_odd_requests_are_answered(served: Endpoint, request_: bytes, status: bytes) -> None:
    with connected(served) as client:
        client.sendall(request_)
        assert client.recv(65536).startswith(b"HTTP/1.1 " + status)


def test_a_client_that_goes_away_amid_an_answer_harms_no_other(served: Endpoint) -> None:
    for _time in range(5):
        with connected(served) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # closes with a reset
            client.sendall(b"GET /page HTTP/1.1\r\n\r\n")
            client.recv(1)
    assert b"200 OK" in asked(served, b"GET /page HTTP/1.1\r\n\r\n")


def test_metrics_and_health_are_served_by_the_same_server() -> None:
    trouble = [""]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    metrics.serve("127.0.0.1", port, lambda: trouble[0])

    def read(path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}") as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    until(lambda: read("/healthz") == (200, "healthy\n"), "the server", 10)
    assert "# TYPE kea_lease_monitor_caught_up gauge" in read("/metrics")[1]
    trouble[0] = "unhealthy: subscription default is stuck"
    assert read("/healthz") == (503, "unhealthy: subscription default is stuck\n")
