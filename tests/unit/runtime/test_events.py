# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lease events from PostgreSQL: contract, concurrency, a lost link, pruning."""

from __future__ import annotations

import os
import select
import signal
import threading
import time
from typing import Any, Callable, Iterator

import pytest
from kea_lease_monitor import database, metrics
from kea_lease_monitor import position as positions
from kea_lease_monitor.clock import Clock
from kea_lease_monitor.errors import PositionLostError, TemporaryError
from kea_lease_monitor.kea.sql import leases
from kea_lease_monitor.lease import EventKind
from kea_lease_monitor.position import EventPosition, Snapshot
from kea_lease_monitor.prepared import Prepared
from kea_lease_monitor.sources.base import StandingBy
from kea_lease_monitor.sources.events import upkeep
from kea_lease_monitor.sources.events.source import EventsSource, Options
from kea_lease_monitor.sources.events.upkeep import RETENTION
from support.wait import until

from runtime.builders import Time
from runtime.contracts import SourceContract, drained
from runtime.world import Kea


class TestEvents(SourceContract):
    @pytest.fixture
    def source(self, kea: Kea, link: Callable[[], Any]) -> Iterator[Any]:
        self.link = link
        source = self.another()
        yield source, lambda number, hostname: kea.lease(f"10.0.0.{number}", f"02:00:00:00:00:{number:02x}", hostname)
        source.close()

    def another(self, clock: Clock | None = None) -> EventsSource:
        return make(self.link, clock)


def make(link: Callable[[], Any], clock: Clock | None = None) -> EventsSource:
    return EventsSource("default", link(), Options(), {"default": 0}, clock or Clock())


@pytest.fixture
def source(link: Callable[[], Any]) -> Iterator[EventsSource]:
    source = make(link)
    yield source
    source.close()


def kinds(source: EventsSource, position: Any) -> list[str]:
    return [event.kind.value for event in drained(source, position)[0]]


def test_the_life_of_a_lease(kea: Kea, source: EventsSource) -> None:
    position = source.start(False)
    kea.lease("10.0.0.1", "02:00:00:00:00:01")
    kea.rows("UPDATE lease4 SET expire = expire + interval '1 minute'")
    kea.rows("UPDATE lease4 SET hostname = 'x'")
    kea.rows("UPDATE lease4 SET state = 1, hwaddr = ''")
    kea.rows("UPDATE lease4 SET state = 0, hwaddr = '\\x020000000002'")
    kea.rows("UPDATE lease4 SET state = 2")
    kea.rows("DELETE FROM lease4")
    assert kinds(source, position) == ["assigned", "changed", "declined", "assigned", "reclaimed", "deleted"]


def test_a_lease_in_another_subnet_is_a_change_not_a_renewal(kea: Kea, source: EventsSource) -> None:
    position = source.start(False)
    kea.lease("10.0.0.1", "02:00:00:00:00:01")
    kea.rows("UPDATE lease4 SET subnet_id = 2")
    assert kinds(source, position) == ["assigned", "changed"]


def test_a_scan_distinguishes_expired_and_infinite_leases(kea: Kea, source: EventsSource) -> None:
    kea.lease("10.0.0.1", "02:00:00:00:00:01", left=-60)
    kea.lease("10.0.0.2", "02:00:00:00:00:02", left=-60, lifetime=4294967295)
    kea.lease("10.0.0.3", "02:00:00:00:00:03", state=2)
    assert kinds(source, source.start(True)) == ["expired", "assigned", "reclaimed"]


def test_a_scan_returns_the_younger_of_two_leases_of_a_client(kea: Kea, source: EventsSource) -> None:
    for subnet, times in enumerate(
        [((3600, 3600), (3600, 1800)), ((4294967295, 0), (60, 50)), ((60, 50), (60, 50))], 1
    ):
        for number, (lifetime, left) in enumerate(times):
            kea.lease(f"10.0.{subnet}.{number}", "02:00:00:00:00:01", "", subnet, lifetime=lifetime, left=left)
    kea.lease("10.0.4.0", "02:00:00:00:00:01", subnet=4)
    kea.lease("10.0.4.1", "02:00:00:00:00:01", subnet=4, state=2, left=7200)
    kea.lease("10.0.5.0", "", subnet=5)
    kea.lease("10.0.5.1", "", subnet=5, left=7200)
    held = [event for event in drained(source, source.start(True))[0] if event.kind is EventKind.ASSIGNED]
    assert [event.lease.address for event in held] == [
        *("10.0.1.0", "10.0.2.0", "10.0.3.1", "10.0.4.0", "10.0.5.0", "10.0.5.1")
    ]


@pytest.mark.parametrize("family", [4, 6])
def test_a_scan_uses_indexes_on_a_table_without_statistics(kea: Kea, family: int) -> None:
    kea.rows(f"ALTER TABLE lease{family} DISABLE TRIGGER ALL; ALTER TABLE lease6 ALTER address TYPE inet USING NULL")
    columns, values = {
        4: ("address, hwaddr", "n, decode(lpad(to_hex(n), 12, '0'), 'hex')"),
        6: ("address, duid, iaid, lease_type", "'2001:db8::'::inet + n, decode(lpad(to_hex(n), 8, '0'), 'hex'), 1, 0"),
    }[family]
    kea.rows(
        f"INSERT INTO lease{family} ({columns}, valid_lifetime, expire, subnet_id, state)"
        f" SELECT {values}, 60, now(), 1, 0 FROM generate_series(1, 3000) AS n"
    )
    with kea.connection.cursor() as cursor:
        after = {4: "0.0.0.5", 6: "2001:db8::5"}[family]
        statement = f"{leases.IN_PORTIONS} EXPLAIN {leases.SCAN[family]}"
        cursor.execute(statement, {"address": after, "limit": 1000})
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "Seq Scan" not in plan, plan
    assert "Sort" not in plan, plan


def test_a_late_commit_is_read_late_and_delays_no_other_event(kea: Kea, source: EventsSource) -> None:
    _events, position = drained(source, source.start(False))
    slow = kea.connect()
    slow.autocommit = False
    with slow.cursor() as cursor:
        cursor.execute(
            "INSERT INTO lease4 (address, hwaddr, valid_lifetime, expire, subnet_id, state)"
            " VALUES (167772169, '\\x020000000009', 3600, now(), 2, 0)"
        )
    kea.lease("10.0.0.1", "02:00:00:00:00:01")
    events, position = drained(source, position)
    assert [event.lease.address for event in events] == ["10.0.0.1"]
    kea.lease("10.0.0.2", "02:00:00:00:00:02")
    slow.commit()
    slow.close()
    events, position = drained(source, position)
    assert [event.lease.address for event in events] == ["10.0.0.9", "10.0.0.2"]
    assert drained(source, position)[0] == []


def test_each_event_of_eight_writers_is_read_exactly_once(kea: Kea, source: EventsSource) -> None:
    position: Any = source.start(False)
    connections = [kea.connect() for _round in range(8)]

    def write(writer: int) -> None:
        own = Kea.__new__(Kea)
        own.connection = connections[writer]
        for number in range(60):
            own.lease(f"10.{writer}.0.{number}", f"02:00:00:00:{writer:02x}:{number:02x}", subnet=writer + 1)

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(8)]
    for thread in threads:
        thread.start()
    seen: list[str] = []
    due = time.monotonic() + 20
    while len(seen) < 480:
        assert time.monotonic() < due, f"{len(seen)} of 480"
        batch = source.read(position, 7)
        position = batch.position
        seen += [event.lease.address for event in batch.events]
    for thread in threads:
        thread.join()
    for connection in connections:
        connection.close()
    assert len(set(seen)) == 480
    assert drained(source, position)[0] == []


def test_it_keeps_reading_while_a_transaction_without_a_wake_up_is_open(kea: Kea, link: Callable[[], Any]) -> None:
    """Even if that transaction is the newest of all, which pg_current_snapshot() does not show."""
    now = Time()
    source = make(link, now.clock())
    _events, position = drained(source, source.start(False))
    holder, late = kea.connect(), kea.connect()
    holder.autocommit = late.autocommit = False
    columns = "address, hwaddr, valid_lifetime, expire, subnet_id, state"
    insert = f"INSERT INTO lease4 ({columns}) VALUES (%s, '\\x01', 9, now(), %s, 0)"
    with holder.cursor() as first, late.cursor() as second:
        first.execute(insert, (1, 1))
        second.execute(insert, (2, 2))
        holder.commit()
        due = time.monotonic() + 5
        while source.due() - now.now > 0.051:
            assert time.monotonic() < due, "no wake-up"
            batch = source.read(position, 10)
            position = batch.position
        for _round in range(8):
            now.now = source.due()
            position = source.read(position, 10).position
            assert source.due() - now.now < 0.051
        late.commit()
    now.now = source.due()
    assert [event.lease.address for event in source.read(position, 10).events] == ["0.0.0.2"]
    assert source.due() - now.now > 1
    for connection in (holder, late):
        connection.close()
    source.close()


def test_every_wake_up_is_served_before_the_next_poll(
    kea: Kea, link: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one during a pass of several batches, and one that arrives with the answer to a statement."""
    now, told = Time(), [False] * 2
    monkeypatch.setattr(database.Session, "woken", lambda _session: told.pop(0))
    source = make(link, now.clock())
    position = source.read(source.start(False), 10).position
    for number in (1, 2, 3):
        kea.lease(f"10.0.0.{number}", f"02:00:00:00:00:{number:02x}")
    told[:] = [True, False, False, False, False, True]
    position = source.read(position, 2).position
    position = source.read(position, 2).position
    assert source.due() - now.now < 0.051, "between the parts"
    source.read(position, 2)
    assert source.due() == now.now, "with an answer"
    source.close()


def test_a_transaction_of_hours_causes_no_reads_for_hours(kea: Kea, link: Callable[[], Any]) -> None:
    now = Time()
    source = make(link, now.clock())
    other = kea.connect()
    other.autocommit = False
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_current_xact_id()")
    _events, position = drained(source, source.start(False))
    kea.lease("10.0.0.1", "02:00:00:00:00:01")
    reads = 0
    while now.now < 60:
        position, reads, now.now = source.read(position, 10).position, reads + 1, max(source.due(), now.now + 0.001)
    assert 40 < reads < 100, "20 times a second for two seconds, then hardly more often than the poll"
    other.close()
    source.close()


def test_another_cluster_is_recognised(kea: Kea, source: EventsSource) -> None:
    position = source.start(False)
    assert isinstance(position, EventPosition)
    with pytest.raises(PositionLostError, match="another one"):
        source.read(position._replace(system="1/00000001"), 1)


def test_an_earlier_state_of_the_database_is_recognised(source: EventsSource) -> None:
    position = source.start(False)
    assert isinstance(position, EventPosition)
    with pytest.raises(PositionLostError, match="restored"):
        source.read(position._replace(seen=Snapshot(2**40, 2**40, ())), 1)


def test_after_a_long_absence_all_leases_are_read_if_rows_may_be_missing(kea: Kea, link: Callable[[], Any]) -> None:
    first = make(link)
    kea.lease("10.0.0.9", "02:00:00:00:00:09")
    kea.rows("UPDATE kea_events.lease_event SET recorded_at = now() - interval '2 hours'")
    kea.lease("10.0.0.1", "02:00:00:00:00:01")
    position = first.start(False)
    first.close()
    assert isinstance(position, EventPosition)
    old = position._replace(taken_at=position.taken_at - RETENTION)
    again = make(link)
    assert len(drained(again, old)[0]) == 1, "not lost, though the server was started since"
    again.close()
    kea.rows("DELETE FROM kea_events.lease_event")
    again = make(link)
    with pytest.raises(PositionLostError, match="pruned"):
        again.read(old, 1)
    again.close()


def test_after_a_restart_of_the_server_the_last_rows_are_read_again(kea: Kea, link: Callable[[], Any]) -> None:
    """After a crash the number of a rolled back transaction is used again, and the snapshot counts it as read."""
    first = make(link)
    kea.lease("10.0.0.1", "02:00:00:00:00:01")
    kea.rows("UPDATE kea_events.lease_event SET recorded_at = now() - interval '1 hour'")
    kea.lease("10.0.0.2", "02:00:00:00:00:02")
    _events, position = drained(first, first.start(False))
    first.close()
    [(started,)] = kea.rows("SELECT extract(epoch FROM pg_postmaster_start_time())::float8 - 1")
    again = make(link)
    events, position = drained(again, position._replace(taken_at=started))
    assert [event.lease.address for event in events] == ["10.0.0.2"]
    assert drained(again, position)[0] == []
    again.close()


def test_a_position_that_was_set_back_is_kept_when_a_sink_fails(kea: Kea, link: Callable[[], Any]) -> None:
    first = make(link)
    kea.lease("10.0.0.1", "02:00:00:00:00:01")
    _events, position = drained(first, first.start(False))
    first.close()
    [(started,)] = kea.rows("SELECT extract(epoch FROM pg_postmaster_start_time())::float8 - 1")
    again = make(link)
    batch = again.read(position._replace(taken_at=started), 10)
    assert (batch.events, batch.caught_up) == ((), False)
    for _attempt in range(2):
        assert [event.lease.address for event in again.read(batch.position, 10).events] == ["10.0.0.1"]
    again.close()


def test_half_a_pass_is_restarted_after_a_restart_of_the_server(kea: Kea, link: Callable[[], Any]) -> None:
    """Its target may count transaction numbers as ended that are used again after a crash, even if no row is young."""
    first = make(link)
    position = first.start(False)
    first.close()
    assert isinstance(position, EventPosition)
    [(started,)] = kea.rows("SELECT extract(epoch FROM pg_postmaster_start_time())::float8 - 1")
    again = make(link)
    half = position._replace(taken_at=started, target=position.seen, xid=2**40, id=7)
    assert again.read(half, 10).position == half._replace(target=None, xid=0, id=0)
    again.close()


def lost_by_metric() -> float:
    """Return how many lost events the metric has, of all subscriptions that this process had."""
    found = next(metric for metric in metrics.REGISTRY.collect() if metric.name == "kea_lease_monitor_events_lost")
    return float(sum(sample.value for sample in found.samples if sample.name.endswith("_total")))


def test_all_leases_are_read_after_the_trigger_lost_events(
    kea: Kea, link: Callable[[], Any], said: Callable[[], str]
) -> None:
    now = Time()
    source = make(link, now.clock())
    kea.rows("SELECT nextval('kea_events.lease_event_lost')")
    _events, position = drained(source, source.start(False))
    kea.rows("ALTER TABLE lease4 DISABLE TRIGGER USER")
    kea.lease("10.0.0.1", "02:00:00:00:00:01")
    kea.rows("SELECT nextval('kea_events.lease_event_lost')")
    now.now += 61
    before = lost_by_metric()
    with pytest.raises(PositionLostError, match="could not write"):
        source.read(position, 10)
    assert "[events_missing]" in said()
    kea.rows("SELECT nextval('kea_events.lease_event_lost')")
    kea.rows("ALTER TABLE lease4 ENABLE TRIGGER USER")
    events, position = drained(source, source.start(True))
    assert lost_by_metric() - before == 2, "also what was lost before all leases were read"
    assert [event.lease.address for event in events] == ["10.0.0.1"]
    now.now += 61
    assert drained(source, position)[0] == [], "made good once"
    source.close()


@pytest.mark.parametrize("limit", [upkeep._QUEUE_LIMIT, 1e-6], ids=["below the limit", "from the limit on"])
def test_a_full_notification_queue_is_released(
    kea: Kea, link: Callable[[], Any], monkeypatch: pytest.MonkeyPatch, limit: float
) -> None:
    """All of it is 8 GB. So the limit is set to 1 of its 1,048,576 pages; less than 4 pages that another database
    filled are told to no listener here either, and whoever is at their beginning holds them."""
    monkeypatch.setattr(upkeep, "_QUEUE_LIMIT", limit)
    now = Time()
    source = make(link, now.clock())
    culprit = kea.connect()
    process = culprit.info.backend_pid
    with culprit.cursor() as cursor:
        cursor.execute("LISTEN flood")
        _events, position = drained(source, source.start(False))
        culprit.autocommit = False
        cursor.execute("SELECT 'stuck'")
        kea.cluster.administer("SELECT pg_notify('flood', repeat('x', 7900) || n) FROM generate_series(1, 3) AS g (n)")
    now.now += 6
    position = source.read(position, 10).position
    source.read(position, 10)
    of_newcomer = link()
    make(lambda: of_newcomer, now.clock()).start(False)
    assert of_newcomer.listening == (limit == 0.5), "who begins to listen reads all that is in the queue"
    of_newcomer.close()
    culprit.close()
    until(lambda: not kea.rows("SELECT 1 FROM pg_stat_activity WHERE pid = %s", process), "the end of its process")
    [(left,)] = kea.rows("SELECT pg_notification_queue_usage()")
    assert (left == 0) == (limit < 0.5), "only the monitor could hold it now"
    source.read(position, 10)
    kea.lease("10.0.0.1", "02:00:00:00:00:01")
    assert select.select([source.fileno()], [], [], 5)[0], "no wake-up"
    assert kinds(source, position) == ["assigned"]
    source.close()


def test_all_leases_are_read_while_the_event_table_is_missing(kea: Kea, link: Callable[[], Any]) -> None:
    now = Time()
    source = make(link, now.clock())
    _events, position = drained(source, source.start(False))
    kea.rows("ALTER TABLE lease4 DISABLE TRIGGER USER")
    kea.rows("ALTER TABLE kea_events.lease_event RENAME TO elsewhere")
    kea.lease("10.0.0.1", "02:00:00:00:00:01")
    kea.rows("SELECT nextval('kea_events.lease_event_lost')")
    now.now += 6
    with pytest.raises(PositionLostError, match="could not write"):
        source.read(position, 10)
    batch = source.read(source.start(True), 10)
    assert [event.lease.address for event in batch.events] == ["10.0.0.1"]
    kea.rows("ALTER TABLE kea_events.elsewhere RENAME TO lease_event")
    assert drained(source, batch.position)[0] == [], "made good once"
    source.close()


@pytest.mark.parametrize("statement", ["DISABLE TRIGGER USER", "DISABLE TRIGGER ALL", "ENABLE REPLICA TRIGGER {}"])
def test_a_trigger_that_was_off_between_two_checks_is_noticed(
    kea: Kea, link: Callable[[], Any], statement: str
) -> None:
    now = Time()
    source = make(link, now.clock())
    _events, position = drained(source, source.start(False))
    kea.rows(f"ALTER TABLE lease4 {statement.format('kea_lease_notify_trigger')}")
    kea.lease("10.0.0.1", "02:00:00:00:00:01")
    kea.rows("ALTER TABLE lease4 ENABLE TRIGGER ALL")
    now.now += 61
    with pytest.raises(PositionLostError, match="disabled for a while"):
        source.read(position, 10)
    events, position = drained(source, source.start(True))
    assert [event.lease.address for event in events] == ["10.0.0.1"]
    now.now += 61
    assert drained(source, position)[0] == [], "once"
    source.close()


def trigger_enabled() -> float | None:
    return metrics.REGISTRY.get_sample_value("kea_lease_monitor_trigger_enabled")


def test_while_the_trigger_is_off_all_leases_are_read_each_minute(kea: Kea, link: Callable[[], Any]) -> None:
    now = Time()
    source = make(link, now.clock())
    kea.rows("DROP TRIGGER kea_lease_notify_trigger ON lease4; DROP TRIGGER kea_lease_notify_trigger_update ON lease4")
    for number in range(1, 4):
        kea.lease(f"10.0.0.{number}", f"02:00:00:00:00:{number:02x}")
        batch = source.read(source.start(True), 10)
        assert len(batch.events) == number
        assert source.read(batch.position, 10).events == ()
        now.now += 61
        with pytest.raises(PositionLostError, match="no trigger"):
            source.read(batch.position, 10)
    assert trigger_enabled() == 0.0
    source.close()


@pytest.mark.parametrize("missing", ["kea_lease_notify_trigger", "kea_lease_notify_trigger_update"])
def test_while_one_of_the_two_triggers_is_missing_all_leases_are_read_each_minute(
    kea: Kea, link: Callable[[], Any], missing: str
) -> None:
    now = Time()
    source = make(link, now.clock())
    kea.rows(f"DROP TRIGGER {missing} ON lease4")
    batch = source.read(source.start(True), 10)
    now.now += 61
    with pytest.raises(PositionLostError, match="no trigger"):
        source.read(batch.position, 10)
    assert trigger_enabled() == 0.0
    source.close()


def test_a_scan_waits_for_a_lease_whose_loss_was_counted_before_its_commit(kea: Kea, link: Callable[[], Any]) -> None:
    """Its loss is in the count that the scan begins with, so no later check would find it."""
    now = Time()
    source = make(link, now.clock())
    kea.rows("ALTER TABLE lease4 DISABLE TRIGGER USER")
    slow = Kea.__new__(Kea)
    slow.connection = kea.connect()
    slow.connection.autocommit = False
    slow.lease("10.0.0.1", "02:00:00:00:00:01")
    slow.rows("SELECT nextval('kea_events.lease_event_lost')")
    kea.rows(
        "INSERT INTO lease4 (address, hwaddr, valid_lifetime, expire, subnet_id, state)"
        " VALUES (167772162, '\\x020000000002', 3600, now(), 2, 0)"
    )
    position = source.start(True)
    for _look in range(3):
        batch = source.read(position, 10)
        assert (batch.events, batch.caught_up) == ((), False)
    slow.connection.commit()
    slow.connection.close()
    assert [event.lease.address for event in source.read(batch.position, 10).events] == ["10.0.0.1", "10.0.0.2"]
    source.close()


def test_a_transaction_of_hours_delays_a_scan_for_seconds_only(kea: Kea, link: Callable[[], Any]) -> None:
    now = Time()
    source = make(link, now.clock())
    kea.lease("10.0.0.1", "02:00:00:00:00:01")
    other = kea.connect()
    other.autocommit = False
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_current_xact_id()")
    position = source.start(True)
    assert source.read(position, 10).events == ()
    now.now += 3
    assert len(source.read(position, 10).events) == 1
    other.close()
    source.close()


def test_a_position_of_the_previous_release_is_still_read() -> None:
    before = '["events", 1, "s", 1.5, "1:2:", "3:4:", 5, 6, null]'
    assert positions.load(before) == EventPosition("s", 1.5, Snapshot(1, 2, ()), Snapshot(3, 4, ()), 5, 6, None, 0)
    assert positions.load(before.replace("1,", "2,", 1).replace("null]", "null, 7]")).lost == 7


def test_pruned_rows_are_noticed_within_a_session(kea: Kea, link: Callable[[], Any]) -> None:
    """A failing sink keeps the position, and another monitor's upkeep does not know about it."""
    source = make(link)
    kea.lease("10.0.0.1", "02:00:00:00:00:01")
    _events, position = drained(source, source.start(False))
    old = position._replace(taken_at=position.taken_at - RETENTION)
    assert source.read(old, 1).events == ()
    kea.rows("DELETE FROM kea_events.lease_event")
    with pytest.raises(PositionLostError, match="pruned"):
        source.read(old, 1)
    source.close()


def test_rows_that_all_subscriptions_read_are_pruned_after_the_retention(kea: Kea, link: Callable[[], Any]) -> None:
    kea.lease("10.0.0.1", "02:00:00:00:00:01")
    kea.rows("UPDATE kea_events.lease_event SET recorded_at = now() - interval '2 hours'")
    kea.lease("10.0.0.2", "02:00:00:00:00:02")
    now = Time()
    passed = {"default": 0, "other": 0}
    source = EventsSource("default", link(), Options(), passed, now.clock())

    def left() -> int:
        nonlocal position
        now.now += 61
        position = source.read(position, 10).position
        return int(kea.rows("SELECT count(*) FROM kea_events.lease_event")[0][0])

    position = source.start(False)
    assert left() == 2, "the other subscription has not passed them"
    passed["other"] = 2**60
    assert left() == 1, "the young row stays for a second monitor"
    source.close()


def test_a_monitor_that_stands_by_needs_no_rows_before_the_position_of_the_other(link: Callable[[], Any]) -> None:
    passed = {"default": 0}
    source = EventsSource("default", link(), Options(), passed, Time().clock())
    position = source.start(False)
    assert isinstance(source, StandingBy)
    source.stand_by(position)
    assert passed == {"default": position.seen.xmin}
    source.close()


def old_events(kea: Kea, count: int, hours: int = 2) -> None:
    kea.rows(
        "INSERT INTO kea_events.lease_event (xid, op, address, recorded_at) SELECT n::text::xid8, 'I', '10.0.0.1',"
        " now() - make_interval(hours => %s) FROM generate_series(1, %s) AS n",
        *(hours, count),
    )


def left(kea: Kea) -> int:
    return int(kea.rows("SELECT count(*) FROM kea_events.lease_event")[0][0])


def test_one_pruning_is_limited_and_the_next_follows_at_once(
    kea: Kea, link: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A million rows to prune must not block Kea's inserts or exceed the deadline of a statement."""
    monkeypatch.setattr(upkeep, "_PRUNED_AT_ONCE", 100)
    old_events(kea, 250)
    now = Time()
    source = make(link, now.clock())
    position, counts = source.start(False), []
    for _look in range(4):
        position = source.read(position, 10).position
        counts.append(left(kea))
    assert counts == [150, 50, 0, 0]
    source.close()


def test_a_subscription_that_reads_nothing_does_not_let_the_table_grow(
    kea: Kea, link: Callable[[], Any], said: Callable[[], str]
) -> None:
    old_events(kea, 150)
    kea.lease("10.0.0.1", "02:00:00:00:00:01")
    passed = {"default": 0, "gone": 0}
    source = EventsSource("default", link(), Options(max_rows=100), passed, Time().clock())
    source.read(source.start(False), 10)
    assert left(kea) == 101, "the young row counts for nothing"
    assert "[pruned_unread]" in said()
    source.close()


def test_a_source_whose_rows_were_pruned_unread_reads_all_leases(kea: Kea, link: Callable[[], Any]) -> None:
    away = make(link)
    position = away.start(False)
    away.close()
    assert isinstance(position, EventPosition)
    position = position._replace(taken_at=position.taken_at - RETENTION)
    kea.lease("10.0.0.1", "02:00:00:00:00:01")
    kea.lease("10.0.0.2", "02:00:00:00:00:02")
    kea.rows("UPDATE kea_events.lease_event SET recorded_at = recorded_at - interval '61 minutes'")
    other = EventsSource("other", link(), Options(max_rows=1), {"other": 0, "away": 0}, Time().clock())
    other.read(other.start(False), 10)
    other.close()
    assert left(kea) == 1
    again = make(link)
    with pytest.raises(PositionLostError, match="pruned"):
        again.read(position, 10)
    assert len(drained(again, again.start(True))[0]) == 2
    again.close()


def test_a_server_that_hangs_is_noticed(kea: Kea, source: EventsSource, monkeypatch: pytest.MonkeyPatch) -> None:
    position = source.start(False)
    [(backend,)] = kea.rows("SELECT pid FROM pg_stat_activity WHERE application_name = 'kea-lease-monitor'")
    os.kill(backend, signal.SIGSTOP)
    monkeypatch.setattr(database, "DEADLINE", 0.2)
    try:
        with pytest.raises(TemporaryError, match=r"no answer within"):
            source.read(position, 1)
    finally:
        os.kill(backend, signal.SIGCONT)
    monkeypatch.undo()
    kea.lease("10.0.0.1", "02:00:00:00:00:01")
    assert len(drained(source, position)[0]) == 1, "it works again, over a new session that listens"


def test_a_terminated_session_is_replaced(kea: Kea, source: EventsSource) -> None:
    position = source.start(False)
    kea.rows("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'kea-lease-monitor'")
    kea.lease("10.0.0.1", "02:00:00:00:00:01")
    with pytest.raises(TemporaryError):
        source.read(position, 1)
    assert len(drained(source, position)[0]) == 1


def test_the_read_uses_the_primary_key_on_a_table_without_statistics(
    kea: Kea, link: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both halves in its order, and no further than to the limit: neither is a backlog sorted for each portion, nor are
    rows looked at that were read long ago."""
    kea.rows(
        "INSERT INTO kea_events.lease_event (xid, op, address) SELECT (1000 + n)::text::xid8, 'I', '10.0.0.1'"
        " FROM generate_series(1, 20000) AS n"
    )
    position = {"xmax": "5000", "xip": "{4980}", "target": "21000:21000:", "xid": "0", "id": 0}
    values = {**position, "limit": 10, "families": [4]}
    statement = Prepared("explained", leases.events([4]).replace("{schema}", "kea_events"), leases.IN_PORTIONS)
    with link().session() as session:
        assert len(leases.events_of(statement.rows(session, values))[2]) == 10
        plain = session.rows
        monkeypatch.setattr(
            session, "rows", lambda text, given: plain(text.replace("EXECUTE", "EXPLAIN (ANALYZE) EXECUTE"), given)
        )
        plan = "\n".join(line for (line,) in statement.rows(session, values))
    assert plan.count("Index Scan using lease_event_pkey") == 2, plan
    assert "Seq Scan" not in plan, plan
    assert "Rows Removed" not in plan, plan
    assert plan.count("Sort Key") == 1, plan


def test_an_ipv6_event_is_skipped_if_no_subscription_follows_ipv6(kea: Kea, source: EventsSource) -> None:
    position = source.start(False)
    kea.rows("INSERT INTO kea_events.lease_event (op, address) VALUES ('I', '2001:db8::1')")
    kea.lease("10.0.0.1", "02:00:00:00:00:01")
    events, _position = drained(source, position)
    assert [(event.kind, event.lease.address) for event in events] == [(EventKind.ASSIGNED, "10.0.0.1")]
