# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""kea-lfc-start, which no Kea at hand knows (it came with 3.1.2): its four results, as Kea documents them, over a real
unix socket. Where it starts a clean-up, this stand-in does what the server does: it rotates and runs the real kea-lfc.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from kea_lfc_cleanup import processes, strategies
from kea_lfc_cleanup.cli import BUSY, DONE, FAILED
from support.programs import need
from support.wait import until

from lfc.world import COLUMNS, Server, hanging, row

# src/share/api/kea-lfc-start.json at 3.1.2 and later.
STARTED = {"result": 0, "text": "kea-lfc started"}
FAILED_TO_START = {"result": 1, "text": "failed to start kea-lfc"}
UNSUPPORTED = {"result": 2, "text": "kea-lfc-start is not supported by the lease manager"}
RUNNING = {"result": 3, "text": "kea-lfc already running"}


class StandIn:
    """Answers each command with the same; before that, it does what the answer says."""

    def __init__(self, kea: Server) -> None:
        self.kea = kea
        self.answer: dict[str, object] = STARTED
        self.lfc = need("kea-lfc")
        self.asked: list[str] = []
        self._children: list[subprocess.Popen[bytes]] = []
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(kea.socket))
        self._socket.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                channel = self._socket.accept()[0]
            except OSError:
                return
            with channel:
                self.asked.append(json.loads(channel.recv(65536))["command"])
                if self.answer["result"] in (0, 3):
                    self.rotate()
                channel.sendall(json.dumps([self.answer]).encode())

    def rotate(self) -> None:
        files = self.kea.files
        if not os.path.exists(files.rotated) and not os.path.exists(files.completed):
            os.rename(files.current, files.rotated)
            Path(files.current).write_text(f"{COLUMNS}\n")
        command = [self.lfc, "-4", "-p", files.pid, "-x", files.previous, "-i", files.rotated, "-o", files.output]
        command += ["-f", files.completed, "-c", "ignored-path"]
        self._children.append(subprocess.Popen(command, env={**os.environ, "KEA_LOCKFILE_DIR": "none"}))

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for child in self._children:
            child.wait()


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    monkeypatch.setattr(strategies, "_NOT_BEGUN", 1.0)
    kea = Server(tmp_path)
    Path(kea.files.current).write_text(f"{COLUMNS}\n" + "".join(row(n % 100, 2000000000 + n) for n in range(5000)))
    server = StandIn(kea)
    yield server
    server.close()


@pytest.mark.parametrize("answer", [STARTED, RUNNING])
def test_started_or_running_already_is_waited_for(stand_in: StandIn, answer: dict[str, object]) -> None:
    stand_in.answer = answer
    assert stand_in.kea.clean("command") == DONE
    assert stand_in.asked == ["kea-lfc-start"]
    found = stand_in.kea.state()
    assert (found["rows_before"], found["rows_after"], found["outcome"]) == (5000, 100, "cleaned")
    assert stand_in.kea.leftovers() == []


def test_failed(stand_in: StandIn) -> None:
    stand_in.answer = FAILED_TO_START
    assert stand_in.kea.clean("command") == FAILED
    assert stand_in.kea.state()["message"].startswith(
        "Kea could not start kea-lfc (failed to start kea-lfc): look into"
    )


def test_unsupported(stand_in: StandIn) -> None:
    stand_in.answer = UNSUPPORTED
    assert stand_in.kea.clean("command") == FAILED
    assert "deploy again, so that another strategy is chosen" in stand_in.kea.state()["message"]


@pytest.mark.parametrize("lfc", ["true", "false"])
def test_started_is_not_believed_either(stand_in: StandIn, lfc: str) -> None:
    stand_in.lfc = need(lfc)
    assert stand_in.kea.clean("command") == FAILED
    assert "kea-lfc left" in stand_in.kea.state()["message"]
    assert "journalctl -t kea-lfc" in stand_in.kea.state()["message"]


def test_what_a_hanging_kea_lfc_writes_is_not_taken_from_it(stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "DEADLINE", 0.3)
    stand_in.lfc = need("true")
    output = Path(stand_in.kea.files.output)
    with contextlib.ExitStack() as stack:

        def hang(step: str) -> None:
            if step == "wait for kea-lfc":
                stack.enter_context(hanging(stand_in.kea.files))
                output.write_text("half a ro")

        assert stand_in.kea.clean("command", hang) == FAILED
    assert output.exists()
    assert "kea-lfc is still at work as process" in stand_in.kea.state()["message"]


def test_half_a_row_of_a_killed_kea_lfc_is_not_written_on(stand_in: StandIn) -> None:
    files = stand_in.kea.files
    Path(files.current).write_text(f"{COLUMNS}\n{row(1)}{row(2)}")
    Path(files.output).write_text(f"{COLUMNS}\n{row(7)[:20]}")
    assert stand_in.kea.clean("command") == DONE
    assert Path(files.previous).read_text().splitlines()[1:] == [row(1).strip(), row(2).strip()]


def test_a_recycled_pid_would_be_running_already_for_ever(stand_in: StandIn) -> None:
    Path(stand_in.kea.files.pid).write_text(str(os.getpid()))
    assert stand_in.kea.clean("command") == BUSY
    os.utime(stand_in.kea.files.pid, (1, 1))
    assert stand_in.kea.clean("command") == DONE


def test_a_real_kea_without_the_command(kea: Server) -> None:
    assert kea.clean("command") == FAILED
    assert "Kea cannot do that ('kea-lfc-start' command not supported.): deploy again" in kea.state()["message"]


def test_killed_before_every_step(stand_in: StandIn) -> None:
    files = stand_in.kea.files
    steps = ["look for traces of a killed run", "ask Kea for kea-lfc-start", "wait for kea-lfc"]
    for number, step in enumerate(steps, 1):
        Path(files.current).write_text(f"{COLUMNS}\n{row(number)}")
        assert stand_in.kea.killed_before(number, "command") == step
        until(lambda: stand_in.kea.clean("command") == DONE, "a run after the kea-lfc of the killed one")
        assert row(number) in Path(files.previous).read_text().splitlines(keepends=True)
        assert stand_in.kea.leftovers() == []


@pytest.mark.parametrize("left", ["rotated", "completed"])
def test_what_a_killed_one_left_is_not_taken_for_the_lease_file(stand_in: StandIn, left: str) -> None:
    """Kea has kea-lfc finish that first and does not rotate."""
    Path(getattr(stand_in.kea.files, left)).write_text(f"{COLUMNS}\n{row(4001)}")
    assert stand_in.kea.clean("command") == DONE
    assert stand_in.asked == ["kea-lfc-start"] * 2
    found = stand_in.kea.state()
    assert (found["rows_before"], found["rows_after"], found["outcome"]) == (5001, 101, "cleaned")
