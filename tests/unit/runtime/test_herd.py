# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A backlog waits until Kea has served its clients, and no longer; and what the host says of its processors."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace

import pytest
from kea_lease_monitor import naps
from kea_lease_monitor.herd import BACKLOG, LONGEST, LOOK, MANY, TRUSTED, WINDOW, Herd
from kea_lease_monitor.naps import Naps
from kea_lease_monitor.pipeline import Pipeline
from kea_lease_monitor.subscriptions import Match, Subscription
from support.wait import until

from runtime.builders import Time, event
from runtime.fakes import ListSink, ListSource
from runtime.states import state_in


class World:
    """A subscription whose batches a test makes."""

    def __init__(self) -> None:
        self.time = Time()
        self.herd = Herd(self.time.clock())

    def act(self, events: int, seconds: float) -> bool:
        """Act upon a batch. Return whether the next one waits."""
        self.herd.begin()
        self.time.now += seconds
        self.herd.acted(events)
        return self.herd.due() is not None


@pytest.fixture
def world() -> World:
    return World()


def test_few_leases_never_wait(world: World) -> None:
    world.time.host.free, world.time.host.waiting = False, 1.0
    assert not any(world.act(2, 0.01) for _number in range(500))
    assert world.time.host.asked == 0


def test_many_wait_until_a_processor_is_free(world: World) -> None:
    world.time.host.free = False
    assert world.act(round(MANY * WINDOW) + 1, WINDOW)
    assert world.herd.due() == pytest.approx(WINDOW + LOOK)
    assert world.herd.waits()
    world.time.now += 1
    world.time.host.free = True
    assert not world.herd.waits()
    assert world.herd.due() is None
    assert world.time.host.asked == 0
    assert not world.act(1000, TRUSTED / 2), "that is believed for a while"
    assert world.act(1000, TRUSTED / 2)


def test_no_batch_waits_for_ever(world: World) -> None:
    world.time.host.free = False
    assert world.act(1000, WINDOW)
    world.time.now += LONGEST - LOOK
    assert world.herd.waits()
    world.time.now += LOOK
    assert not world.herd.waits()
    assert world.act(BACKLOG, 0.1), "the next one waits as long, although few leases came in this time"
    world.time.now += LONGEST
    assert not world.herd.waits()
    assert not world.act(1, WINDOW)
    assert not world.act(BACKLOG, 1.0), "the herd is over"


def test_a_batch_that_waited_for_a_processor_tells_at_once(world: World) -> None:
    world.time.host.waiting = 0.01
    assert not world.act(5, 0.01), "too few to tell"
    assert not world.act(20, 0.1), "too slow for a herd"
    assert world.act(20, 0.02)


def test_a_subscription_reads_nothing_while_it_waits(tmp_path: Path) -> None:
    moments, source, sink = Time(), ListSource(), ListSink()
    subscription = Subscription("default", Match(), True, "some")
    pipeline = Pipeline(subscription, source, [sink], state_in(tmp_path), moments.clock())
    moments.host.free = False
    source.events = [event(number) for number in range(1, 2000)]
    pipeline.pump()
    moments.now += WINDOW
    while pipeline.due() <= moments.now:
        pipeline.pump()
    got = len(sink.got)
    assert 0 < got < 1999
    assert pipeline.fileno() is None, "nothing wakes it up"
    moments.now += LOOK
    pipeline.pump()
    assert len(sink.got) == got
    moments.host.free = True
    moments.now += LOOK
    while pipeline.due() <= moments.now:
        pipeline.pump()
    assert len(sink.got) == 1999


@pytest.mark.parametrize(("every", "free"), [(100, True), (21, True), (13, False), (3, False)])
def test_a_thread_that_wakes_up_in_time_has_a_free_processor(
    monkeypatch: pytest.MonkeyPatch, every: int, free: bool
) -> None:
    """In a time of its own, in which every so many naps end too late."""
    ended, found = threading.Event(), threading.Event()
    now, naps_taken = [0.0], itertools.count(1)

    def sleep(seconds: float) -> None:
        number = next(naps_taken)
        now[0] += seconds + (0.002 if number % every == 0 else 0.0001)
        if number == 1000:
            ended.set()

    monkeypatch.setattr(naps.os, "sched_setscheduler", lambda *_words: None)
    monkeypatch.setattr(naps, "time", SimpleNamespace(sleep=sleep, monotonic=lambda: now[0]))
    naps._nap(ended, found)
    assert found.is_set() is free


def test_a_host_whose_processors_are_all_taken_has_none() -> None:
    with ExitStack() as stack:
        for _number in range(2 * (os.cpu_count() or 1)):
            burner = stack.enter_context(subprocess.Popen([sys.executable, "-c", "while True: pass"]))
            stack.callback(burner.kill)
        load = Naps()
        load.ask()
        time.sleep(1.5)
        assert not load.is_free()
        load.end()


def test_where_it_is_not_permitted_nothing_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_words: object) -> None:
        raise PermissionError

    monkeypatch.setattr(naps.os, "sched_setscheduler", refused)
    load = Naps()
    load.ask()
    until(load.is_free, lambda: "the answer", 60)


def test_the_kernel_tells_how_long_this_thread_waited(monkeypatch: pytest.MonkeyPatch) -> None:
    load = Naps()
    began = time.monotonic()
    load.waited()
    assert 0 <= load.waited() <= time.monotonic() - began
    monkeypatch.setattr(naps, "_WAITED", "/nonexistent")
    assert load.waited() == 0
