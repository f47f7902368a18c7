# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The metrics of reservations in files, for each subscription."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Iterator

import pytest
from kea_lease_monitor import app, metrics, telemetry
from kea_lease_monitor.kea.applier import report
from kea_lease_monitor.kea.applier.report import Places, Status, Subnet
from kea_lease_monitor.settings import MonitorSettings

from runtime.builders import NOW, Time


def settings(path: Path, **subscriptions: list[int]) -> MonitorSettings:
    """Return the settings of a monitor whose subscriptions select subnets, and write into one directory."""
    sinks = [{"type": "reservation_file", "directory": str(path / "written"), "report": str(path / "report")}]
    listed = [{"name": name, "match": {"subnets": each}, "sinks": sinks} for name, each in subscriptions.items()]
    told = {"name": "told", "sinks": [{"type": "exec", "command": ["/bin/true"]}]}
    return MonitorSettings.parse({"source": {"type": "memfile"}, "subscriptions": [*listed, told]})


def value(subscription: str, state: str = "") -> float | None:
    labels = {"subscription": subscription, **({"state": state} if state else {})}
    name = "kea_lease_monitor_reservations" + ("" if state else "_waiting_seconds")
    return metrics.REGISTRY.get_sample_value(name, labels)


@pytest.fixture
def places(tmp_path: Path) -> Iterator[Places]:
    for name in ("written", "report"):
        (tmp_path / name).mkdir()
    yield Places(str(tmp_path / "written"), str(tmp_path / "report"))
    telemetry.count_reservations({}, {})


def write(places: Places, moment: float) -> None:
    """Write the file of subnet 1 at a time, as the sink does."""
    path = os.path.join(places.written, "subnet-1.json")
    Path(path).write_text(f"{moment}")
    os.utime(path, (moment, moment))
    report.request(places, moment)


def test_each_subscription_has_the_reservations_of_its_subnets(tmp_path: Path, places: Places) -> None:
    report.write(places.report, Status({1: Subnet(4, 2, 1, ""), 2: Subnet(5, 5, 0, "")}))
    app.show_reservations(settings(tmp_path, one=[1], every=[]), Time().clock())
    states = ("written", "in_force", "refused", "left_out")
    assert [value("one", state) for state in states] == [4, 2, 1, 0]
    assert [value("every", state) for state in states] == [9, 7, 1, 0]
    assert value("told", "written") is None, "it makes none"
    app.show_reservations(settings(tmp_path, every=[]), Time().clock())
    assert value("one", "written") is None, "it is of an earlier configuration"


def test_a_change_waits_from_when_it_was_written(tmp_path: Path, places: Places) -> None:
    time = Time()
    clock = time.clock()
    app.show_reservations(settings(tmp_path, all=[]), clock)
    assert value("all") == 0
    write(places, clock.time())
    time.now += 90
    assert value("all") == 90
    source = report.source(os.path.join(places.written, "subnet-1.json"))
    done = Status({1: Subnet(1, 1, 0, source)}, read_at=clock.time())
    report.write(places.report, done)
    assert value("all") == 0
    time.now += 10
    write(places, clock.time())
    time.now += 7
    assert value("all") == 7
    report.write(places.report, done._replace(waiting_since=clock.time() - 3600, planned=True))
    assert value("all") == 3600, "it waits for the next play"
    Path(places.report, report.STATUS).write_text("{")
    assert math.isnan(value("all") or 0.0)


def test_files_are_not_read_for_the_metric_while_nothing_changed(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(places, NOW)
    report.write(places.report, Status(read_at=NOW + 1.0))
    monkeypatch.setattr(report, "source", lambda path: pytest.fail(f"{path} was read"))
    assert report.waiting(places, NOW + 100.0) == 0
