# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sessions with PostgreSQL. The only module that knows psycopg2; its errors end here."""

from __future__ import annotations

import hashlib
import os
import select
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Set, Tuple

import psycopg2
import psycopg2.extensions

from kea_lease_monitor.errors import MonitorError, RefusedError, TemporaryError
from kea_lease_monitor.section import Section

DEADLINE = 8.0
"""Seconds within which every statement must be answered. A half-open connection raises nothing by itself."""

_STATEMENT_TIMEOUT = 7000
"""Milliseconds; less than the deadline, so that a server that waits for a lock lets go before we give up on it: else
each of our attempts would leave a session behind, until Kea gets none."""

_CONNECTING = 40
"""Seconds for all hosts together; nothing else happens meanwhile."""

_GONE_WITHIN = 500
"""Milliseconds in which a server (14 and later) notices that who asked is gone, and ends a statement that waits: else
it would take effect seconds after our successor has begun."""

_SLICE = 0.2
"""Seconds of waiting between two looks at whether we are to stop."""

SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")


@dataclass(frozen=True)
class Settings:
    """Where the database is. ``host`` may be a socket directory or, as libpq has it, several hosts with commas."""

    host: str
    port: int
    name: str
    user: str
    connect_timeout: int
    """Seconds for each host, or less when there are many."""
    password: Optional[str] = field(default=None, repr=False)
    password_file: Optional[str] = None
    ssl_mode: Optional[str] = None
    ca_file: Optional[str] = None
    cert_file: Optional[str] = None
    key_file: Optional[str] = None

    @classmethod
    def parse(cls, section: Section) -> Settings:
        settings = cls(
            host=section.text("host", "/var/run/postgresql"),
            port=section.number("port", 5432, 1, 65535),
            name=section.text("name", "kea"),
            user=section.text("user", "kea-lease-monitor"),
            connect_timeout=section.number("connect_timeout", 5, 1, 60),
            password=section.secret("password"),
            password_file=section.optional_text("password_file"),
            ssl_mode=section.choice("ssl_mode", SSL_MODES, "prefer"),
            ca_file=section.optional_text("ca_file"),
            cert_file=section.optional_text("cert_file"),
            key_file=section.optional_text("key_file"),
        )
        section.done()
        return settings

    def secret(self) -> Optional[str]:
        """Read anew for each connection, so that a changed password needs no restart."""
        credentials = os.environ.get("CREDENTIALS_DIRECTORY")
        path = self.password_file or (os.path.join(credentials, "db-password") if credentials else None)
        if self.password is not None or path is None or (not self.password_file and not os.path.exists(path)):
            return self.password
        try:
            with open(path, encoding="utf-8") as handle:
                return handle.read().rstrip("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise TemporaryError(f"the password file {path} cannot be read: {error}") from error

    def parameters(self) -> Dict[str, Any]:
        """libpq's names. A standby is never accepted: it neither notifies nor takes reservations."""
        given = {
            "host": self.host,
            "port": self.port,
            "dbname": self.name,
            "user": self.user,
            "password": self.secret(),
            "sslmode": self.ssl_mode,
            "sslrootcert": self.ca_file,
            "sslcert": self.cert_file,
            "sslkey": self.key_file,
            "target_session_attrs": "read-write",
            "connect_timeout": max(2, min(self.connect_timeout, _CONNECTING // len(self.host.split(",")))),
            # To compile a statement would cost a batch more than the rest of it, of tables from 800,000 hosts on.
            "options": f"-c statement_timeout={_STATEMENT_TIMEOUT} -c jit=off",
            "application_name": "kea-lease-monitor",
            "keepalives_idle": 5,
            "keepalives_interval": 3,
            "keepalives_count": 3,
            "tcp_user_timeout": 10_000,
        }
        return {name: value for name, value in given.items() if value is not None}


class Session:
    """One connection in autocommit: a listener inside a transaction would fill the server's queue and stop Kea."""

    def __init__(self, settings: Settings) -> None:
        with _translated(f"the database {settings.name} at {settings.host}"):
            self._connection = connect(settings)
            self._connection.autocommit = True
        self.prepared: Set[str] = set()

    def rows(self, statement: str, parameters: Optional[Mapping[str, Any]] = None) -> List[Tuple[Any, ...]]:
        """Raises TemporaryError, or RefusedError when it is the data that the database will not have."""
        with _translated("the database"), self._connection.cursor() as cursor:
            cursor.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else []

    def woken(self) -> bool:
        """Take all notifications that arrived, without waiting."""
        with _translated("the database"):
            self._connection.poll()
            woken = bool(self._connection.notifies)
            self._connection.notifies.clear()
            return woken

    def fileno(self) -> int:
        return int(self._connection.fileno())

    def close(self) -> None:
        self._connection.close()


class Link:
    """A session that is made when needed and dropped at the first error; host names are then resolved anew.

    With a ``right``, at most one session in this database has it, and there is none without it: when several monitors
    take turns, whatever the former one still has under way is over before the next one begins.
    """

    def __init__(self, settings: Settings, right: str = "", renewed: Callable[[], None] = lambda: None) -> None:
        """``renewed`` is told of each session that takes the place of one that was lost."""
        self._settings = settings
        self._right = right
        self._renewed = renewed
        self._session: Optional[Session] = None
        self.sessions = 0
        """How many were made so far: whoever knows something of a session only, sees when it is another one."""
        self.listening = False
        """Set by whoever said LISTEN; false again with each new session."""

    def fileno(self) -> Optional[int]:
        return self._session.fileno() if self._session else None

    @contextmanager
    def session(self) -> Iterator[Session]:
        try:
            if self._session is None:
                self._session = Session(self._settings)
                self.sessions += 1
                if self.sessions > 1:
                    self._renewed()
                self._take_right(self._session)
            yield self._session
        except TemporaryError:
            self.close()
            raise

    def _take_right(self, session: Session) -> None:
        if (
            self._right
            and not session.rows("SELECT pg_try_advisory_lock(%(key)s)", {"key": lock_key(self._right)})[0][0]
        ):
            raise TemporaryError("another monitor has not yet ended its session for this")

    def close(self) -> None:
        if self._session:
            self._session.close()
            self._session = None
            self.listening = False


def lock_key(name: str) -> int:
    """One of PostgreSQL's advisory locks, which are numbers."""
    return int.from_bytes(hashlib.sha256(f"kea-lease-monitor/{name}".encode()).digest()[:8], "big", signed=True)


class _Patience:
    """How long all that waits may go on; the end comes nearer when the program is to stop."""

    def __init__(self) -> None:
        self._end = float("inf")
        self.sign_of_life: Callable[[], None] = lambda: None

    def end_within(self, seconds: float) -> None:
        self._end = min(self._end, time.monotonic() + seconds)

    def wait(self, seconds: float, step: Callable[[float], bool]) -> bool:
        """Call ``step`` with portions of the time until it says that it is done. Returns whether it did."""
        due = time.monotonic() + seconds
        while not (done := step(max(0.0, min(_SLICE, due - time.monotonic(), self._end - time.monotonic())))):
            self.sign_of_life()
            if time.monotonic() >= min(due, self._end):
                break
        return done


_PATIENCE = _Patience()


def while_waiting(sign_of_life: Callable[[], None]) -> None:
    """Called some times a second while a database is waited for: every such wait has an end, so it is no hanging."""
    _PATIENCE.sign_of_life = sign_of_life


def end_within(seconds: float) -> None:
    """Whatever waits for a database, now or later, gives up when these seconds are over. Safe in a signal's handler."""
    _PATIENCE.end_within(seconds)


def connect(settings: Settings) -> psycopg2.extensions.connection:
    """A new connection to the first host that may be written to. Raises psycopg2.Error.

    In a thread, because neither the resolver nor libpq can be told to stop; and without the callback, because libpq
    then itself goes on to the next host when one does not answer in time.
    """
    made: List[psycopg2.extensions.connection] = []
    failed: List[psycopg2.Error] = []
    parameters = settings.parameters()

    def attempt() -> None:
        try:
            made.append(psycopg2.connect(**parameters))
        except psycopg2.Error as error:
            failed.append(error)

    def joined(seconds: float) -> bool:
        thread.join(seconds)
        return not thread.is_alive()

    thread = threading.Thread(target=attempt, name="connect", daemon=True)
    psycopg2.extensions.set_wait_callback(None)
    try:
        thread.start()
        _PATIENCE.wait(2 * _CONNECTING, joined)
    finally:
        psycopg2.extensions.set_wait_callback(_wait)
    if not made:
        raise failed[0] if failed else psycopg2.OperationalError("the connection was not made in time")
    if made[0].server_version >= 140000:
        with made[0].cursor() as cursor:
            cursor.execute(f"SET client_connection_check_interval = {_GONE_WITHIN}")
        made[0].commit()
    return made[0]


@contextmanager
def _translated(subject: str) -> Iterator[None]:
    try:
        yield
    except psycopg2.Error as error:
        raise _translation(subject, error) from error
    except ValueError as error:  # psycopg2 itself refuses a text with a NUL in it
        raise RefusedError(f"{subject}: {error}") from error


def _translation(subject: str, error: psycopg2.Error) -> MonitorError:
    """Data errors are classes 22 and 23; all else, a missing grant or table too, may be mended while we wait."""
    text = str(error).strip().splitlines()
    message = f"{subject}: {text[0] if text else type(error).__name__}"
    return RefusedError(message) if (error.pgcode or "")[:2] in {"22", "23"} else TemporaryError(message)


def _wait(connection: psycopg2.extensions.connection) -> None:
    """Called by psycopg2 whenever it would block: the one place where any statement can time out."""
    due = time.monotonic() + DEADLINE
    # Not select.select, which fails for descriptors from 1024 on.
    poll = select.poll()

    def answered(seconds: float) -> bool:
        return bool(poll.poll(seconds * 1000))

    while (state := connection.poll()) != psycopg2.extensions.POLL_OK:
        poll.register(connection.fileno(), select.POLLIN if state == psycopg2.extensions.POLL_READ else select.POLLOUT)
        if not _PATIENCE.wait(due - time.monotonic(), answered):
            raise psycopg2.OperationalError(f"no answer within {DEADLINE:.0f} seconds, or before the end")


psycopg2.extensions.set_wait_callback(_wait)
