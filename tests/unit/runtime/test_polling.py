"""Leases from PostgreSQL without a trigger: contract, and changes that times do not show."""

from __future__ import annotations

from typing import Any, Callable, Iterator

import pytest
from kea_lease_monitor import position as positions
from kea_lease_monitor.clock import Clock
from kea_lease_monitor.errors import PositionLostError, TemporaryError
from kea_lease_monitor.kea.sql import leases
from kea_lease_monitor.position import PollPosition, Snapshot
from kea_lease_monitor.sources.polling import Options, PollingSource

from runtime.builders import Time
from runtime.contracts import SourceContract, drained
from runtime.world import Kea


class TestPolling(SourceContract):
    @pytest.fixture
    def source(self, kea: Kea, link: Callable[[], Any]) -> Iterator[Any]:
        self.link = link
        kea.rows('REVOKE ALL ON SCHEMA kea_events FROM PUBLIC, "kea-lease-monitor"')
        source = self.another()
        yield source, lambda number, hostname: kea.lease(f"10.0.0.{number}", f"02:00:00:00:00:{number:02x}", hostname)
        source.close()

    def another(self, clock: Clock | None = None) -> PollingSource:
        return PollingSource(self.link(), Options(), clock or Clock())


@pytest.fixture
def now() -> Time:
    return Time()


@pytest.fixture
def source(link: Callable[[], Any], now: Time) -> Iterator[PollingSource]:
    source = PollingSource(link(), Options(), now.clock())
    yield source
    source.close()


def told(source: PollingSource, position: Any) -> tuple[list[tuple[str, str]], Any]:
    events, position = drained(source, position)
    return [(event.kind.value, event.lease.address) for event in events], position


def test_the_life_of_a_lease(kea: Kea, source: PollingSource, now: Time) -> None:
    position: Any = source.start(True)
    kea.lease("10.0.0.1", "02:00:00:00:00:01")
    for statement, kind in (
        ("SELECT 1", "assigned"),
        ("UPDATE lease4 SET expire = expire + interval '1 minute'", "renewed"),
        ("UPDATE lease4 SET hostname = 'x'", "changed"),
        ("UPDATE lease4 SET state = 1, hwaddr = ''", "declined"),
        ("UPDATE lease4 SET state = 0, hwaddr = '\\x020000000002'", "assigned"),
        ("UPDATE lease4 SET valid_lifetime = 0", "released"),
        ("UPDATE lease4 SET state = 2, valid_lifetime = 3600", "reclaimed"),
    ):
        kea.rows(statement)
        events, position = told(source, position)
        assert events == [(kind, "10.0.0.1")]
    kea.rows("DELETE FROM lease4")
    assert told(source, position)[0] == [], "not before the next look at all"
    now.now += Options().full_interval
    assert told(source, position)[0] == [("deleted", "10.0.0.1")]


def test_deleted_leases_are_reported_in_portions(kea: Kea, source: PollingSource, now: Time) -> None:
    for number in range(1, 10):
        kea.lease(f"10.0.0.{number}", f"02:00:00:00:00:{number:02x}")
    _events, position = told(source, source.start(True))
    kea.rows("DELETE FROM lease4 WHERE address & 3 <> 0")
    kea.lease("10.0.1.1", "02:00:00:00:01:01")
    now.now += Options().full_interval
    events, position = told(source, position)
    gone = [("deleted", f"10.0.0.{number}") for number in (1, 2, 3, 5, 6, 7, 9)]
    assert events == [*gone, ("assigned", "10.0.1.1")]
    now.now += Options().full_interval
    assert told(source, position)[0] == [], "a look at all of what is known is silent"


def test_short_and_infinite_leases_and_those_of_a_wrong_clock_are_seen(kea: Kea, source: PollingSource) -> None:
    """Their times do not distinguish these from leases that were read before."""
    kea.lease("10.0.0.1", "02:00:00:00:00:01")
    _events, position = told(source, source.start(True))
    kea.rows("UPDATE lease4 SET hostname = 'same second'")
    kea.lease("10.0.0.2", "02:00:00:00:00:02", left=-86400 * 365 * 9, lifetime=3600)
    kea.lease("10.0.0.3", "02:00:00:00:00:03", left=-60, lifetime=4294967295)
    assert told(source, position)[0] == [("changed", "10.0.0.1"), ("expired", "10.0.0.2"), ("assigned", "10.0.0.3")]


def test_a_transaction_that_commits_late_is_read_late(kea: Kea, source: PollingSource) -> None:
    slow = Kea.__new__(Kea)
    slow.connection = kea.connect()
    slow.connection.autocommit = False
    slow.lease("10.0.0.1", "02:00:00:00:00:01")
    kea.lease("10.0.0.2", "02:00:00:00:00:02", subnet=2)
    events, position = told(source, source.start(True))
    assert events == [("assigned", "10.0.0.2")]
    slow.connection.commit()
    slow.connection.close()
    assert told(source, position)[0] == [("assigned", "10.0.0.1")]


def test_the_32_bits_of_a_transaction_number_are_extended(kea: Kea) -> None:
    """PostgreSQL counts in rounds of 2**32; here the server is one round later than the row."""
    kea.lease("10.0.0.1", "02:00:00:00:00:01")
    [(xmin,)] = kea.rows("SELECT xmin::text::bigint FROM lease4")
    later = f"(2^32)::bigint + {xmin + 2000}"
    statement = leases.POLL[4].replace("pg_snapshot_xmax(pg_current_snapshot())::text::bigint", later)
    for seen, count in ((2**32 + xmin, 1), (2**32 + xmin + 1, 0)):
        values = {"address": "9.255.255.255", "everything": False, "xmax": seen, "xip": [], "limit": 9}
        with kea.connection.cursor() as cursor:
            cursor.execute(statement, values)
            assert len(cursor.fetchall()) == count


def test_after_a_restart_of_the_server_all_leases_are_read(kea: Kea, link: Callable[[], Any], now: Time) -> None:
    first = PollingSource(link(), Options(), now.clock())
    position = first.start(False)
    first.close()
    assert isinstance(position, PollPosition)
    [(started,)] = kea.rows("SELECT extract(epoch FROM pg_postmaster_start_time())::float8 - 1")
    for other, problem in (
        (position._replace(taken_at=started), "restarted"),
        (position._replace(system="1/00000001"), "another one"),
        (position._replace(seen=Snapshot(2**40, 2**40, ())), "restored"),
    ):
        again = PollingSource(link(), Options(), now.clock())
        with pytest.raises(PositionLostError, match=problem):
            again.read(other, 1)
        again.close()


def test_a_terminated_session_is_replaced_and_no_event_repeated(kea: Kea, source: PollingSource) -> None:
    kea.lease("10.0.0.1", "02:00:00:00:00:01")
    _events, position = told(source, source.start(True))
    kea.rows("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'kea-lease-monitor'")
    kea.lease("10.0.0.2", "02:00:00:00:00:02")
    with pytest.raises(TemporaryError):
        source.read(position, 1)
    assert told(source, position)[0] == [("assigned", "10.0.0.2")]


def test_it_reads_once_each_interval(source: PollingSource, now: Time) -> None:
    _events, _position = told(source, source.start(False))
    assert (source.fileno(), source.due()) == (None, now.now + Options().interval)


def test_half_a_pass_is_stored_and_continued(kea: Kea, link: Callable[[], Any], now: Time) -> None:
    for number in range(1, 6):
        kea.lease(f"10.0.0.{number}", f"02:00:00:00:00:{number:02x}")
    first = PollingSource(link(), Options(), now.clock())
    batch = first.read(first.start(True), 2)
    first.close()
    again = PollingSource(link(), Options(), now.clock())
    events, position = told(again, positions.load(positions.dump(batch.position)))
    assert events == [("assigned", f"10.0.0.{number}") for number in (3, 4, 5)]
    assert told(again, position)[0] == []
    again.close()
