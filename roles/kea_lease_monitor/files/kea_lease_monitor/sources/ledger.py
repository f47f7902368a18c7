# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known about each lease: a million leases must not take any memory."""

from __future__ import annotations

import marshal
from typing import Dict, Iterable, List, Optional, Tuple

from kea_lease_monitor.kea import changes, identifiers
from kea_lease_monitor.lease import Lease, LeaseState
from kea_lease_monitor.scratch import Scratch

_TABLES = """
CREATE TABLE seen (key TEXT PRIMARY KEY, holder INTEGER, details INTEGER, held INTEGER, expires INTEGER)
    WITHOUT ROWID;
CREATE TABLE present (key TEXT PRIMARY KEY, client INTEGER, held INTEGER, cltt INTEGER, lease BLOB) WITHOUT ROWID;
"""

_TRACE = "SELECT holder, details, held, expires FROM seen WHERE key = ?"

_PORTION = """
SELECT key, lease
  FROM present
 WHERE key > ? AND lease IS NOT NULL
   AND NOT EXISTS (SELECT 1 FROM present AS other
                    WHERE other.client = present.client AND other.held
                      AND (other.cltt, other.key) > (present.cltt, present.key))
 ORDER BY key
 LIMIT ?
"""
"""Of several leases of one client in a subnet only the youngest, as SCAN in kea/sql/leases.py."""

Known = Tuple[str, Optional[Lease]]
"""The key of a lease, and the lease; None if it was deleted."""


class Ledger:
    """Two tables. ``seen``: the trace of each lease that was delivered. ``present``: all leases while they are read.

    All methods raise TemporaryError: the disk may be full.
    """

    def __init__(self) -> None:
        """Create an empty ledger."""
        self._tables = Scratch("the table of known leases", _TABLES)

    def trace(self, key: str) -> Optional[changes.Trace]:
        """Return the trace of a lease that was delivered; None if it was not, or was deleted since."""
        for holder, details, held, expires in self._tables.rows(_TRACE, key):
            return changes.Trace(holder, details, bool(held), expires)
        return None

    def learn(self, traces: Dict[str, Optional[changes.Trace]]) -> None:
        """Store the traces of delivered leases; None removes one."""
        gone = [(key,) for key, trace in traces.items() if trace is None]
        known = [(key, *trace) for key, trace in traces.items() if trace is not None]
        if gone:
            self._tables.many("DELETE FROM seen WHERE key = ?", gone)
        if known:
            self._tables.many("INSERT OR REPLACE INTO seen VALUES (?, ?, ?, ?, ?)", known)

    def unlearn(self) -> None:
        """Remove all traces."""
        self._tables.rows("DELETE FROM seen")

    def begin(self) -> None:
        """Begin to read all leases: empty ``present``."""
        self._tables.rows("DROP INDEX IF EXISTS present_by_client")
        self._tables.rows("DELETE FROM present")

    def put(self, known: Iterable[Known]) -> None:
        """Add leases to ``present``, in the order in which they were written: the last one of a key counts."""
        self._tables.many("INSERT OR REPLACE INTO present VALUES (?, ?, ?, ?, ?)", map(_record, known))

    def finish(self) -> None:
        """Finish reading all leases: drop the traces of leases that are gone, and prepare ``portion``."""
        self._tables.rows("CREATE INDEX present_by_client ON present (client, cltt, key)")
        self._tables.rows("DELETE FROM seen WHERE key NOT IN (SELECT key FROM present WHERE lease IS NOT NULL)")

    def between(self, after: str, last: str) -> Dict[str, Lease]:
        """Return the leases in ``present`` after one key and up to another."""
        rows = self._tables.rows("SELECT key, lease FROM present WHERE key > ? AND key <= ?", after, last)
        return {str(key): _lease(blob) for key, blob in rows if blob is not None}

    def lease(self, key: str) -> Optional[Lease]:
        """Return a lease in ``present``."""
        for (blob,) in self._tables.rows("SELECT lease FROM present WHERE key = ?", key):
            return _lease(blob) if blob is not None else None
        return None

    def portion(self, after: str, limit: int) -> List[Tuple[str, Lease]]:
        """Return up to ``limit`` leases in ``present`` with their keys, in order, after a key."""
        return [(str(key), _lease(blob)) for key, blob in self._tables.rows(_PORTION, after, limit)]

    def close(self) -> None:
        """Forget everything."""
        self._tables.close()


def _record(known: Known) -> Tuple[object, ...]:
    key, lease = known
    if lease is None:
        return key, None, False, None, None
    identity = identifiers.client(lease)
    client = hash(identity) if identity else None
    held = changes.trace(lease).held
    fields = [int(field) if isinstance(field, LeaseState) else field for field in lease]
    return key, client, held, lease.cltt, marshal.dumps(fields)


def _lease(blob: bytes) -> Lease:
    # Written by _record, in a file that no other process can open.
    lease = Lease(*marshal.loads(blob))  # noqa: S302 # nosec B302
    return lease._replace(state=LeaseState(lease.state))
