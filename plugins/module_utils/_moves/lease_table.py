# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: Kea's leases in PostgreSQL, read and written with Kea's own role and connection.

kea-admin lease-upload is not used. It runs some twenty processes for each lease before the first INSERT, reads one file
instead of Kea's three, puts names unquoted into SQL, gives an infinite lease an end in 2162, and fails at the first row
that already exists. lease-dump writes an infinite lease with a time before 1970. docs/moving.md has the measurements.
"""

from __future__ import annotations

import contextlib
import pwd
import time
from typing import Any, Dict, Iterator, List, Mapping, Sequence

from . import lease_sql
from .._errors import KeaError
from .._host.account import Account
from .._postgres.copy import copy_in
from .._postgres.errors import PostgresError
from .._postgres.kea_login import connect_as_kea, login_of
from .._postgres.parts import Words
from .._postgres.session import Session
from .lease import Lease, youngest
from .store import Context, Reading, Residue

LATEST = 2147483647
"""The last ``expire`` that Kea can write to PostgreSQL (convertToDatabaseTime)."""
SESSIONS_END = 2.0
"""Seconds that PostgreSQL may take to notice that Kea has stopped."""
PORTION = 10_000
"""Leases that are copied at once; a line of the journal tells each."""
_PAUSE = 0.05
"""Seconds between two looks for other sessions."""


class LeaseTable:
    """The table of one lease database of type postgresql: a LeaseStore."""

    def __init__(self, entry: Mapping[str, Any], user: str, environment: Mapping[str, str], context: Context) -> None:
        """Prepare the connection of a ``lease-database`` entry, and open none.

        ``user`` is Kea's user, ``environment`` the libpq variables of Kea's unit (DESIGN 6).
        """
        self._login = {**login_of(entry), "lock_timeout": 10_000}
        host, port = self._login["login_host"], self._login["login_port"]
        self._user = user
        self._environment = environment
        self._family, self._log = context.family, context.log
        self._form = lease_sql.FORMS[self._family]
        self._table = (context.schema, self._form.table)
        self.key = f"postgresql:{host}:{port}/{self._login['login_db']}"
        self.name = f"PostgreSQL {self._login['login_db']} on {host}"

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Do nothing: no LFC runs on a table."""
        yield

    def settle(self) -> None:
        """Do nothing: each of Kea's statements is a transaction of its own, finished when Kea has stopped."""

    def read(self) -> Reading:
        """Return the leases of the table. Raises KeaError."""
        with self._session() as session:
            return self._read(session)

    def rehearse(self, leases: Sequence[Lease], residue: Residue) -> None:
        """Do the same as ``take`` and roll it back. Raises KeaError."""
        _check_ends(leases)
        with self._session() as session:
            self._check_zone(session)
            session.run("BEGIN")
            self._load(session, leases, residue)
            session.run("ROLLBACK")

    def take(self, reading: Reading, residue: Residue) -> List[Lease]:
        """Add the leases in one transaction; younger rows stay. Returns the leases that were moved. Raises KeaError.

        Stale rows stay as well if another Kea uses the database, because they may be its leases.
        """
        _check_ends(reading.leases)
        with self._session() as session:
            if residue and self._has_others(session):
                residue = ()
            session.run("BEGIN")
            moved = self._load(session, reading.leases, residue)
            session.run("COMMIT")
            return moved

    def withdraw(self, residue: Residue) -> None:
        """Remove the stale rows that have not changed since. Raises KeaError."""
        with self._session() as session:
            session.run("BEGIN")
            self._forget(session, residue)
            session.run("COMMIT")

    def set_aside(self) -> List[str]:
        """Keep the rows, because another Kea may use them. Stale ones are removed when leases are moved here again."""
        return []

    def _load(self, session: Session, leases: Sequence[Lease], residue: Residue) -> List[Lease]:
        columns = [*self._form.columns, *(name for name in self._form.later if name in self._present(session))]
        moved = youngest(leases)
        if residue:
            self._forget(session, residue)
        session.run(lease_sql.STAGE, table=self._table)
        copy = f"COPY pg_temp.kea_lease_staged ({', '.join(columns)}) FROM STDIN"
        for start in range(0, len(moved), PORTION):
            portion = moved[start : start + PORTION]
            copy_in(session, copy, (lease_sql.row_of(lease, columns) for lease in portion))
            self._log(f"{start + len(portion)} of {len(moved)} leases copied to {self.name}")
        parts = {
            **lease_sql.PARTS,
            "columns": Words(", ".join(columns)),
            "excluded": Words(", ".join(f"EXCLUDED.{name}" for name in columns)),
        }
        single = (lease_sql.DROP_ELDER, lease_sql.DROP_STAGED) if self._family == 4 else ()
        for statement in (*single, lease_sql.MERGE):
            session.run(statement, table=self._table, **parts)
        _check_arrived(moved, self._read(session).leases)
        return moved

    def _forget(self, session: Session, residue: Residue) -> None:
        session.run(lease_sql.KNOWN, known=Words(self._form.known))
        rows = [(lease_sql.address_of(address, self._family), expire) for address, expire in residue]
        copy_in(session, "COPY pg_temp.kea_lease_known FROM STDIN", rows)
        session.run(lease_sql.FORGET, table=self._table, same_known=Words(self._form.same_known))

    def _read(self, session: Session) -> Reading:
        has_pools = "pool_id" in self._present(session)
        parts = {"pool": "pool_id" if has_pools else "0", "selected": self._form.selected, "order": self._form.order}
        words = {name: Words(text) for name, text in parts.items()}
        rows = session.fetch(lease_sql.READ, table=self._table, **words)
        return Reading([lease_sql.lease_of(row, self._family) for row in rows], 0, has_pools)

    def _present(self, session: Session) -> List[str]:
        names = [str(name) for (name,) in session.fetch(lease_sql.PRESENT, self._table)]
        if not names:
            raise KeaError(f"{self.name} has no table {'.'.join(self._table)}: make Kea's schema first")
        return names

    def _has_others(self, session: Session) -> bool:
        """Return whether another Kea uses the database; this host's Kea was stopped a moment ago."""
        deadline = time.monotonic() + SESSIONS_END
        while session.fetch(lease_sql.OTHERS)[0][0]:
            if time.monotonic() > deadline:
                return True
            time.sleep(_PAUSE)
        return False

    def _check_zone(self, session: Session) -> None:
        moments = [int(time.time()), int(time.time()) + 183 * 86400]
        here = tuple(time.localtime(moment).tm_gmtoff for moment in moments)
        if session.fetch(lease_sql.OFFSETS, moments)[0] != here:
            raise KeaError(
                f"{self.name} has another time zone than this host, so Kea would not find the leases that it wants to "
                "renew: set PostgreSQL's timezone to the one of the host (or both to UTC)"
            )

    @contextlib.contextmanager
    def _session(self) -> Iterator[Session]:
        with contextlib.ExitStack() as stack:
            try:
                account = Account.of_user(pwd.getpwnam(self._user))
                session = stack.enter_context(connect_as_kea(self._login, account, self._environment))
                # Kea's own triggers name their functions without a schema.
                session.run("SET search_path = {schema}, pg_temp", schema=self._table[0])
                yield session
            except PostgresError as error:
                raise KeaError(f"{self.name}: {error.as_result()['msg']}") from error


def _check_ends(leases: Sequence[Lease]) -> None:
    for lease in leases:
        if lease_sql.end_of(lease) > LATEST:
            raise KeaError(
                f"the lease of {lease.text} ends after 2038-01-19, which Kea cannot store in PostgreSQL: make its "
                "lifetime shorter or infinite, and wait until it was renewed"
            )


def _check_arrived(moved: Sequence[Lease], present: Sequence[Lease]) -> None:
    """Raise KeaError unless the table has each lease unchanged, or a younger one of its address or its client."""
    by_address = {lease.address: lease for lease in present}
    by_client: Dict[object, Lease] = {lease.client: lease for lease in present if lease.client}
    for lease in moved:
        found = by_address.get(lease.address)
        rivals = [found, by_client.get(lease.client)]
        if found != lease and not any(rival and rival.cltt > lease.cltt for rival in rivals):
            raise KeaError(f"the lease of {lease.text} was changed by the move: {lease} became {found}")
