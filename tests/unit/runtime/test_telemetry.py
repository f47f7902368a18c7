# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is seen from outside: fields of the journal, names and shape of the metrics."""

from __future__ import annotations

import logging
import re
import socket
from pathlib import Path
from typing import Any, Callable

import prometheus_client
import pytest
from kea_lease_monitor import metrics, telemetry
from kea_lease_monitor.batch import Reason, Rejection
from kea_lease_monitor.journal import JournalHandler, datagram
from kea_lease_monitor.throttle import INTERVAL, LINES, Throttle
from prometheus_client.openmetrics import exposition
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from runtime.builders import event, lease


def received(channel: socket.socket) -> dict[str, str]:
    """The fields of one datagram, as the journal reads them."""
    data, fields = channel.recv(65536), {}
    while data:
        line, data = data.split(b"\n", 1)
        name, equal, value = line.partition(b"=")
        if not equal:
            size = int.from_bytes(data[:8], "little")
            value, data = data[8 : 8 + size], data[9 + size :]
        fields[name.decode()] = value.decode()
    return fields


@pytest.fixture
def journal(tmp_path: Path) -> Any:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(str(tmp_path / "journal"))
        channel.settimeout(5)
        handler = JournalHandler(str(tmp_path / "journal"))
        logger = logging.getLogger("kea_lease_monitor")
        logger.setLevel(logging.INFO)
        logger.addHandler(handler)
        yield channel
        logger.removeHandler(handler)
        handler.close()


def test_the_journal_can_be_queried_by_lease_subnet_and_subscription(journal: socket.socket) -> None:
    with telemetry.acting_for("default"):
        telemetry.reservation_created(lease(7))
    fields = received(journal)
    assert fields["MESSAGE"].startswith(
        "Static reservation created: address=10.0.0.7 hwaddr=02:00:00:00:00:07 subnet=1"
    )
    assert {name: fields[name] for name in fields if name != "MESSAGE"} == {
        "PRIORITY": "6",
        "SYSLOG_IDENTIFIER": "kea-lease-monitor",
        "KEA_LEASE_ADDRESS": "10.0.0.7",
        "KEA_LEASE_HWADDR": "02:00:00:00:00:07",
        "KEA_SUBNET_ID": "1",
        "KEA_SUBSCRIPTION": "default",
        "KEA_EVENT": "reservation_created",
    }


def test_no_client_can_forge_a_field_or_a_line(journal: socket.socket) -> None:
    telemetry.reading_all("one", "a\nPRIORITY=0\nKEA_SUBNET_ID=9")
    fields = received(journal)
    assert (fields["PRIORITY"], fields["KEA_SUBSCRIPTION"], "KEA_SUBNET_ID" in fields) == ("6", "one", False)
    assert fields["KEA_REASON"] == "a\nPRIORITY=0\nKEA_SUBNET_ID=9"
    assert datagram({"A": "\udcff"}) == b"A=\\udcff\n", "nor end the program with what is no text"


def test_a_line_is_not_lost_with_the_journal(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    handler = JournalHandler(str(tmp_path / "none"))
    handler.emit(logging.LogRecord("x", logging.WARNING, "", 0, "said %s", ("all the same",), None))
    handler.close()
    assert capfd.readouterr().err == "<4>said all the same\n"


def sample(name: str, **labels: str) -> float:
    return metrics.REGISTRY.get_sample_value(f"kea_lease_monitor_{name}", labels) or 0.0


def test_a_batch_updates_the_metrics() -> None:
    telemetry.delivered("m1", 3, False, 1000.5, 1000.25)
    assert sample("lag_seconds", subscription="m1") == 0.25
    assert sample("batch_events_sum", subscription="m1") == 3
    assert sample("latency_seconds_count", subscription="m1") == 1
    assert (sample("acting", subscription="m1"), sample("caught_up", subscription="m1")) == (1, 0)
    telemetry.delivered("m1", 0, True, 1001.0, 0.0)
    assert (sample("lag_seconds", subscription="m1"), sample("caught_up", subscription="m1")) == (0, 1)
    telemetry.standing_by("m1")
    assert sample("acting", subscription="m1") == 0
    telemetry.dead_letter("m1", "reservation", Rejection(event(1), Reason.ADDRESS_TAKEN, "x"))
    assert sample("reservation_conflicts_total", subscription="m1") == 1


def test_lost_events_are_a_counter_of_each_subscription() -> None:
    for missing in (0, 3, 0, 2, -5):
        telemetry.trigger("m2", missing, True)
    assert sample("events_lost_total", subscription="m2") == 5
    assert sample("trigger_enabled") == 1


def test_the_counters_of_a_subscription_begin_at_0() -> None:
    telemetry.started("1.2.0", ("m3",))
    for name in ("retries", "events_lost", "reservation_conflicts", "full_reads", "events"):
        assert metrics.REGISTRY.get_sample_value(f"kea_lease_monitor_{name}_total", {"subscription": "m3"}) == 0
    for reason in Reason:
        labels = {"subscription": "m3", "reason": reason.value}
        assert metrics.REGISTRY.get_sample_value("kea_lease_monitor_dead_letters_total", labels) == 0
    telemetry.dead_letter("m3", "reservation", Rejection(event(1), Reason.REFUSED, "x"))
    telemetry.started("1.2.0", ("m3",))
    assert sample("dead_letters_total", subscription="m3", reason="refused") == 1, "a reload keeps what was counted"


def test_an_open_transaction_is_logged_with_its_process(journal: socket.socket) -> None:
    telemetry.horizon_held(4711, 59.0)
    telemetry.horizon_held(4711, 61.0)
    assert received(journal)["KEA_PID"] == "4711"
    assert sample("horizon_age_seconds") == 61.0


def test_the_metrics_keep_the_conventions_of_openmetrics() -> None:
    text = exposition.generate_latest(metrics.REGISTRY).decode()
    for family in text_string_to_metric_families(text):
        assert family.name.startswith("kea_lease_monitor_")
        assert family.documentation.endswith(".")
        assert not re.search(r"_(ms|milliseconds|minutes|percent|kb)$", family.name)
        labels = {name for each in family.samples for name in each.labels}
        assert labels <= {"subscription", "sink", "result", "reason", "version", "le"}, "an address labels nothing"


def test_the_metrics_are_in_a_registry_of_their_own() -> None:
    assert prometheus_client.REGISTRY is not metrics.REGISTRY


def test_a_million_rejections_are_counted_and_few_of_them_logged(
    said: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr(telemetry, "_THROTTLE", Throttle(lambda: now))
    counted = metrics.REGISTRY.get_sample_value("kea_lease_monitor_rejected_rows_total") or 0.0
    for number in range(1000):
        telemetry.row_rejected(f"file:{number}", "no row")
        telemetry.dead_letter("default", "sink", Rejection(event(1), Reason.REFUSED, "never"))
    assert metrics.REGISTRY.get_sample_value("kea_lease_monitor_rejected_rows_total") == counted + 1000
    assert (said().count("[row_rejected]"), said().count("[dead_letter]")) == (LINES, LINES)
    telemetry.beat(1.0)
    assert "[suppressed]" not in said(), "the minute is not over"
    now = INTERVAL
    telemetry.beat(2.0)
    for name in ("row_rejected", "dead_letter"):
        assert f"More such events were counted and not logged: name={name} count={1000 - LINES} seconds=60" in said()
    telemetry.row_rejected("file:1001", "no row")
    assert said().count("[row_rejected]") == LINES + 1
    now += INTERVAL
    telemetry.beat(3.0)
    assert said().count("[suppressed]") == 2, "nothing was left out since"
