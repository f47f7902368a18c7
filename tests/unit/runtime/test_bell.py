# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""While many leases arrive, the reader sends the wake-ups: no event may stay unread until the next poll."""

from __future__ import annotations

import multiprocessing
import os
import select
import signal
import threading
import time
from contextlib import contextmanager
from typing import Any, Callable, Iterator

import pytest
from kea_lease_monitor.clock import Clock
from kea_lease_monitor.errors import TemporaryError
from kea_lease_monitor.kea.sql.locks import WAKE_UP
from kea_lease_monitor.sources.events import wakeups
from kea_lease_monitor.sources.events.bell import MANY, QUIET
from kea_lease_monitor.sources.events.source import EventsSource, Options
from support.wait import until

from runtime.builders import Time
from runtime.contracts import drained
from runtime.world import Kea

CHANNEL = "kea_lease_events"
INSERT = "INSERT INTO lease4 (address, hwaddr, valid_lifetime, expire, subnet_id, state) VALUES "


class Reader:
    """A source, its clock, and the position that its caller keeps."""

    def __init__(self, link: Any, options: Options | None = None) -> None:
        self.time = Time()
        self.source = EventsSource("default", link, options or Options(), {"default": 0}, self.time.clock())
        self.position: Any = self.source.start(False)
        _events, self.position = drained(self.source, self.position)
        self.read()

    def read(self) -> list[str]:
        batch = self.source.read(self.position, 1000)
        self.position = batch.position
        return [event.lease.address for event in batch.events]

    def soon(self) -> bool:
        """Return whether the next read is due long before the poll."""
        return self.source.due() - self.time.now < 0.051

    def settle(self) -> list[str]:
        """Read as often as the source asks for before the poll."""
        found: list[str] = []
        while self.soon():
            self.time.now = max(self.time.now, self.source.due())
            found += self.read()
        return found

    def woken(self, seconds: float = 60) -> bool:
        return bool(select.select([self.source.fileno()], [], [], seconds)[0])

    def backend(self) -> int:
        """Return the number of the server's process for its session."""
        session: Any = self.source._link._session
        process: int = session._connection.info.backend_pid
        return process

    def fall_asleep(self) -> None:
        while self.woken(0.2):
            self.read()
            self.settle()


@pytest.fixture
def readers(kea: Kea, link: Callable[[], Any]) -> Iterator[Callable[..., Reader]]:
    made: list[Reader] = []

    def make(options: Options | None = None) -> Reader:
        made.append(Reader(link(), options))
        made[-1].settle()
        return made[-1]

    yield make
    for reader in made:
        reader.source.close()


def holders(kea: Kea) -> list[int]:
    found = kea.rows(
        "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        " AND (classid::bigint << 32) | objid::bigint = %s",
        WAKE_UP,
    )
    return [pid for (pid,) in found]


def burst(kea: Kea, subnet: int = 1) -> None:
    """Insert as many leases as make a reader busy."""
    rows = ", ".join(f"({subnet * 1000 + number}, '\\x01', 9, now(), {subnet}, 0)" for number in range(MANY))
    kea.rows(INSERT + rows)


def busy(kea: Kea, reader: Reader) -> None:
    """Make a reader busy that no wake-up woke: after one, it would await the transactions in progress anyway."""
    other = kea.connect()
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [WAKE_UP])
        burst(kea)
        cursor.execute("SELECT pg_advisory_unlock(%s)", [WAKE_UP])
    other.close()
    assert len(reader.read()) == MANY
    assert holders(kea) == [reader.backend()]


@contextmanager
def transaction(kea: Kea, address: int) -> Iterator[Any]:
    """Insert a lease in a transaction, and yield it before its commit."""
    connection = kea.connect()
    connection.autocommit = False
    connection.cursor().execute(f"{INSERT} ({address}, '\\x02', 9, now(), 2, 0)")
    yield connection
    connection.close()


class Listener:
    """A session of the site that listens, too."""

    def __init__(self, kea: Kea) -> None:
        self._kea = kea
        self.connection = kea.connect()
        self.connection.cursor().execute(f"LISTEN {CHANNEL}; LISTEN marker")

    def heard(self) -> int:
        """Return how many wake-ups were sent up to now."""
        # Notifications arrive in the order of the commits.
        self._kea.rows("SELECT pg_notify('marker', '')")
        channels: list[str] = []

        def marked() -> bool:
            self.connection.poll()
            channels.extend(note.channel for note in self.connection.notifies)
            self.connection.notifies.clear()
            return "marker" in channels

        until(marked, "the marker")
        return channels.count(CHANNEL)


def test_a_busy_reader_sends_the_wake_ups_of_the_transactions(kea: Kea, readers: Callable[..., Reader]) -> None:
    listener, reader = Listener(kea), readers()
    kea.lease("10.0.0.1", "02:00:00:00:00:01")
    assert listener.heard() == 1
    assert reader.read() == ["10.0.0.1"]
    assert holders(kea) == [], "one lease makes no reader busy"
    busy(kea, reader)
    listener.heard()
    for number in (2, 3):
        kea.lease(f"10.0.0.{number}", f"02:00:00:00:00:0{number}")
    assert listener.heard() == 0
    assert reader.soon(), "no wake-up comes, so it reads by itself"
    assert reader.read() == ["10.0.0.2", "10.0.0.3"]
    assert listener.heard() == 1, "one for both"
    reader.time.now += QUIET
    reader.read()
    assert holders(kea) == []
    reader.settle()
    kea.lease("10.0.0.4", "02:00:00:00:00:04")
    assert reader.woken()
    listener.connection.close()


def test_falling_asleep_it_awaits_the_transactions_that_sent_no_wake_up(
    kea: Kea, readers: Callable[..., Reader]
) -> None:
    reader = readers()
    busy(kea, reader)
    with transaction(kea, 1) as late:
        reader.time.now += QUIET
        assert reader.read() == []
        assert holders(kea) == []
        for _round in range(8):
            assert reader.soon()
            reader.time.now = max(reader.time.now, reader.source.due())
            assert reader.read() == []
        late.commit()
        assert reader.settle() == ["0.0.0.1"]
    assert not reader.soon()


@pytest.mark.parametrize("before", [True, False], ids=["committed before", "committed later"])
def test_readers_that_sleep_learn_of_what_came_while_another_was_awake(
    kea: Kea, readers: Callable[..., Reader], before: bool
) -> None:
    awake, asleep = readers(), readers()
    busy(kea, awake)
    asleep.fall_asleep()
    with transaction(kea, 1) as late:
        if before:
            late.commit()
        # It stops reading at once, such as for a sink that fails.
        awake.source.rest()
        assert asleep.woken()
        if not before:
            assert asleep.read() == []
            assert asleep.soon(), "the transaction is in progress"
            late.commit()
        asleep.time.now = max(asleep.time.now, asleep.source.due())
        assert [*asleep.read(), *asleep.settle()] == ["0.0.0.1"]


def test_after_a_rest_it_awaits_the_transactions_too(kea: Kea, readers: Callable[..., Reader]) -> None:
    reader = readers()
    busy(kea, reader)
    with transaction(kea, 1) as late:
        reader.source.rest()
        reader.source.rest()
        assert holders(kea) == []
        assert reader.read() == []
        assert reader.soon()
        late.commit()
        assert reader.settle() == ["0.0.0.1"]


def test_the_lock_of_a_killed_reader_is_free(kea: Kea, readers: Callable[..., Reader]) -> None:
    listener, reader, other = Listener(kea), readers(), readers()
    busy(kea, reader)
    kea.rows("SELECT pg_terminate_backend(%s)", holders(kea)[0])
    until(lambda: not holders(kea), "the end of its session")
    listener.heard()
    kea.lease("10.0.0.1", "02:00:00:00:00:01")
    assert listener.heard() == 1
    assert other.woken()
    with pytest.raises(TemporaryError):
        reader.read()
    assert reader.read() == ["10.0.0.1"]
    burst(kea, 2)
    assert len(reader.read()) == MANY
    assert holders(kea) == [reader.backend()], "it takes the lock again in its new session"
    listener.connection.close()


def read_for_ever(link: Callable[[], Any]) -> None:
    """Read as the loop of another monitor does, in a process of its own."""
    source = EventsSource("other", link(), Options(), {}, Clock())
    position: Any = source.start(False)
    while True:
        select.select([source], [], [], max(0.0, source.due() - time.monotonic()))
        position = source.read(position, 1000).position


def stop_awake(kea: Kea, process: int) -> None:
    """Stop a reader of another process while it holds the lock."""
    subnets = iter(range(10, 10_000))

    def holds() -> bool:
        burst(kea, next(subnets))
        time.sleep(0.005)
        os.kill(process, signal.SIGSTOP)
        # It may have fallen asleep, or have begun nothing yet.
        if holders(kea):
            return True
        os.kill(process, signal.SIGCONT)
        return False

    until(holds, "a reader that is stopped while it is awake", pause=0.01)


def test_a_reader_that_is_stopped_while_awake_delays_the_others_to_their_poll(
    kea: Kea, readers: Callable[..., Reader], link: Callable[[], Any]
) -> None:
    """SIGSTOP, or a frozen cgroup: its session lives, so it keeps the lock and sends nothing."""
    listener, asleep = Listener(kea), readers()
    other = multiprocessing.get_context("fork").Process(target=read_for_ever, args=(link,))
    other.start()
    try:
        assert other.pid
        stop_awake(kea, other.pid)
        asleep.fall_asleep()
        listener.heard()
        kea.lease("10.0.0.1", "02:00:00:00:00:01")
        assert listener.heard() == 0
        assert not asleep.woken(0.2)
        assert asleep.source.due() - asleep.time.now <= wakeups._POLL
        asleep.time.now = asleep.source.due()
        assert "10.0.0.1" in [*asleep.read(), *asleep.settle()]
        os.kill(other.pid, signal.SIGCONT)
        until(lambda: not holders(kea), "the lock that it releases once it goes on")
        kea.lease("10.0.0.2", "02:00:00:00:00:02")
        assert asleep.woken()
    finally:
        other.kill()
        other.join()
        listener.connection.close()


def test_the_next_reader_holds_the_lock_once_it_is_free(kea: Kea, readers: Callable[..., Reader]) -> None:
    first, second = readers(), readers()
    busy(kea, first)
    burst(kea, 2)
    second.read()
    assert len(holders(kea)) == 1
    first.source.close()
    until(lambda: not holders(kea), "the end of its session")
    burst(kea, 3)
    second.read()
    assert holders(kea) == [second.backend()]


def test_reading_all_leases_starts_with_a_free_lock(kea: Kea, readers: Callable[..., Reader]) -> None:
    reader = readers()
    busy(kea, reader)
    reader.source.start(True)
    assert holders(kea) == []


def test_a_reader_of_one_family_leaves_the_wake_ups_to_the_transactions(
    kea: Kea, readers: Callable[..., Reader]
) -> None:
    reader = readers(Options(families=frozenset({4})))
    burst(kea)
    assert len(reader.read()) == MANY
    assert holders(kea) == []


def test_eight_writers_and_three_readers_miss_nothing_without_a_poll(
    kea: Kea, link: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each reader reads when it is woken or due, as the loop does. One that missed a wake-up would wait for an hour."""
    monkeypatch.setattr(wakeups, "_POLL", 3600.0)
    sources = [EventsSource(str(number), link(), Options(), {}, Clock()) for number in range(3)]
    positions: list[Any] = [source.start(False) for source in sources]
    seen: list[set[str]] = [set() for _source in sources]
    connections = [kea.connect() for _writer in range(8)]

    def write(writer: int) -> None:
        with connections[writer].cursor() as cursor:
            for number in range(40):
                cursor.execute(f"{INSERT} ({writer * 1000 + number}, '\\x01', 9, now(), {writer + 1}, 0)")

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(8)]
    for thread in threads:
        thread.start()
    due = time.monotonic() + 60
    while any(len(addresses) < 320 for addresses in seen):
        assert time.monotonic() < due, [len(addresses) for addresses in seen]
        pause = min(source.due() for source in sources) - time.monotonic()
        readable = select.select(sources, [], [], min(1.0, max(0.0, pause)))[0]
        for number, source in enumerate(sources):
            if source in readable or source.due() <= time.monotonic():
                batch = source.read(positions[number], 1000)
                positions[number] = batch.position
                seen[number] |= {event.lease.address for event in batch.events}
    for thread in threads:
        thread.join()
    for source, connection in zip(sources, connections):
        source.close()
        connection.close()
