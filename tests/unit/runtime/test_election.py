# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several monitors that share a state: PostgreSQL elects one, and every way to lose an election loses no lease."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest
import yaml
from kea_lease_monitor.app import create_state
from kea_lease_monitor.database import Link, lock_key
from kea_lease_monitor.errors import TemporaryError
from kea_lease_monitor.kea.sql.locks import WAKE_UP
from kea_lease_monitor.pipeline import Pipeline
from kea_lease_monitor.state.location import StateLocation
from kea_lease_monitor.state.store import Store
from kea_lease_monitor.subscriptions import Match, Subscription
from support.monitor import Daemon
from support.postgres import Cluster
from support.wait import until

from runtime.builders import Time, event
from runtime.fakes import ListSink, ListSource
from runtime.world import Kea, settings

pytestmark = pytest.mark.slow

KEY = lock_key("kea_lease_monitor/default") & 0xFFFFFFFF
HOLDER = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objid = %s AND granted"
AWAKE = (
    "SELECT pid FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE locktype = 'advisory' AND objid = %s AND granted"
    " AND usename = 'kea-lease-monitor'"
)
"""Sessions of monitors that hold the lock for wake-ups; a transaction of Kea holds it for a moment, too."""
TEN_LEASES = """
INSERT INTO lease4 (address, hwaddr, valid_lifetime, expire, subnet_id, state)
SELECT 10 * %s + n, decode(lpad(to_hex(10 * %s + n), 12, '0'), 'hex'), 3600, now() + interval '1 hour', 1, 0
  FROM generate_series(1, 10) n
"""
RIGHT = lock_key("kea_lease_monitor/default/0") & 0xFFFFFFFF


def made(directory: Path, host: str) -> Daemon:
    """All share the directory of the discovery files, as if it were the same path on each host."""
    (directory.parent / "discovery").mkdir(parents=True, exist_ok=True)
    directory.mkdir(exist_ok=True)
    sinks = [{"type": "reservation"}, {"type": "discovery", "directory": str(directory.parent / "discovery")}]
    return Daemon(
        directory,
        {
            "database": {"host": host, "name": "kea"},
            "source": {"type": "events"},
            "state": {"type": "postgresql"},
            "log_level": "DEBUG",
            "subscriptions": [{"name": "default", "sinks": sinks}],
        },
    )


@pytest.fixture
def pair(tmp_path: Path, kea: Kea) -> Iterator[Any]:
    """One that acts and one that stands by."""
    kea.rows("CREATE SCHEMA kea_lease_monitor")
    kea.rows('GRANT USAGE, CREATE ON SCHEMA kea_lease_monitor TO "kea-lease-monitor"')
    daemons = []
    try:
        daemons.append(first := made(tmp_path / "first", kea.cluster.socket))
        first.said("run: kea-lease-monitor db init")
        assert first.ask("db", "init").returncode == 0
        first.process.wait()
        first.start()
        first.said("Caught up with the leases")
        daemons.append(second := made(tmp_path / "second", kea.cluster.socket))
        second.said("Another monitor acts for the subscription")
        yield first, second
    finally:
        for daemon in daemons:
            daemon.process.kill()
            daemon.process.wait()


def reserved(kea: Kea) -> list[str]:
    return [row[1] for row in kea.reservations()]


def test_one_acts_and_the_other_takes_over_when_it_dies_or_stops(pair: Any, kea: Kea) -> None:
    first, second = pair
    kea.lease("10.0.0.1", "02:00:00:00:00:01")
    first.said("Static reservation created: address=10.0.0.1")
    first.process.kill()
    kea.lease("10.0.0.2", "02:00:00:00:00:02")
    second.said("Static reservation created: address=10.0.0.2")
    assert "Reading all leases" not in second.log(), "it goes on from the bookmark that both share"
    first.process.wait()
    first.start()
    until(lambda: first.log().count("Another monitor acts") == 1, "the first one stands by")
    second.stop()
    kea.lease("10.0.0.3", "02:00:00:00:00:03")
    first.said("Static reservation created: address=10.0.0.3")
    assert reserved(kea) == ["10.0.0.1", "10.0.0.2", "10.0.0.3"]
    told = first.log() + second.log()
    assert all(told.count(f"Static reservation created: address=10.0.0.{number} ") == 1 for number in (1, 2, 3))


def test_a_monitor_that_loses_its_state_session_stops_acting(pair: Any, kea: Kea) -> None:
    first, second = pair
    kea.rows("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objid = %s", KEY)
    kea.lease("10.0.0.1", "02:00:00:00:00:01")
    until(lambda: reserved(kea) == ["10.0.0.1"], "whoever is elected now acts")
    until(lambda: kea.rows(HOLDER, KEY), "one is elected")
    until(
        lambda: (first.log() + second.log()).count("Another monitor acts") >= 2 or "Will try again" in first.log(), ""
    )
    for number in range(2, 6):
        kea.lease(f"10.0.0.{number}", f"02:00:00:00:00:0{number}")
    until(lambda: len(reserved(kea)) == 5, "no lease is lost")
    last = "Static reservation created: address=10.0.0.5 "
    # The line follows the row.
    until(lambda: (first.log() + second.log()).count(last) > 0, "who made the last one says so")
    assert (first.log() + second.log()).count(last) == 1


def test_a_monitor_that_loses_its_election_while_awake_gives_the_wake_ups_away(pair: Any, kea: Kea) -> None:
    """Its successor reads on from the bookmark, and no lease waits for a wake-up that no reader sends."""
    connection = kea.connect()

    def write() -> None:
        with connection.cursor() as cursor:
            for number in range(200):
                cursor.execute(TEN_LEASES, [number, number])
                time.sleep(0.005)

    writer = threading.Thread(target=write)
    writer.start()
    until(lambda: kea.rows(AWAKE, WAKE_UP & 0xFFFFFFFF), "a monitor that is awake", pause=0.002)
    kea.rows("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objid = %s", KEY)
    writer.join()
    connection.close()
    until(lambda: len(reserved(kea)) == 2000, lambda: f"each reservation, now {len(reserved(kea))}")
    until(lambda: not kea.rows(AWAKE, WAKE_UP & 0xFFFFFFFF), "the lock, once all is read")
    kea.lease("10.0.0.1", "02:00:00:00:00:01")
    until(lambda: "10.0.0.1" in reserved(kea), "the reservation of a later lease")


def test_no_monitor_begins_while_the_previous_one_still_writes(pair: Any, kea: Kea) -> None:
    """The holder stands still amid a statement; only its election is over. Its effect then comes first, or never."""
    first, second = pair
    blocker = kea.connect()
    blocker.autocommit = False
    blocker.cursor().execute("LOCK hosts")
    kea.lease("10.0.0.1", "02:00:00:00:00:01")
    waits = "SELECT 1 FROM pg_stat_activity WHERE application_name = 'kea-lease-monitor' AND wait_event_type = 'Lock'"
    until(lambda: kea.rows(waits), "the first one's reservation waits")
    os.kill(first.process.pid, signal.SIGSTOP)
    kea.rows("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objid = %s", KEY)
    second.said("another monitor's session still holds the lock of this sink")
    blocker.rollback()
    blocker.close()
    os.kill(first.process.pid, signal.SIGCONT)
    until(lambda: reserved(kea) == ["10.0.0.1"], "the reservation")
    kea.lease("10.0.0.2", "02:00:00:00:00:02")
    until(lambda: reserved(kea) == ["10.0.0.1", "10.0.0.2"], "they go on")
    assert len(kea.rows(HOLDER, RIGHT)) == 1


def test_a_hanging_state_session_is_noticed(pair: Any, kea: Kea) -> None:
    """No other monitor is elected meanwhile: the server's end of the session still holds the lock."""
    first, _second = pair
    [(backend,)] = kea.rows(HOLDER, KEY)
    os.kill(backend, signal.SIGSTOP)
    try:
        first.said("no answer within 8 seconds", 15)
    finally:
        os.kill(backend, signal.SIGCONT)
    kea.lease("10.0.0.1", "02:00:00:00:00:01")
    until(lambda: reserved(kea) == ["10.0.0.1"], "one of them goes on")


def test_a_lock_belongs_to_one_session(kea: Kea) -> None:
    one, other = Link(settings(kea), "x"), Link(settings(kea), "x")
    with one.session() as session:
        session.rows("SELECT 1")
    with pytest.raises(TemporaryError, match="another monitor"), other.session():
        pass
    one.close()

    def taken() -> bool:
        try:
            with other.session():
                return True
        except TemporaryError:
            return False

    until(taken, "the server noticed that the first one is gone")
    other.close()


@pytest.fixture
def standby(cluster: Cluster) -> Iterator[Callable[[], Cluster]]:
    servers: list[Cluster] = []

    def make() -> Cluster:
        servers.append(Cluster(primary=cluster))
        servers[0].start()
        return servers[0]

    yield make
    for server in servers:
        server.remove()


def test_a_promoted_standby_is_followed(
    cluster: Cluster, kea: Kea, standby: Callable[[], Cluster], tmp_path: Path
) -> None:
    kea.rows("CREATE SCHEMA kea_lease_monitor")
    kea.rows('GRANT USAGE, CREATE ON SCHEMA kea_lease_monitor TO "kea-lease-monitor"')
    replica = standby()
    daemon = made(tmp_path, f"{replica.socket},{cluster.socket}")
    daemon.said("db init")
    daemon.ask("db", "init")
    daemon.process.wait()
    daemon.start()
    daemon.said("Caught up with the leases")
    kea.lease("10.0.0.1", "02:00:00:00:00:01")
    daemon.said("Static reservation created: address=10.0.0.1")
    copy = Kea(replica, "kea")
    until(lambda: reserved(copy) == ["10.0.0.1"], "the standby has it")
    cluster.stop()
    try:
        daemon.said("Will try again")
        copy.connection.close()
        replica.promote()
        copy = Kea(replica, "kea")
        copy.lease("10.0.0.2", "02:00:00:00:00:02")
        daemon.said("Static reservation created: address=10.0.0.2", 40)
        assert reserved(copy) == ["10.0.0.1", "10.0.0.2"]
        daemon.stop()
        copy.connection.close()
    finally:
        daemon.process.kill()
        daemon.process.wait()
        cluster.start()
        kea.connection = kea.connect()


def test_no_sink_begins_after_the_term(kea: Kea) -> None:
    """Files and commands hold no lock of their own, so it is asked for before each; the first sink here took long."""
    kea.rows('CREATE SCHEMA kea_lease_monitor; GRANT ALL ON SCHEMA kea_lease_monitor TO "kea-lease-monitor"')
    location = StateLocation(path="", database=settings(kea))
    create_state(location)
    time, store, source = Time(), Store(location), ListSource()
    source.events = [event(1)]

    class Slow(ListSink):
        def deliver(self, events: Any) -> Any:
            if not self.got:
                kea.rows(
                    "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objid = %s", KEY
                )
            return super().deliver(events)

    slow, later = Slow(), ListSink()
    pipeline = Pipeline(Subscription("default", Match(), True, "x"), source, [slow, later], store, time.clock())
    pipeline.pump()
    assert (len(slow.got), later.got) == (1, [])
    assert pipeline.health.status == "starting", pipeline.health.retry
    while not later.got:
        time.now = pipeline.due()
        pipeline.pump()
    assert (len(slow.got), len(later.got)) == (2, 1), "the batch is read and acted upon again"
    pipeline.stop()
    store.close()


def test_a_command_ends_soon_after_the_term(pair: Any, kea: Kea, tmp_path: Path) -> None:
    """It may run for long; meanwhile the next monitor begins with its own."""
    first, second = pair
    script = tmp_path / "command"
    script.write_text(f"#!/bin/sh\ncat >/dev/null\necho begun >>{tmp_path}/told\nsleep 60\n")
    script.chmod(0o755)
    document = yaml.safe_load(first.config.read_text())
    document["subscriptions"][0]["sinks"] = [{"type": "exec", "command": [str(script)], "timeout": 300}]
    for daemon in (first, second):
        daemon.config.write_text(yaml.safe_dump(document))
        daemon.process.send_signal(signal.SIGHUP)
        daemon.said("Configuration reloaded")
    kea.lease("10.0.0.1", "02:00:00:00:00:01")
    until((tmp_path / "told").exists, "the command")
    running = ["pgrep", "--full", "--count", f"^/bin/sh {script}"]

    def count() -> int:
        return int(subprocess.run(running, capture_output=True, text=True, check=False).stdout)

    until(lambda: count() == 1, "one command runs")
    kea.rows("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objid = %s", KEY)
    until(lambda: (tmp_path / "told").read_text().count("begun") == 2, "the batch is handed over again")
    until(lambda: count() == 1, "the first command was ended")
