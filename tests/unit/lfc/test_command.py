# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Strategy command: kea-lfc-start, which came with Kea 3.1.2; the tests have no Kea as new as that.

A stand-in gives its four documented results over a real unix socket. Where Kea would start an LFC run, the stand-in
does the same: it rotates the lease file and runs the real kea-lfc.
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
from kea_lfc_cleanup import kea_lfc, strategies
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
    """Server that gives the same answer to each command, and first does what the answer says."""

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
def test_a_run_that_started_or_runs_already_is_waited_for(stand_in: StandIn, answer: dict[str, object]) -> None:
    stand_in.answer = answer
    assert stand_in.kea.run_lfc("command") == DONE
    assert stand_in.asked == ["kea-lfc-start"]
    found = stand_in.kea.state()
    assert (found["rows_before"], found["rows_after"], found["outcome"]) == (5000, 100, "cleaned")
    assert stand_in.kea.leftovers() == []


def test_a_kea_lfc_that_failed_to_start_is_a_failure(stand_in: StandIn) -> None:
    stand_in.answer = FAILED_TO_START
    assert stand_in.kea.run_lfc("command") == FAILED
    assert stand_in.kea.state()["message"].startswith(
        "Kea could not start kea-lfc (failed to start kea-lfc): look into"
    )


def test_a_kea_without_the_command_needs_another_strategy(stand_in: StandIn) -> None:
    stand_in.answer = UNSUPPORTED
    assert stand_in.kea.run_lfc("command") == FAILED
    assert "deploy again, so that another strategy is chosen" in stand_in.kea.state()["message"]


@pytest.mark.slow
@pytest.mark.parametrize("lfc", ["true", "false"])
def test_the_answer_started_proves_nothing(stand_in: StandIn, lfc: str) -> None:
    stand_in.lfc = need(lfc)
    assert stand_in.kea.run_lfc("command") == FAILED
    assert "kea-lfc left" in stand_in.kea.state()["message"]
    assert "journalctl -t kea-lfc" in stand_in.kea.state()["message"]


def test_the_output_of_a_hanging_kea_lfc_is_kept(stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kea_lfc, "DEADLINE", 0.3)
    stand_in.lfc = need("true")
    output = Path(stand_in.kea.files.output)
    with contextlib.ExitStack() as stack:

        def hang(step: str) -> None:
            if step == "wait for kea-lfc":
                stack.enter_context(hanging(stand_in.kea.files))
                output.write_text("half a ro")

        assert stand_in.kea.run_lfc("command", hang) == FAILED
    assert output.exists()
    assert "kea-lfc is still at work as process" in stand_in.kea.state()["message"]


def test_the_incomplete_output_of_a_killed_kea_lfc_is_removed(stand_in: StandIn) -> None:
    files = stand_in.kea.files
    Path(files.current).write_text(f"{COLUMNS}\n{row(1)}{row(2)}")
    Path(files.output).write_text(f"{COLUMNS}\n{row(7)[:20]}")
    assert stand_in.kea.run_lfc("command") == DONE
    assert Path(files.previous).read_text().splitlines()[1:] == [row(1).strip(), row(2).strip()]


def test_a_stale_pid_file_with_the_number_of_another_process_is_removed(stand_in: StandIn) -> None:
    Path(stand_in.kea.files.pid).write_text(str(os.getpid()))
    assert stand_in.kea.run_lfc("command") == BUSY
    os.utime(stand_in.kea.files.pid, (1, 1))
    assert stand_in.kea.run_lfc("command") == DONE


def test_a_real_kea_2_2_does_not_know_the_command(kea: Server) -> None:
    assert kea.run_lfc("command") == FAILED
    assert (
        "Kea does not know kea-lfc-start ('kea-lfc-start' command not supported.): deploy again"
        in kea.state()["message"]
    )


@pytest.mark.slow
def test_killed_before_every_step(stand_in: StandIn) -> None:
    files = stand_in.kea.files
    steps = ["look for traces of a killed run", "send kea-lfc-start to Kea", "wait for kea-lfc"]
    for number, step in enumerate(steps, 1):
        Path(files.current).write_text(f"{COLUMNS}\n{row(number)}")
        assert stand_in.kea.killed_before(number, "command") == step
        until(lambda: stand_in.kea.run_lfc("command") == DONE, "a run after the kea-lfc of the killed run has ended")
        assert row(number) in Path(files.previous).read_text().splitlines(keepends=True)
        assert stand_in.kea.leftovers() == []


@pytest.mark.parametrize("left", ["rotated", "completed"])
def test_an_interrupted_run_is_finished_before_the_lease_file_is_rotated(stand_in: StandIn, left: str) -> None:
    """Kea has kea-lfc finish the interrupted run and does not rotate, so it gets the command twice."""
    Path(getattr(stand_in.kea.files, left)).write_text(f"{COLUMNS}\n{row(4001)}")
    assert stand_in.kea.run_lfc("command") == DONE
    assert stand_in.asked == ["kea-lfc-start"] * 2
    found = stand_in.kea.state()
    assert (found["rows_before"], found["rows_after"], found["outcome"]) == (5001, 101, "cleaned")
