# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The service that has Kea use reservations: it acts on each change, and finds at its start what a kill left undone."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Iterator

import pytest
from kea_lease_monitor.applier import Applier, Observer
from kea_lease_monitor.clock import Clock
from kea_lease_monitor.errors import TemporaryError
from kea_lease_monitor.kea import pools
from kea_lease_monitor.kea.applier import approved, lines, report
from kea_lease_monitor.kea.applier.confirming import Confirming
from kea_lease_monitor.kea.applier.hosts import Host as Reservation
from kea_lease_monitor.kea.applier.leased import Leases
from kea_lease_monitor.sources.memfile.watch import Watch
from support.paths import MONITOR, program_environment
from support.wait import until

from runtime.applying import Host, host_served
from runtime.builders import HEADER, event, row


class Recorder:
    """Stands for the program that applies."""

    def __init__(self, directory: Path) -> None:
        self.places = report.Places(str(directory), str(directory))
        self.runs = 0
        self.waits = 0.0
        self.error = ""
        self.during = lambda: None
        self.reloaded = False
        self.is_held = False
        self.asked = 0
        self.report_due: float | None = None
        self.reports = 0
        self.known = True
        self.hosts: list[Reservation] = []
        self.leases = directory / "leases.csv"
        self.confirming = Confirming(str(directory), Leases(str(self.leases), sleep, monotonic))

    def report_in(self) -> float | None:
        return self.report_due

    def report(self) -> bool:
        self.reports += 1
        self.report_due = None
        return self.known

    def pause(self) -> float:
        return self.waits

    def is_reloaded(self) -> bool:
        self.asked += 1
        return self.reloaded

    def run(self) -> None:
        self.confirming.take_news()
        self.confirming.refusals(self.hosts, lambda _host: None)
        self.runs += 1
        self.during()
        if self.error:
            raise TemporaryError(self.error)


class Time:
    """A clock that stands still."""

    def __init__(self) -> None:
        self.now = 100.0

    def clock(self) -> Clock:
        return Clock(lambda: self.now, lambda: self.now)


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def recorder(tmp_path: Path) -> Recorder:
    return Recorder(tmp_path)


@pytest.fixture
def applier(recorder: Any, time: Time, tmp_path: Path) -> Iterator[Applier]:
    watch = Watch(str(tmp_path))
    yield Applier(recorder, watch, time.clock())
    watch.close()


def test_it_applies_at_the_start_and_then_after_each_change_of_a_file(
    applier: Applier, recorder: Recorder, tmp_path: Path
) -> None:
    applier.pump()
    assert recorder.runs == 1, "without a change, too: a kill may have left something undone"
    applier.pump()
    (tmp_path / "notes").write_text("x")
    applier.pump()
    assert recorder.runs == 1
    (tmp_path / "subnet-1.json").write_text("x")
    applier.pump()
    applier.pump()
    assert recorder.runs == 2


def test_it_applies_again_once_a_refused_reservation_may_be_confirmed(
    applier: Applier, recorder: Recorder, tmp_path: Path
) -> None:
    recorder.leases.write_text(HEADER)
    one, two = (Reservation.of(1, f"hw-address 02:00:00:00:00:0{n}", {"ip-address": f"10.0.0.{n}"}) for n in (1, 2))
    recorder.hosts += [one, two]
    applier.pump()
    lease = row(1)
    for write in (lambda: recorder.leases.write_text(HEADER + lease), lambda: approved.add(str(tmp_path), two.claims)):
        runs = recorder.runs
        applier.pump()
        assert recorder.runs == runs
        write()
        applier.pump()
        applier.pump()
        assert recorder.runs == runs + 1


def test_a_change_during_an_apply_is_applied_next(applier: Applier, recorder: Recorder, tmp_path: Path) -> None:
    recorder.during = lambda: (tmp_path / "subnet-1.json").write_text("x" * recorder.runs) and None
    applier.pump()
    recorder.during = lambda: None
    assert applier.due() <= 100.0
    applier.pump()
    assert recorder.runs == 2


def test_it_pauses_as_long_as_an_apply_took(applier: Applier, recorder: Recorder, time: Time, tmp_path: Path) -> None:
    def last() -> None:
        (tmp_path / "subnet-1.json").write_text("x" * recorder.runs)
        time.now += 5.0

    recorder.during = last
    applier.pump()
    assert (time.now, applier.due()) == (105.0, 110.0)
    applier.pump()
    assert recorder.runs == 1


@pytest.mark.parametrize(("took", "rest"), [(0.2, 1.8), (2.0, 10.0), (30.0, 30.0)])
def test_what_waits_for_a_play_takes_little_of_the_processor(
    applier: Applier, recorder: Recorder, time: Time, took: float, rest: float
) -> None:
    """On a pair before Kea 3.0 nothing comes into force by it, and all reservations are tested each time."""

    def last() -> None:
        time.now += took

    recorder.during, recorder.is_held = last, True
    applier.pump()
    assert applier.due() == pytest.approx(100.0 + took + rest)


def test_a_change_within_the_interval_waits_for_its_end(applier: Applier, recorder: Recorder, time: Time) -> None:
    recorder.waits = 40.0
    applier.pump()
    assert (recorder.runs, applier.due()) == (0, 140.0)
    time.now, recorder.waits = 139.0, 0.0
    applier.pump()
    assert (recorder.runs, applier.due()) == (0, 140.0)
    time.now = 140.0
    applier.pump()
    assert recorder.runs == 1


def test_it_reports_when_that_is_due(applier: Applier, recorder: Recorder, time: Time) -> None:
    recorder.report_due = 0.2
    applier.pump()
    applier.pump()
    assert (recorder.runs, recorder.reports, applier.due()) == (1, 0, time.now + 0.2)
    recorder.report_due = 0.0
    applier.pump()
    assert (recorder.runs, recorder.reports) == (1, 1)
    recorder.report_due, recorder.known = 0.0, False
    applier.pump()
    assert (recorder.runs, recorder.reports) == (2, 2), "Kea was restarted before the report"


def test_an_apply_that_fails_is_retried_and_logged_once(
    applier: Applier, recorder: Recorder, time: Time, capfd: pytest.CaptureFixture[str]
) -> None:
    recorder.error = "Kea refused to reload"
    for number in (1, 2, 3):
        applier.pump()
        assert (recorder.runs, applier.due()) == (number, time.now + 10.0)
        time.now += 10.0
    recorder.error = ""
    applier.pump()
    applier.pump()
    assert recorder.runs == 4


def test_it_notices_a_reload_by_a_play_and_asks_for_it_every_10_seconds(
    applier: Applier, recorder: Recorder, time: Time
) -> None:
    applier.pump()
    for _wake in range(5):
        applier.pump()
    assert (recorder.asked, recorder.runs, applier.due()) == (1, 1, 110.0)
    time.now, recorder.reloaded = 110.0, True
    applier.pump()
    assert (recorder.asked, recorder.runs) == (2, 2)


@pytest.mark.parametrize("kind", ["link", "directory", "loop"])
def test_what_a_hostile_monitor_puts_there_ends_no_service(
    applier: Applier, recorder: Recorder, tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "subnet-1.json"
    {
        "link": lambda: path.symlink_to("/etc/shadow"),
        "directory": path.mkdir,
        "loop": lambda: path.symlink_to("subnet-1.json"),
    }[kind]()
    applier.pump()
    assert recorder.runs == 1


def test_statistics_are_read_at_regular_times_and_a_failure_is_logged_once(
    time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(lines, "observe_failed", said.append)
    monkeypatch.setattr(lines, "observing", lambda: said.append("again"))
    errors = ["", "read-only", "read-only", "", "no answer"]

    def write(figures: pools.Figures, interval: float) -> None:
        if error := errors.pop(0):
            raise TemporaryError(error)

    observer = Observer(tuple, write, time.clock())
    assert (observer.fileno(), observer.due()) == (None, time.now)
    while errors:
        observer.pump()
        assert observer.due() == time.now + 10.0
        time.now += 10.0
    assert said == ["read-only", "again", "no answer"]


@pytest.mark.parametrize(("took", "interval"), [(0.0, 10.0), (0.05, 10.0), (0.5, 100.0), (60.0, 600.0)])
def test_kea_spends_at_most_a_200th_of_its_time_on_its_statistics(time: Time, took: float, interval: float) -> None:
    said: list[float] = []

    def gather() -> pools.Figures:
        time.now += took
        return ()

    observer = Observer(gather, lambda _figures, interval: said.append(interval), time.clock())
    observer.pump()
    assert said == [pytest.approx(interval)]
    assert observer.due() == pytest.approx(time.now + interval)


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    with host_served(tmp_path, monkeypatch) as host:
        yield host


def follow(host: Host, *more: str) -> subprocess.Popen[bytes]:
    flags = {
        "kea-program": host.program,
        "kea-config": host.path / "kea.conf",
        "control-socket": host.path / "socket",
        "lease-file": host.leases,
        "directory": host.places.written,
        "report": host.places.report,
        "included": host.applied,
        "pools": host.path / "pools.json",
        "min-interval": 0,
    }
    words = [f"--{name}={value}" for name, value in flags.items()]
    command = [sys.executable, str(MONITOR / "kea_lease_monitor.py"), "apply-reservations", "--follow", *words, *more]
    with (host.path / "service.log").open("ab") as log:
        return subprocess.Popen(command, env=program_environment(), stdout=log, stderr=log)


@pytest.mark.slow
def test_kills_at_any_time_lose_nothing(host: Host) -> None:
    sink = host.sink()
    for number in range(1, 9):
        sink.deliver([event(number)])
        process = follow(host)
        # Each time a little later: at the start, in the test of the configuration, at the reload, after it.
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(number * 0.1)
        process.send_signal(signal.SIGKILL if number % 2 else signal.SIGTERM)
        process.wait()
    process = follow(host)
    try:
        until(lambda: len(host.known()) == 9, "all reservations in force")
        sink.deliver([event(20)])
        until(lambda: "10.0.0.20" in host.known(), "the next reservation")
    finally:
        process.terminate()
        assert process.wait(10) == 0


@pytest.mark.slow
def test_it_only_observes_where_reservations_are_in_a_database(host: Host) -> None:
    host.sink().deliver([event(1)])
    process = follow(host, "--observe")
    until(lambda: pools.read([str(host.path / "pools.json")]), "the use of pools")
    process.terminate()
    assert process.wait(10) == 0
    assert not host.report.joinpath("status.json").exists()
    assert host.known() == ["10.0.0.200"]


@pytest.mark.slow
def test_on_a_pair_it_notices_a_reload_by_a_play(host: Host) -> None:
    host.be_half_of_a_pair()
    host.sink().deliver([event(1)])
    process = follow(host)
    try:
        until(lambda: planned(host), "the report that a change waits")
        assert host.known() == ["10.0.0.200"]
        # Kea tells whole seconds, so a reload within a second of the change is not certain to have read it.
        sleep(2)
        host.reload()
        until(lambda: planned(host) is False, "the report that nothing waits")
        assert host.known() == ["10.0.0.1", "10.0.0.200"]
    finally:
        process.terminate()
        process.wait(10)


def planned(host: Host) -> bool | None:
    status = report.read(host.places.report)
    return status.planned if status else None
