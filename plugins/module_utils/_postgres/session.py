# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: the only place that knows psycopg2. Connecting, composing SQL, changes under a bounded lock, errors."""

from __future__ import annotations

import time
import traceback
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple, Union

from ansible.module_utils.basic import missing_required_lib
from .errors import CONNECT_SQLSTATES, PostgresError

PSYCOPG2_IMPORT_ERROR: Optional[str] = None
try:
    import psycopg2
    from psycopg2 import sql
except ImportError:
    PSYCOPG2_IMPORT_ERROR = traceback.format_exc()

if TYPE_CHECKING:
    from collections.abc import Callable

    from psycopg2 import extensions

DEFAULT_LOCK_TIMEOUT = 250
IDLE_IN_TRANSACTION = 2000
"""Milliseconds."""
# CREATE and DROP INDEX CONCURRENTLY wait for old transactions while they hold a lock that stops no reader and no
# writer; so they may wait long, but not for ever behind a forgotten session.
CONCURRENTLY_LOCK_TIMEOUT = 60_000
# The lock was not to be had, or a deadlock was resolved against us: rolled back whole, so it can be tried again.
LOCK_LOST = ("55P03", "40P01")
SECRET_PARAMETERS = {"password", "sslpassword"}


class Locks(NamedTuple):
    """How long to wait for a lock, in milliseconds per attempt, and how many attempts follow the first one."""

    timeout: int = DEFAULT_LOCK_TIMEOUT
    retries: int = 20


class Literal(NamedTuple):
    """A part of a statement that is a value."""

    value: str


class Words(NamedTuple):
    """A part of a statement that is SQL already; only ever a constant of this collection or composed by it."""

    text: str


Part = Union[str, Tuple[str, ...], Literal, Words]


def login_argument_spec() -> Dict[str, Any]:
    """The options of the fragment baremetal.kea.postgres."""
    return {
        "login_user": {"type": "str", "default": "postgres"},
        "login_password": {"type": "str", "default": "", "no_log": True},
        "login_host": {"type": "str", "default": ""},
        "login_unix_socket": {"type": "str", "default": ""},
        "login_port": {"type": "int", "default": 5432},
        "login_db": {"type": "str", "default": "kea"},
        "ssl_mode": {
            "type": "str",
            "default": "prefer",
            "choices": ["allow", "disable", "prefer", "require", "verify-ca", "verify-full"],
        },
        "ca_cert": {"type": "path"},
        "ssl_cert": {"type": "path"},
        "ssl_key": {"type": "path", "no_log": False},
    }


def argument_spec() -> Dict[str, Any]:
    """The same, and those of baremetal.kea.postgres.session."""
    return dict(login_argument_spec(), connect_params={"type": "dict", "default": {}}, session_role={"type": "str"})


def lock_argument_spec() -> Dict[str, Any]:
    """The options of the fragment baremetal.kea.postgres.locks."""
    return {
        "lock_timeout": {"type": "int", "default": Locks().timeout},
        "lock_retries": {"type": "int", "default": Locks().retries},
    }


def locks(params: Mapping[str, Any]) -> Locks:
    """From a module's parameters. Raises PostgresError: a timeout of 0 would mean to wait for ever."""
    if params["lock_timeout"] < 1 or params["lock_retries"] < 0:
        raise PostgresError("lock_timeout must be at least 1 ms, and lock_retries at least 0")
    return Locks(params["lock_timeout"], params["lock_retries"])


@contextmanager
def connect(params: Mapping[str, Any], readonly: bool = False) -> Iterator[extensions.cursor]:
    """A cursor in autocommit on a session of its own.

    The session resolves no name outside pg_catalog, so that the catalogue prints every name with its schema, and never
    waits longer than ``lock_timeout`` for a lock. ``readonly`` makes the server refuse any change (check mode).
    Raises PostgresError.
    """
    if PSYCOPG2_IMPORT_ERROR:
        raise PostgresError(missing_required_lib("psycopg2"), exception=PSYCOPG2_IMPORT_ERROR)
    _refuse_unfit(params)
    connection = _open(_dsn(params))
    try:
        connection.set_session(autocommit=True, readonly=readonly)
        cursor = connection.cursor()
        if params.get("session_role"):
            run(cursor, compose(cursor, "SET ROLE {role}", role=params["session_role"]))
        run(cursor, "SET search_path = pg_catalog, pg_temp")
        set_lock_timeout(cursor, params.get("lock_timeout", DEFAULT_LOCK_TIMEOUT))
        # A module that is frozen or cut off amid a transaction must not keep Kea's tables locked.
        run(cursor, f"SET idle_in_transaction_session_timeout = {IDLE_IN_TRANSACTION}")
        yield cursor
    finally:
        connection.close()


def compose(cursor: extensions.cursor, template: str, **parts: Part) -> str:
    """Fill ``{name}`` in the template: text is an identifier, a tuple a qualified one; all quoted by the driver."""
    return sql.SQL(template).format(**{name: _composable(part) for name, part in parts.items()}).as_string(cursor)


def fetch(cursor: extensions.cursor, query: str, arguments: Sequence[Any] = ()) -> List[Tuple[Any, ...]]:
    """All rows of a query. Raises PostgresError."""
    with translated(query):
        # None, because with an empty list psycopg2 would still look for placeholders, and a name may hold a percent.
        cursor.execute(query, arguments or None)
        return cursor.fetchall()


def run(cursor: extensions.cursor, statement: str) -> None:
    """One statement without arguments. Raises PostgresError."""
    with translated(statement):
        cursor.execute(statement)


def set_lock_timeout(cursor: extensions.cursor, milliseconds: int) -> None:
    """How long the statements that follow may wait for one lock."""
    run(cursor, f"SET lock_timeout = {milliseconds:d}")


def run_concurrently(cursor: extensions.cursor, statement: str, locks: Locks) -> None:
    """CREATE or DROP INDEX CONCURRENTLY: no transaction, and a patience of its own. Raises PostgresError."""
    set_lock_timeout(cursor, CONCURRENTLY_LOCK_TIMEOUT)
    try:
        run(cursor, statement)
    except PostgresError as error:
        if error.sqlstate not in LOCK_LOST:
            raise
        waited = f"within {CONCURRENTLY_LOCK_TIMEOUT} ms"
        raise _lock_not_to_be_had(cursor, error, waited, "the next run builds the index anew") from error
    set_lock_timeout(cursor, locks.timeout)


def run_together(cursor: extensions.cursor, statements: Sequence[str], locks: Locks) -> None:
    """All statements in one transaction, tried again whole while a lock is not to be had. Raises PostgresError."""
    if statements:
        patiently(cursor, locks, lambda: _run_once(cursor, statements))


def patiently(
    cursor: extensions.cursor, locks: Locks, attempt: Callable[[], Any], outcome: str = "nothing was changed"
) -> Any:
    """What ``attempt`` returns, which is made again while a lock is not to be had; ``outcome`` is what is so after the
    last one. Raises PostgresError."""
    remaining = locks.retries
    while True:
        try:
            return attempt()
        except PostgresError as error:
            if error.sqlstate not in LOCK_LOST:
                raise
            if not remaining:
                waited = f"within {locks.timeout} ms in {locks.retries + 1} attempts (lock_retries: {locks.retries})"
                raise _lock_not_to_be_had(cursor, error, waited, outcome) from error
        # Twice as long as we may have held Kea up, so that it works most of the time while we try.
        time.sleep(2 * locks.timeout / 1000)
        remaining -= 1


def _run_once(cursor: extensions.cursor, statements: Sequence[str]) -> None:
    try:
        run(cursor, "BEGIN")
        for statement in statements:
            run(cursor, statement)
        run(cursor, "COMMIT")
    except PostgresError:
        if not cursor.connection.closed:
            run(cursor, "ROLLBACK")
        raise


def _refuse_unfit(params: Mapping[str, Any]) -> None:
    """PostgreSQL takes a NUL nowhere, and the driver has no error of its own for it."""
    for option, value in sorted(params.items()):
        if any("\0" in text for text in _texts(value)):
            raise PostgresError(
                f"The option {option} holds a NUL character, which PostgreSQL takes nowhere, so nothing was changed"
            )


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, dict)):
        for one in [*value, *(value.values() if isinstance(value, dict) else ())]:
            yield from _texts(one)


def _dsn(params: Mapping[str, Any]) -> Dict[str, Any]:
    secrets = SECRET_PARAMETERS.intersection(params["connect_params"])
    if secrets:
        raise PostgresError(f"connect_params must not hold {', '.join(sorted(secrets))}, because Ansible shows it")
    host = params["login_host"]
    if host in ("", "localhost"):
        host = params["login_unix_socket"] or host
    dsn = {
        "host": host,
        "port": params["login_port"],
        "user": params["login_user"],
        "password": params["login_password"],
        "dbname": params["login_db"],
        "sslmode": params["ssl_mode"],
        "sslrootcert": params["ca_cert"],
        "sslcert": params["ssl_cert"],
        "sslkey": params["ssl_key"],
        "target_session_attrs": "read-write" if "," in host else "",
        "connect_timeout": 10,
        "client_encoding": "UTF8",
        "application_name": "ansible baremetal.kea",
    }
    dsn.update(params["connect_params"])
    return {key: value for key, value in dsn.items() if value not in (None, "")}


def _open(dsn: Mapping[str, Any]) -> extensions.connection:
    try:
        connection: extensions.connection = psycopg2.connect(**dsn)
        return connection
    except psycopg2.Error as error:
        text = str(error).strip()
        states = [state for phrase, state in CONNECT_SQLSTATES if phrase in text]
        raise PostgresError("Cannot connect to PostgreSQL: " + text, states[0] if states else "08001") from error


def _composable(part: Part) -> sql.Composable:
    if isinstance(part, Literal):
        return sql.Literal(part.value)
    if isinstance(part, Words):
        return sql.SQL(part.text)
    return sql.Identifier(part) if isinstance(part, str) else sql.Identifier(*part)


@contextmanager
def translated(statement: str) -> Iterator[None]:
    """Errors of the driver become PostgresError."""
    try:
        yield
    except psycopg2.Error as error:
        message = error.diag.message_primary or str(error).strip() or type(error).__name__
        raise PostgresError("PostgreSQL: " + message, error.pgcode or "08006", statement) from error


def _lock_not_to_be_had(cursor: extensions.cursor, error: PostgresError, waited: str, outcome: str) -> PostgresError:
    """Who is in the way: most likely the session with the oldest transaction that holds a lock in this database."""
    holders = fetch(
        cursor,
        """
        SELECT a.pid, a.usename, coalesce(a.state, 'unknown state'), a.xact_start
        FROM pg_stat_activity a
        WHERE a.datname = current_database() AND a.pid <> pg_backend_pid() AND EXISTS (
            SELECT FROM pg_locks l
            WHERE l.pid = a.pid AND l.locktype = 'relation' AND l.relation >= 16384 AND l.granted)
        ORDER BY a.xact_start NULLS LAST LIMIT 1
        """,
    )
    message = f"No lock {waited}; {outcome}"
    for pid, role, state, since in holders:
        message += f"; the oldest transaction is that of process {pid} (role {role}, {state}, since {since})"
    return PostgresError(message, error.sqlstate, error.statement)
