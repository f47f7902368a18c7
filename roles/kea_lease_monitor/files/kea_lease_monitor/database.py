# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sessions with PostgreSQL. No other module imports psycopg2, and its errors are translated here."""

from __future__ import annotations

import hashlib
import select
import threading
import time
from contextlib import contextmanager
from typing import Any, Callable, Iterator, List, Mapping, Optional, Set, Tuple

import psycopg2
import psycopg2.extensions

from kea_lease_monitor.database_settings import CONNECTING, DatabaseSettings
from kea_lease_monitor.errors import MonitorError, RefusedError, TemporaryError
from kea_lease_monitor.waiting import Waiting

DEADLINE = 8.0
"""Seconds within which the server must answer a statement. A half-open connection raises no error by itself."""

_GONE_WITHIN = 500
"""Milliseconds in which a server (14 and later) notices that its client is gone, and ends a blocked statement. Without
this, the statement could take effect seconds after another monitor took over."""


class Session:
    """One connection in autocommit: a listener inside a transaction would fill the server's queue and stop Kea."""

    def __init__(self, settings: DatabaseSettings) -> None:
        """Connect. Raises TemporaryError."""
        with _translated(f"the database {settings.name} at {settings.host}"):
            self._connection = connect(settings)
            self._connection.autocommit = True
        self.prepared: Set[str] = set()

    def rows(self, statement: str, parameters: Optional[Mapping[str, Any]] = None) -> List[Tuple[Any, ...]]:
        """Run a statement and return its rows. Raises TemporaryError, or RefusedError for data it cannot store."""
        with _translated("the database"), self._connection.cursor() as cursor:
            cursor.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else []

    def woken(self) -> bool:
        """Take the notifications that have arrived, without waiting. Return whether other sessions sent any."""
        with _translated("the database"):
            self._connection.poll()
            own = self._connection.info.backend_pid
            woken = any(notification.pid != own for notification in self._connection.notifies)
            self._connection.notifies.clear()
            return woken

    def fileno(self) -> int:
        return int(self._connection.fileno())

    def close(self) -> None:
        self._connection.close()


class Link:
    """A session that is opened when needed and closed at the first error; host names are then resolved again.

    ``lock`` names an advisory lock. The session is usable only once it holds the lock, so a new leader cannot start
    while the previous one's last statement still runs.
    """

    def __init__(self, settings: DatabaseSettings, lock: str = "", renewed: Callable[[], None] = lambda: None) -> None:
        """``renewed`` is called for each session that replaces a lost one."""
        self._settings = settings
        self._lock = lock
        self._renewed = renewed
        self._session: Optional[Session] = None
        self.sessions = 0
        """Number of sessions opened so far. A caller that caches facts of one session compares it."""
        self.listening = False
        """Set by the caller that ran LISTEN; False again with each new session."""

    def fileno(self) -> Optional[int]:
        return self._session.fileno() if self._session else None

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Yield the open session, or a new one. Raises TemporaryError."""
        try:
            if self._session is None:
                self._session = Session(self._settings)
                self.sessions += 1
                if self.sessions > 1:
                    self._renewed()
                self._take_lock(self._session)
            yield self._session
        except TemporaryError:
            self.close()
            raise

    def _take_lock(self, session: Session) -> None:
        if self._lock and not session.rows("SELECT pg_try_advisory_lock(%(key)s)", {"key": lock_key(self._lock)})[0][0]:
            raise TemporaryError("another monitor's session still holds the lock of this sink")

    def close(self) -> None:
        if self._session:
            self._session.close()
            self._session = None
            self.listening = False


def lock_key(name: str) -> int:
    """Return the number of the advisory lock ``name``."""
    return int.from_bytes(hashlib.sha256(f"kea-lease-monitor/{name}".encode()).digest()[:8], "big", signed=True)


class _Answer:
    """psycopg2's wait callback. psycopg2 calls it whenever it would block, so every statement can time out here."""

    def __init__(self, waiting: Waiting) -> None:
        self.waiting = waiting

    def __call__(self, connection: psycopg2.extensions.connection) -> None:
        due = time.monotonic() + DEADLINE
        # select.select fails for descriptors from 1024 on.
        poll = select.poll()

        def answered(seconds: float) -> bool:
            return bool(poll.poll(seconds * 1000))

        while (state := connection.poll()) != psycopg2.extensions.POLL_OK:
            reading = state == psycopg2.extensions.POLL_READ
            poll.register(connection.fileno(), select.POLLIN if reading else select.POLLOUT)
            if not self.waiting.wait(due - time.monotonic(), answered):
                raise psycopg2.OperationalError(f"no answer within {DEADLINE:.0f} seconds, or before the end")


@contextmanager
def installed(waiting: Waiting) -> Iterator[None]:
    """Apply ``waiting`` to all connections of this process. psycopg2 has one wait callback for all of them."""
    previous = psycopg2.extensions.get_wait_callback()
    psycopg2.extensions.set_wait_callback(_Answer(waiting))
    try:
        yield
    finally:
        psycopg2.extensions.set_wait_callback(previous)


def connect(settings: DatabaseSettings) -> psycopg2.extensions.connection:
    """Open a connection to the first host that takes writes. Raises psycopg2.Error, TemporaryError.

    It runs in a thread, because neither the resolver nor libpq can be interrupted. It runs without the wait callback,
    because only then libpq itself tries the next host when one does not answer in time.
    """
    opened: List[psycopg2.extensions.connection] = []
    failed: List[psycopg2.Error] = []
    parameters = settings.parameters()

    def attempt() -> None:
        try:
            opened.append(psycopg2.connect(**parameters))
        except psycopg2.Error as error:
            failed.append(error)

    def joined(seconds: float) -> bool:
        thread.join(seconds)
        return not thread.is_alive()

    thread = threading.Thread(target=attempt, name="connect", daemon=True)
    callback = psycopg2.extensions.get_wait_callback()
    waiting = callback.waiting if isinstance(callback, _Answer) else Waiting()
    psycopg2.extensions.set_wait_callback(None)
    try:
        thread.start()
        waiting.wait(2 * CONNECTING, joined)
    finally:
        psycopg2.extensions.set_wait_callback(callback)
    if not opened:
        raise failed[0] if failed else psycopg2.OperationalError("the connection was not made in time")
    _notice_absence(opened[0])
    return opened[0]


def _notice_absence(connection: psycopg2.extensions.connection) -> None:
    """Set how soon the server notices that this client is gone."""
    if connection.server_version >= 140000:
        with connection.cursor() as cursor:
            cursor.execute(f"SET client_connection_check_interval = {_GONE_WITHIN}")
        connection.commit()


@contextmanager
def _translated(subject: str) -> Iterator[None]:
    try:
        yield
    except psycopg2.Error as error:
        raise _translation(subject, error) from error
    except ValueError as error:  # psycopg2 itself refuses a text with a NUL in it
        raise RefusedError(f"{subject}: {error}") from error


def _translation(subject: str, error: psycopg2.Error) -> MonitorError:
    """Return a RefusedError for data errors (classes 22 and 23). All else may be fixed while the monitor waits."""
    text = str(error).strip().splitlines()
    message = f"{subject}: {text[0] if text else type(error).__name__}"
    return RefusedError(message) if (error.pgcode or "")[:2] in {"22", "23"} else TemporaryError(message)
