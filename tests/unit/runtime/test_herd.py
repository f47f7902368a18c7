# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A backlog waits while Kea serves its clients, and not for long; and what the kernel says of the processors."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from kea_lease_monitor import load
from kea_lease_monitor.herd import CROWDED, FEW, LONGEST, MANY, TIMES, Herd
from kea_lease_monitor.lease import LeaseEvent
from kea_lease_monitor.pipeline import Pipeline
from kea_lease_monitor.subscriptions import Match, Subscription

from runtime.builders import Time, event
from runtime.fakes import ListSink, ListSource
from runtime.states import state_in


@pytest.mark.parametrize(
    ("events", "seconds", "crowded", "pause"),
    [
        (FEW, 0.01, True, 0.01 * TIMES),
        (1000, 0.1, True, 0.1 * TIMES),
        (1000, 1.0, True, LONGEST),
        (1000, 0.1, False, 0.0),
        (FEW - 1, 0.001, True, 0.0),
        (round(MANY * 0.5) - 1, 0.5, True, 0.0),
    ],
)
def test_how_long_the_next_batch_waits(events: int, seconds: float, crowded: bool, pause: float) -> None:
    moments = Time()
    herd = Herd(moments.clock())
    herd.begin()
    moments.now += seconds
    moments.waited += seconds * CROWDED * (1.1 if crowded else 0.9)
    herd.acted(events)
    assert (herd.due() or moments.now) == pytest.approx(moments.now + pause)
    assert herd.waits() is (pause > 0)
    moments.now += pause + 0.001
    assert not herd.waits()
    assert herd.due() is None


class Slow(ListSink):
    """Each batch takes a tenth of a second, half of it without a processor."""

    def __init__(self, moments: Time) -> None:
        super().__init__()
        self.moments = moments

    def deliver(self, events: list[LeaseEvent]) -> object:  # type: ignore[override]
        self.moments.now += 0.1
        self.moments.waited += 0.05
        return super().deliver(events)


def test_a_subscription_reads_nothing_while_it_waits(tmp_path: Path) -> None:
    moments, source = Time(), ListSource()
    sink = Slow(moments)
    subscription = Subscription("default", Match(), True, "some")
    pipeline = Pipeline(subscription, source, [sink], state_in(tmp_path), moments.clock())
    source.events = [event(number) for number in range(1, 2000)]
    pipeline.pump()
    got = len(sink.got)
    assert 0 < got < 1999
    assert pipeline.fileno() is None, "nothing wakes it up"
    moments.now += 0.1 * TIMES - 0.01
    pipeline.pump()
    assert len(sink.got) == got
    while len(sink.got) < 1999:
        moments.now = max(moments.now, pipeline.due())
        pipeline.pump()


def test_the_kernel_tells_how_long_this_thread_waited(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three programs for each processor want it all the time."""
    with ExitStack() as stack:
        for _number in range(3 * (os.cpu_count() or 1)):
            burner = stack.enter_context(subprocess.Popen([sys.executable, "-c", "while True: pass"]))
            stack.callback(burner.kill)
        before, began = load.waited(), time.monotonic()
        while time.monotonic() < began + 2:
            pass
        passed, waited = time.monotonic() - began, load.waited() - before
    assert CROWDED * passed < waited <= passed
    monkeypatch.setattr(load, "_TURNS", "/nonexistent")
    assert load.waited() == 0
