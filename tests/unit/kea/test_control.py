# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kea's control channel: a real server, and sockets that answer badly or late."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from _kea import control
from _kea.control import Answer, ControlError
from lfc.world import Server


@contextlib.contextmanager
def answering(path: Path, *parts: bytes, pause: float = 0.0) -> Iterator[str]:
    """A socket that gives one answer, part by part, with pauses of that many seconds before each."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()

        def answer() -> None:
            channel, _address = server.accept()
            with channel, contextlib.suppress(BrokenPipeError):
                channel.recv(65536)
                for part in parts:
                    time.sleep(pause)
                    channel.sendall(part)

        thread = threading.Thread(target=answer)
        thread.start()
        yield str(path)
        thread.join()


@pytest.fixture
def kea(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path)
    server.start()
    yield server
    server.stop()


def test_a_real_server_answers(kea: Server) -> None:
    path = str(kea.socket)
    version = control.send(path, "version-get", 10.0)
    assert version.result == control.SUCCESS
    assert version.arguments["extended"].startswith(version.text)
    assert control.send(path, "leases-reclaim", 10.0, {"remove": False}).result == control.SUCCESS
    assert control.send(path, "lease4-get-all", 10.0, {"subnets": [1]}).result == control.EMPTY
    unknown = control.send(path, "no-such-command", 10.0)
    assert (unknown.result, unknown.arguments) == (control.UNSUPPORTED, {})
    assert "no-such-command" in unknown.text
    assert control.send(path, "lease4-get", 10.0, {}).result == control.ERROR


def test_the_answer_of_a_control_agent_is_in_a_list(tmp_path: Path) -> None:
    with answering(tmp_path / "s", b'[{"result": 0, "te', b'xt": "yes"}]') as path:
        assert control.send(path, "x", 10.0) == Answer(0, "yes", {})


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"no JSON",
        b"[]",
        b"1",
        b"{}",
        b'{"result": "x"}',
        b'{"result": null}',
        b"\xff",
        b"[" * 100_000,
        b'{"result": 1e999}',
        b'[["result"]]',
    ],
)
def test_an_answer_that_cannot_be_read(tmp_path: Path, text: bytes) -> None:
    with answering(tmp_path / "s", text) as path, pytest.raises(ControlError, match=f"does not answer x on {path} "):
        control.send(path, "x", 10.0)


def test_the_time_is_for_the_whole_answer(tmp_path: Path) -> None:
    parts = [b" "] * 6
    with answering(tmp_path / "s", *parts, pause=0.1) as path, pytest.raises(ControlError, match="timed out"):
        control.send(path, "x", 0.25)


def test_an_answer_that_is_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "MOST", 5)
    with answering(tmp_path / "s", b"      ") as path, pytest.raises(ControlError, match="more than 5 bytes"):
        control.send(path, "x", 10.0)


def test_no_server(tmp_path: Path) -> None:
    with pytest.raises(ControlError) as caught:
        control.send(str(tmp_path / "s"), "status-get", 1.0)
    assert (caught.value.command, caught.value.path) == ("status-get", str(tmp_path / "s"))
    assert caught.value.reason == "[Errno 2] No such file or directory"


@pytest.mark.parametrize(
    ("sockets", "paths"),
    [
        (None, []),
        ({"socket-type": "unix", "socket-name": "x"}, []),
        ([{"socket-type": "unix", "socket-name": "/x/y"}], ["/x/y"]),
        ([{"socket-type": "unix", "socket-name": "kea4-ctrl-socket"}], ["/run/kea/kea4-ctrl-socket"]),
        ([{"socket-type": "http", "socket-address": "::1"}, {"socket-type": "unix", "socket-name": "/a"}], ["/a"]),
        ([{"socket-type": "unix"}, "x"], []),
    ],
)
def test_the_unix_sockets_of_a_configuration(sockets: object, paths: list[str]) -> None:
    assert control.unix_sockets(sockets) == paths
