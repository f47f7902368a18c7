# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``--watch``: what it prints, and how it ends."""

from __future__ import annotations

import argparse
import sys
from typing import Iterator

import pytest
from kea_lease_monitor.commands import cli, watch
from kea_lease_monitor.errors import TemporaryError


@pytest.fixture
def naps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Have the third pause end by Ctrl-C, at once. Return the seconds of each pause."""
    taken: list[float] = []

    def sleep(seconds: float) -> None:
        taken.append(seconds)
        if len(taken) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(watch.time, "sleep", sleep)
    return taken


def test_it_prints_until_ctrl_c(naps: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    texts: Iterator[str] = iter(["one", "two", "three", "four"])
    watch.repeat(lambda: next(texts), 5.0)
    assert capsys.readouterr().out == "one\ntwo\nthree\n"
    assert naps == [5.0, 5.0, 5.0]


def test_a_terminal_shows_the_last_text_only(
    naps: list[float], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    watch.repeat(lambda: "table", 1.0)
    assert capsys.readouterr().out.count("\x1b[H\x1b[2J") == 3


def test_what_fails_for_now_is_shown_and_tried_again(naps: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    answers = iter([TemporaryError("the server \x1b[2J is gone"), "table", "table"])

    def read() -> str:
        answer = next(answers)
        if isinstance(answer, TemporaryError):
            raise answer
        return answer

    watch.repeat(read, 1.0)
    shown = capsys.readouterr().out
    assert shown.startswith("kea-lease-monitor: error: the server ")
    assert "\x1b" not in shown
    assert shown.endswith("table\ntable\n")


def test_ctrl_c_while_it_reads_ends_it(capsys: pytest.CaptureFixture[str]) -> None:
    def read() -> str:
        raise KeyboardInterrupt

    watch.repeat(read, 1.0)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(("words", "seconds"), [([], None), (["--watch"], 2.0), (["--watch", "0.5"], 0.5)])
def test_the_flag(words: list[str], seconds: float | None) -> None:
    assert cli.parser().parse_args(["status", *words]).watch == seconds


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "x"])
def test_seconds_that_are_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="seconds from"):
        watch._seconds(text)
