# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: sessions with PostgreSQL: connecting, statements, locks with a bounded wait, and errors.

This folder is the only place that knows psycopg2.
"""

from __future__ import annotations

import os
import pwd
import time
import traceback
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Callable, Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple
from typing import NoReturn, TypeVar

from ansible.module_utils.basic import missing_required_lib
from .._host.account import Account, acting
from . import parts
from .errors import CONNECT_SQLSTATES, PostgresError
from .login import dsn_of, refuse_unfit
from .parts import Part

PSYCOPG2_IMPORT_ERROR: Optional[str] = None
try:
    import psycopg2
except ImportError:
    PSYCOPG2_IMPORT_ERROR = traceback.format_exc()

if TYPE_CHECKING:
    from psycopg2 import extensions

Result = TypeVar("Result")

IDLE_IN_TRANSACTION = 2000
"""Milliseconds after which the server ends a session that is idle amid a transaction."""
CONCURRENTLY_LOCK_TIMEOUT = 60_000
"""Milliseconds. CREATE and DROP INDEX CONCURRENTLY wait for older transactions under a lock that stops no reader and no
writer, so they may wait long, but not for ever for a forgotten session."""
LOCK_LOST = ("55P03", "40P01")
"""SQLSTATEs of a lock that was not granted and of a deadlock: the transaction was rolled back, so it can be retried."""


class Locks(NamedTuple):
    """How long to wait for a lock, in milliseconds per attempt, and how many attempts follow the first one."""

    timeout: int = 250
    retries: int = 20


class Session:
    """One connection in autocommit, whose statements wait for a lock no longer than ``locks`` say.

    Templates have ``{name}`` for each part (see parts.compose). All methods raise PostgresError.
    """

    def __init__(self, cursor: extensions.cursor, locks: Locks, readonly: bool = False) -> None:
        self.cursor = cursor
        self.locks = locks
        self.readonly = readonly
        """Whether the server refuses any change: this is a run in check mode."""

    @property
    def server_version(self) -> int:
        """Version of the server as libpq has it, such as 150004."""
        return int(self.cursor.connection.server_version)

    def compose(self, template: str, **values: Part) -> str:
        """Return a statement from a template."""
        return parts.compose(self.cursor, template, **values)

    def fetch(self, query: str, arguments: Sequence[Any] = (), **values: Part) -> List[Tuple[Any, ...]]:
        """Return all rows of a query; with ``values``, it is a template."""
        text = self.compose(query, **values) if values else query
        with translated(text):
            # None: with an empty list psycopg2 would still look for placeholders, and a name may hold a percent.
            self.cursor.execute(text, arguments or None)
            return self.cursor.fetchall()

    def run(self, statement: str, **values: Part) -> None:
        """Run one statement without arguments; with ``values``, it is a template."""
        text = self.compose(statement, **values) if values else statement
        with translated(text):
            self.cursor.execute(text)

    def limit_locks(self, timeout: int) -> None:
        """Limit how long the next statements wait for one lock, in milliseconds."""
        self.locks = self.locks._replace(timeout=timeout)
        self._set_lock_timeout(timeout)

    def together(self, statements: Sequence[str]) -> None:
        """Run all statements in one transaction; retry all of them while a lock is not granted."""
        if statements:
            self.patiently(lambda: self._transaction(statements))

    def concurrently(self, statement: str) -> None:
        """Run CREATE or DROP INDEX CONCURRENTLY: outside a transaction, with CONCURRENTLY_LOCK_TIMEOUT."""
        self._set_lock_timeout(CONCURRENTLY_LOCK_TIMEOUT)
        try:
            self.run(statement)
        except PostgresError as error:
            if error.sqlstate not in LOCK_LOST:
                raise
            waited = f"within {CONCURRENTLY_LOCK_TIMEOUT} ms"
            self._give_up(error, waited, "the next run rebuilds the index")
        self._set_lock_timeout(self.locks.timeout)

    def patiently(self, attempt: Callable[[], Result], outcome: str = "nothing was changed") -> Result:
        """Return what ``attempt`` returns; retry it while a lock is not granted.

        ``outcome`` says in the message what the state is after the last attempt.
        """
        locks = self.locks
        remaining = locks.retries
        while True:
            try:
                return attempt()
            except PostgresError as error:
                if error.sqlstate not in LOCK_LOST:
                    raise
                if not remaining:
                    waited = (
                        f"within {locks.timeout} ms in {locks.retries + 1} attempts (lock_retries: {locks.retries})"
                    )
                    self._give_up(error, waited, outcome)
            # Twice as long as this session may have delayed Kea, so that Kea works most of the time.
            time.sleep(2 * locks.timeout / 1000)
            remaining -= 1

    def _set_lock_timeout(self, milliseconds: int) -> None:
        self.run(f"SET lock_timeout = {milliseconds:d}")

    def _transaction(self, statements: Sequence[str]) -> None:
        try:
            self.run("BEGIN")
            for statement in statements:
                self.run(statement)
            self.run("COMMIT")
        except PostgresError:
            if not self.cursor.connection.closed:
                self.run("ROLLBACK")
            raise

    def _give_up(self, error: PostgresError, waited: str, outcome: str) -> NoReturn:
        """Raise an error that names the session with the oldest transaction that holds a lock: the likely cause."""
        message = f"No lock {waited}; {outcome}"
        for pid, role, state, since in self.fetch(_OLDEST_HOLDER):
            message += f"; the oldest transaction is that of process {pid} (role {role}, {state}, since {since})"
        raise PostgresError(message, error.sqlstate, error.statement) from error


_OLDEST_HOLDER = """
SELECT a.pid, a.usename, coalesce(a.state, 'unknown state'), a.xact_start
FROM pg_stat_activity a
WHERE a.datname = current_database() AND a.pid <> pg_backend_pid() AND EXISTS (
    SELECT FROM pg_locks l
    WHERE l.pid = a.pid AND l.locktype = 'relation' AND l.relation >= 16384 AND l.granted)
ORDER BY a.xact_start NULLS LAST LIMIT 1
"""


def lock_argument_spec() -> Dict[str, Any]:
    """Return the options of the fragment baremetal.kea.postgres.locks."""
    return {
        "lock_timeout": {"type": "int", "default": Locks().timeout},
        "lock_retries": {"type": "int", "default": Locks().retries},
    }


def _locks(params: Mapping[str, Any]) -> Locks:
    """Return the locks that a module's parameters ask for; without these, the defaults.

    Raises PostgresError for a timeout of 0, with which PostgreSQL waits for ever.
    """
    asked = Locks(params.get("lock_timeout", Locks().timeout), params.get("lock_retries", Locks().retries))
    if asked.timeout < 1 or asked.retries < 0:
        raise PostgresError("lock_timeout must be at least 1 ms, and lock_retries at least 0")
    return asked


@contextmanager
def connect(params: Mapping[str, Any], readonly: bool = False) -> Iterator[Session]:
    """Open a session of its own, and close it afterwards. Raises PostgresError.

    ``params`` are a module's parameters. The session resolves no name outside pg_catalog, so that the catalogue prints
    every name with its schema. With ``readonly`` (check mode) the server refuses any change.
    """
    if PSYCOPG2_IMPORT_ERROR:
        raise PostgresError(missing_required_lib("psycopg2"), exception=PSYCOPG2_IMPORT_ERROR)
    refuse_unfit(params)
    locks = _locks(params)
    connection = _open(dsn_of(params))
    try:
        connection.set_session(autocommit=True, readonly=readonly)
        session = Session(connection.cursor(), locks, readonly)
        if params.get("session_role"):
            session.run("SET ROLE {role}", role=params["session_role"])
        session.run("SET search_path = pg_catalog, pg_temp")
        session.limit_locks(locks.timeout)
        # A module that is frozen or cut off amid a transaction must not keep Kea's tables locked.
        session.run(f"SET idle_in_transaction_session_timeout = {IDLE_IN_TRANSACTION}")
        yield session
    finally:
        connection.close()


@contextmanager
def translated(statement: str) -> Iterator[None]:
    """Raise the driver's errors as PostgresError, with the statement."""
    try:
        yield
    except psycopg2.Error as error:
        message = error.diag.message_primary or str(error).strip() or type(error).__name__
        raise PostgresError("PostgreSQL: " + message, error.pgcode or "08006", statement) from error


@contextmanager
def connect_as_root(params: Mapping[str, Any], readonly: bool = False) -> Iterator[Session]:
    """Do as ``connect``; run by root over the unix socket without a password, log in as the user ``login_user``.

    The server identifies a role there by the system user of that name, and root is no such user. Raises PostgresError.
    """
    with ExitStack() as stack:
        with _peer(params):
            session = stack.enter_context(connect(params, readonly))
        yield session


@contextmanager
def _peer(params: Mapping[str, Any]) -> Iterator[None]:
    """Be the system user of the role, if that is needed and there is one."""
    local = params["login_host"] in ("", "localhost") or params["login_host"].startswith("/")
    try:
        user = pwd.getpwnam(params["login_user"])
    except KeyError:
        user = None
    if user is None or not local or params["login_password"]:
        yield
        return
    with acting_as(user):
        yield


@contextmanager
def acting_as(user: pwd.struct_passwd) -> Iterator[None]:
    """Be this system user, if this is root: for a server that asks who connects, and for files that only it may read.

    libpq looks for a certificate below the home directory that HOME names, and refuses to connect if it may not look
    there. So that is the user's own one.
    """
    if os.geteuid() != 0:
        yield
        return
    home = os.environ.get("HOME")
    os.environ["HOME"] = user.pw_dir
    try:
        with acting(Account.of_user(user)):
            yield
    finally:
        os.environ.pop("HOME")
        os.environ.update({} if home is None else {"HOME": home})


def _open(dsn: Mapping[str, Any]) -> extensions.connection:
    try:
        connection: extensions.connection = psycopg2.connect(**dsn)
        return connection
    except psycopg2.Error as error:
        text = str(error).strip()
        states = [state for phrase, state in CONNECT_SQLSTATES if phrase in text]
        raise PostgresError("Cannot connect to PostgreSQL: " + text, states[0] if states else "08001") from error
