# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What users of other listeners complain of, each by name (with the project that it was reported to)."""

from __future__ import annotations

import os
import select
import socket
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest
from kea_lease_monitor import database
from kea_lease_monitor.backoff import Backoff
from kea_lease_monitor.clock import Clock
from kea_lease_monitor.database import Link, Session
from kea_lease_monitor.database_settings import DatabaseSettings
from kea_lease_monitor.errors import TemporaryError
from kea_lease_monitor.pipeline import Pipeline
from kea_lease_monitor.section import Section
from kea_lease_monitor.sources.events.source import EventsSource, Options
from kea_lease_monitor.subscriptions import Match, Subscription
from support.monitor import Daemon, document

from runtime.contracts import drained
from runtime.fakes import ListSink
from runtime.states import state_in
from runtime.world import Kea, settings


def make(link: Link) -> EventsSource:
    return EventsSource("default", link, Options(), {"default": 0}, Clock())


@pytest.fixture
def source(link: Callable[[], Link]) -> Iterator[EventsSource]:
    source = make(link())
    yield source
    source.close()


def cut(kea: Kea) -> None:
    kea.rows("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'kea-lease-monitor'")


def grant(kea: Kea, number: int) -> None:
    kea.lease(f"10.0.0.{number}", f"02:00:00:00:00:{number:02x}")


class Wire:
    """TCP in front of the server's socket; once cut, it carries nothing and reports no error."""

    def __init__(self, target: str) -> None:
        self._target = target
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self.whole = threading.Event()
        self.whole.set()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                near, _address = self._server.accept()
            except OSError:
                return
            far = socket.socket(socket.AF_UNIX)
            far.connect(self._target)
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=self._carry, args=(one, other), daemon=True).start()

    def _carry(self, one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):  # whoever is at the other end may have gone
            while data := one.recv(65536):
                if not self.whole.is_set():
                    return
                other.sendall(data)
        other.close()

    def close(self) -> None:
        self._server.close()


def test_half_open_sockets(kea: Kea, monkeypatch: pytest.MonkeyPatch) -> None:
    """pg-boss 850, 851: the peer is gone, no packet says so, and the listener waits for ever."""
    wire = Wire(f"{kea.cluster.socket}/.s.PGSQL.5432")
    document = {"host": "127.0.0.1", "port": wire.port, "name": kea.name, "ssl_mode": "disable"}
    source = make(Link(DatabaseSettings.parse(Section(document, "database"))))
    _events, position = drained(source, source.start(False))
    wire.whole.clear()
    grant(kea, 1)
    with monkeypatch.context() as patch:
        patch.setattr(database, "DEADLINE", 0.2)
        with pytest.raises(TemporaryError, match="no answer within"):
            source.read(position, 10)
    wire.whole.set()
    assert [event.lease.address for event in drained(source, position)[0]] == ["10.0.0.1"]
    source.close()
    wire.close()


@pytest.mark.slow
def test_a_half_open_connection_is_noticed_within_15_seconds(kea: Kea, tmp_path: Path) -> None:
    """By a monitor that has nothing to do, whatever it waits for just then."""
    wire = Wire(f"{kea.cluster.socket}/.s.PGSQL.5432")
    database = {"host": "127.0.0.1", "port": wire.port, "name": kea.name, "ssl_mode": "disable"}
    daemon = Daemon(tmp_path, document(tmp_path, {"type": "events"}, [{"type": "reservation"}], database=database))
    try:
        daemon.said("Caught up with the leases")
        wire.whole.clear()
        daemon.said("Will try again", 15)
        wire.whole.set()
        grant(kea, 1)
        daemon.said("Static reservation created: address=10.0.0.1", 20)
    finally:
        daemon.process.kill()
        daemon.process.wait()
        wire.close()


def test_reconnected_but_deaf(kea: Kea, source: EventsSource) -> None:
    """pgqueuer 253, procrastinate 1425: the new session works, and nothing wakes it any more."""
    _events, position = drained(source, source.start(False))
    cut(kea)
    with pytest.raises(TemporaryError):
        source.read(position, 10)
    _events, position = drained(source, position)
    for number in (1, 2):
        grant(kea, number)
        assert select.select([source.fileno()], [], [], 3)[0], "no wake-up in the new session"
        events, position = drained(source, position)
        assert [event.lease.address for event in events] == [f"10.0.0.{number}"]
        while source.read(position, 10).caught_up and source.due() < Clock().monotonic() + 1:
            pass


def test_a_recovery_read_before_the_new_listen(kea: Kea, source: EventsSource, monkeypatch: pytest.MonkeyPatch) -> None:
    """durable 66: what is committed between the read and the LISTEN is neither read nor announced."""
    _events, position = drained(source, source.start(False))
    cut(kea)
    with pytest.raises(TemporaryError):
        source.read(position, 10)
    said: list[str] = []
    ask = Session.rows

    def listening(session: Session, statement: str, parameters: Any = None) -> Any:
        said.append(" ".join(statement.split()))
        found = ask(session, statement, parameters)
        if statement.startswith("LISTEN"):
            grant(kea, 1)
        return found

    monkeypatch.setattr(Session, "rows", listening)
    assert [event.lease.address for event in drained(source, position)[0]] == ["10.0.0.1"]
    before = said[: said.index('LISTEN "kea_lease_events"')]
    assert [statement for statement in before if "lease" in statement] == []


def test_an_error_in_the_wake_up_ends_the_loop(
    kea: Kea, link: Callable[[], Link], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """marten 4961: after an unexpected exception the listener is dead until a restart."""
    sink, store = ListSink(), state_in(tmp_path)
    subscription = Subscription("default", Match(), True, "some")
    pipeline = Pipeline(subscription, make(link()), [sink], store, Clock(random=lambda: 0.0))
    pipeline.pump()

    def defect(_session: Session) -> bool:
        raise RuntimeError("unexpected")

    with monkeypatch.context() as patch:
        patch.setattr(Session, "woken", defect)
        for _wake_up in range(5):
            pipeline.pump()
            assert pipeline.health.retry
    grant(kea, 1)
    while not sink.got:
        pipeline.pump()
    assert (pipeline.health.retry, [event.lease.address for event in sink.got]) == (None, ["10.0.0.1"])
    pipeline.stop()
    store.close()


def test_a_listener_that_failed_at_boot_is_never_retried(kea: Kea, tmp_path: Path) -> None:
    """pgbus 238: the database came a minute after the listener."""
    late = tmp_path / "late"
    document = {"host": str(late), "name": kea.name}
    source = make(Link(settings(kea).parse(Section(document, "database"))))
    for _attempt in range(3):
        with pytest.raises(TemporaryError):
            source.start(True)
    os.symlink(kea.cluster.socket, late)
    grant(kea, 1)
    assert len(drained(source, source.start(True))[0]) == 1
    source.close()


def test_a_worker_that_gives_up_after_a_while() -> None:
    """procrastinate 1116: tried again for ever, and never less often than each half minute."""
    backoff = Backoff(lambda: 0.999)
    for attempt in (1, 10, 1000, 10**9):
        assert backoff.retry(0.0, attempt, "").due <= 30


def test_a_silent_stop(kea: Kea, source: EventsSource) -> None:
    """node-postgres 967, pyeventsourcing 305: the wake-up is lost on its way, and no timer reads."""
    _events, position = drained(source, source.start(False))
    kea.rows("ALTER TABLE lease4 DISABLE TRIGGER kea_lease_notify_trigger")
    kea.rows(
        "INSERT INTO kea_events.lease_event (op, address, hwaddr, subnet_id, valid_lifetime, expire)"
        " VALUES ('I', '10.0.0.1', '\\x01', 1, 3600, now())"
    )
    assert source.due() - Clock().monotonic() <= 5
    assert len(source.read(position, 10).events) == 1


@pytest.mark.slow
def test_a_name_whose_address_was_remembered(kea: Kea, tmp_path: Path) -> None:
    """pgbus 239: after a failover the name has another address, and the listener goes on to ask the old one."""
    wire = Wire(f"{kea.cluster.socket}/.s.PGSQL.5432")
    hosts = tmp_path / "hosts"
    hosts.write_text("127.0.0.77 database.test\n")
    database = {"host": "database.test", "port": wire.port, "name": kea.name, "ssl_mode": "disable"}
    known = ("unshare", "--mount", "sh", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"', str(hosts))
    sinks = [{"type": "reservation"}]
    daemon = Daemon(tmp_path, document(tmp_path, {"type": "events"}, sinks, database=database), known)
    try:
        daemon.said('connection to server at "database.test" (127.0.0.77)')
        hosts.write_text("127.0.0.1 database.test\n")
        daemon.said("Caught up with the leases")
    finally:
        daemon.process.kill()
        daemon.process.wait()
        wire.close()
