# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: Kea's leases in PostgreSQL: read and written by the role, and over the connection, that Kea has.

kea-admin lease-upload is not used. Before the first INSERT it runs some twenty processes for each lease, reads one file
instead of Kea's three, puts names unquoted into SQL, gives an infinite lease an end in 2162, and fails at the first row
that is there already. lease-dump writes an infinite lease with a time before 1970. docs/moving.md has the measurements.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import time
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Mapping, Sequence, Tuple

from . import lease_rows
from . import lease_sql
from .._postgres import session
from .._postgres.errors import PostgresError
from .lease_files import Reading
from .lease_journal import LeaseMoveError
from .lease_rows import Lease
from .._postgres.copy import copy_in

if TYPE_CHECKING:
    from psycopg2 import extensions

Residue = Sequence[Tuple[int, int]]
"""Address and C(expire) of rows that this host knows to be of no use in a database."""

LATEST = 2147483647
"""The last C(expire) that Kea can bring into PostgreSQL (convertToDatabaseTime)."""
TABLE = "lease4"
SESSIONS_END = 2.0
"""Seconds that PostgreSQL may take to notice that a stopped Kea is gone."""


class LeaseTable:
    """The table of one lease database of type postgresql."""

    def __init__(self, entry: Mapping[str, Any], user: str, environment: Mapping[str, str], schema: str) -> None:
        """``environment`` has the libpq variables that Kea's unit gives it (DESIGN 6)."""
        host, port = str(entry.get("host") or "localhost"), int(entry.get("port") or 5432)
        trust_anchor, certificate = entry.get("trust-anchor"), entry.get("cert-file")
        # The modes that Kea itself takes from 3.1 on, and before that there are none in its configuration.
        default = "verify-ca" if trust_anchor else "require" if certificate else None
        self._login: Dict[str, Any] = {
            "login_host": host,
            "login_unix_socket": "",
            "login_port": port,
            "login_user": str(entry.get("user") or ""),
            "login_password": str(entry.get("password") or ""),
            "login_db": str(entry.get("name") or ""),
            "ssl_mode": entry.get("ssl-mode") or default,
            "ca_cert": trust_anchor,
            "ssl_cert": certificate,
            "ssl_key": entry.get("key-file"),
            "connect_params": {},
            "lock_timeout": 10_000,
        }
        self._user = user
        self._environment = environment
        self._table = (schema, TABLE)
        self.key = f"postgresql:{host}:{port}/{self._login['login_db']}"
        self.name = f"PostgreSQL {self._login['login_db']} on {host}"

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Nobody cleans a table up."""
        yield

    def settle(self) -> None:
        """Nothing is under way once Kea has stopped: each of its statements is a transaction of its own."""

    def set_aside(self) -> List[str]:
        """Rows stay: another Kea may live on them. Those of no use are withdrawn when leases come back here."""
        return []

    def read(self) -> Reading:
        """Raises LeaseMoveError."""
        with self._session() as cursor:
            return self._read(cursor)

    def rehearse(self, leases: Sequence[Lease], residue: Residue) -> None:
        """``take``, rolled back: whatever would fail, fails while Kea still serves. Raises LeaseMoveError."""
        _check_ends(leases)
        with self._session() as cursor:
            self._check_zone(cursor)
            session.run(cursor, "BEGIN")
            self._load(cursor, leases, residue)
            session.run(cursor, "ROLLBACK")

    def take(self, reading: Reading, residue: Residue) -> List[Lease]:
        """Adds the leases, in one transaction: what is there and younger stays. Returns those that were carried.

        Raises LeaseMoveError.
        """
        _check_ends(reading.leases)
        with self._session() as cursor:
            if residue and self._has_others(cursor):
                residue = ()
            session.run(cursor, "BEGIN")
            carried = self._load(cursor, reading.leases, residue)
            session.run(cursor, "COMMIT")
            return carried

    def withdraw(self, residue: Residue) -> None:
        """Takes back rows that nobody has touched since. Raises LeaseMoveError."""
        with self._session() as cursor:
            session.run(cursor, "BEGIN")
            self._forget(cursor, residue)
            session.run(cursor, "COMMIT")

    def _load(self, cursor: "extensions.cursor", leases: Sequence[Lease], residue: Residue) -> List[Lease]:
        columns = [*lease_sql.COLUMNS, *(name for name in lease_sql.LATER if name in self._present(cursor))]
        carried: List[Lease] = lease_rows.youngest(leases)
        if residue:
            self._forget(cursor, residue)
        session.run(cursor, session.compose(cursor, lease_sql.STAGE, table=self._table))
        rows = (lease_sql.row_of(lease, columns) for lease in carried)
        copy_in(cursor, f"COPY pg_temp.kea_lease_staged ({', '.join(columns)}) FROM STDIN", rows)
        for statement in (lease_sql.DROP_ELDER, lease_sql.DROP_STAGED):
            session.run(cursor, session.compose(cursor, statement, table=self._table))
        merge = lease_sql.MERGE.replace("{columns}", ", ".join(columns))
        merge = merge.replace("{excluded}", ", ".join(f"EXCLUDED.{name}" for name in columns))
        session.run(cursor, session.compose(cursor, merge, table=self._table))
        _check_arrived(carried, self._read(cursor).leases)
        return carried

    def _forget(self, cursor: "extensions.cursor", residue: Residue) -> None:
        session.run(cursor, lease_sql.KNOWN)
        copy_in(cursor, "COPY pg_temp.kea_lease_known FROM STDIN", residue)
        session.run(cursor, session.compose(cursor, lease_sql.FORGET, table=self._table))

    def _read(self, cursor: "extensions.cursor") -> Reading:
        has_pools = "pool_id" in self._present(cursor)
        query = session.compose(
            cursor, lease_sql.READ.replace("{pool}", "pool_id" if has_pools else "0"), table=self._table
        )
        return Reading([lease_sql.lease_of(row) for row in session.fetch(cursor, query)], 0, has_pools)

    def _present(self, cursor: "extensions.cursor") -> List[str]:
        names = [str(name) for (name,) in session.fetch(cursor, lease_sql.PRESENT, self._table)]
        if not names:
            raise LeaseMoveError(f"{self.name} has no table {'.'.join(self._table)}: make Kea's schema first")
        return names

    def _has_others(self, cursor: "extensions.cursor") -> bool:
        """Whether another Kea uses the database. Ours was stopped a moment ago."""
        deadline = time.monotonic() + SESSIONS_END
        while session.fetch(cursor, lease_sql.OTHERS)[0][0]:
            if time.monotonic() > deadline:
                return True
            time.sleep(0.05)
        return False

    def _check_zone(self, cursor: "extensions.cursor") -> None:
        moments = [int(time.time()), int(time.time()) + 183 * 86400]
        here = tuple(time.localtime(moment).tm_gmtoff for moment in moments)
        if session.fetch(cursor, lease_sql.OFFSETS, moments)[0] != here:
            raise LeaseMoveError(
                f"{self.name} has another time zone than this host, so that Kea would not find a lease again that it "
                "wants to renew: set PostgreSQL's timezone to the one of the host (or both to UTC)"
            )

    @contextlib.contextmanager
    def _session(self) -> Iterator["extensions.cursor"]:
        with contextlib.ExitStack() as stack:
            try:
                with _as(self._user), _variables(self._environment):
                    cursor = stack.enter_context(session.connect(self._login))
                # Kea's own triggers find what they call by this only.
                path = session.compose(cursor, "SET search_path = {schema}, pg_temp", schema=self._table[0])
                session.run(cursor, path)
                yield cursor
            except PostgresError as error:
                raise LeaseMoveError(f"{self.name}: {error.as_result()['msg']}") from error


@contextlib.contextmanager
def _as(name: str) -> Iterator[None]:
    """Peer authentication and the key of a certificate go by the user who opens the connection."""
    if os.geteuid() != 0:
        yield
        return
    user = pwd.getpwnam(name)
    os.setegid(user.pw_gid)
    os.seteuid(user.pw_uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


@contextlib.contextmanager
def _variables(environment: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(environment)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _check_ends(leases: Sequence[Lease]) -> None:
    for lease in leases:
        if lease_sql.end_of(lease) > LATEST:
            raise LeaseMoveError(
                f"the lease of {lease.text} ends after 2038-01-19, which Kea cannot keep in PostgreSQL: make its "
                "lifetime shorter or infinite, and wait until it was renewed"
            )


def _check_arrived(carried: Sequence[Lease], present: Sequence[Lease]) -> None:
    """Each lease is there as it was, or a younger one of its address or of its client."""
    by_address = {lease.address: lease for lease in present}
    by_client = {(lease.client_id, lease.subnet_id): lease for lease in present if lease.client_id}
    for lease in carried:
        found = by_address.get(lease.address)
        rivals = [found, by_client.get((lease.client_id, lease.subnet_id))]
        if found != lease and not any(rival and rival.cltt > lease.cltt for rival in rivals):
            raise LeaseMoveError(f"the lease of {lease.text} did not arrive as it was: {lease} became {found}")
