# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Statements that read ``lease4``, ``lease6`` and the event table, and the leases in their rows.

Facts: kea-facts 1.2 and 2, DESIGN 4. All leases are read table by table, in the order of identifiers.ordinal.
"""

from __future__ import annotations

from typing import Any, Collection, Dict, List, Optional, Sequence, Tuple

from _kea import lifetime
from _kea.identifiers import spell

from kea_lease_monitor.kea import changes, identifiers
from kea_lease_monitor.lease import Lease, LeaseEvent, LeaseState

Row = Tuple[Any, ...]

READABLE6 = "SELECT coalesce(has_table_privilege(to_regclass('lease6'), 'SELECT'), false)"
"""Whether this role may read DHCPv6 leases."""

_IDENTIFIERS = {4: "hwaddr, client_id, NULL, 0, 0, 0", 6: "hwaddr, NULL, duid, iaid, lease_type, prefix_len"}
_REST = f"valid_lifetime, {lifetime.sql_expire('expire')}, subnet_id, hostname, state, user_context"
_COLUMNS = {
    4: f"address, {_IDENTIFIERS[4]}, {_REST}, 0",
    6: f"host(address::inet), {_IDENTIFIERS[6]}, {_REST}, coalesce(hwaddr_source, 0)",
}

_AFTER = {4: "address > %(address)s - '0.0.0.0'::inet", 6: "address::inet > %(address)s"}
_ORDER = {4: "address", 6: "address::inet"}
"""lease6.address is varchar up to schema 17.0. Its index sorts texts and not addresses, so there each portion reads
through the whole table."""

_CLIENT = {
    4: ("coalesce(hwaddr, '') = ''", "other.hwaddr = lease4.hwaddr AND other.subnet_id = lease4.subnet_id"),
    6: (
        "coalesce(duid, '') IN ('', '\\x00', '\\x000000')",
        "other.duid = lease6.duid AND other.iaid = lease6.iaid AND other.subnet_id = lease6.subnet_id"
        " AND other.lease_type = lease6.lease_type",
    ),
}
"""Whether the client of a lease is unknown, and whether another lease is of the same client: as identifiers.client."""

IN_PORTIONS = """
SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; SET LOCAL enable_sort = off;
"""
"""Settings for one statement that reads a table in portions by its key. Without them the planner would read and sort
the rest of the table for each portion, if the table was just filled and has no statistics yet."""

_SCAN = """
SELECT {columns}
  FROM {leases}
 WHERE {after}
   AND ({unknown} OR (
           SELECT true FROM {leases} AS other
            WHERE {same}
              AND other.state = 0 AND {readable}
              AND ({cltt_of_other}, other.address)
                > ({cltt}, {leases}.address)
            LIMIT 1) IS NULL)
 ORDER BY {order}
 LIMIT %(limit)s
"""
"""All leases; of several leases of one client in a subnet only the one whose client Kea heard of last. The other leases
are looked up lease by lease: for NOT EXISTS the planner would read all of a table without statistics, for each
portion. A row that Kea cannot read must not hide another lease of its client."""

_POLL = """
WITH now AS MATERIALIZED (SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS xmax)
SELECT {columns}
  FROM {leases}, now,
       LATERAL (SELECT now.xmax - ((now.xmax - {leases}.xmin::text::bigint) & {mask}) AS xid) AS writer
 WHERE {after}
   AND (%(everything)s OR writer.xid >= %(xmax)s OR writer.xid = ANY (%(xip)s::bigint[]))
 ORDER BY {order}
 LIMIT %(limit)s
"""
"""Leases written by transactions that the snapshot of the position does not show. The times of a lease cannot tell
that: they are in whole seconds by Kea's clock, and a change of the state leaves them alone (kea-facts 2). ``xmin``
has 32 bits of the transaction's number, and what this statement sees is older than its own snapshot. A row written
more than four thousand million transactions ago may therefore be returned again."""

_EVENTS = """
WITH now AS MATERIALIZED (
    SELECT coalesce(%(target)s::pg_snapshot, pg_current_snapshot()) AS target,
           extract(epoch FROM clock_timestamp())::float8 AS taken_at
)
SELECT now.target::text, taken_at, xid::text::bigint, id, extract(epoch FROM recorded_at)::float8, op,
       host(address), {identifiers}, {rest}, {source},
       old_hwaddr, old_client_id, {old}, old_valid_lifetime, {old_expire}, old_subnet_id, old_hostname, old_state
  FROM now
  LEFT JOIN ({newer} UNION ALL {late}) AS found ON true
 ORDER BY found.xid, found.id
 LIMIT %(limit)s
"""
_EVENTS_OF = """(
    SELECT *
      FROM {schema}.lease_event AS event
     WHERE {unseen}
       AND family(address) = ANY (%(families)s::int[])
       AND pg_visible_in_snapshot(xid, (SELECT target FROM now))
       AND (xid, id) > (%(xid)s::xid8, %(id)s)
     ORDER BY event.xid, event.id
     LIMIT %(limit)s)
"""
"""``unseen``: not visible in the snapshot of the position. The two halves of that are separate selects, so that each is
read in the order of the primary key and up to the limit only, however many rows wait. Without a ``target`` the target
is the statement's own snapshot. It stands in each row, and in one row without an event if there are no events: so one
statement begins a pass."""

_EVENT_IDENTIFIERS = {
    4: (_IDENTIFIERS[4], "NULL, 0, 0, 0"),
    6: ("hwaddr, client_id, duid, iaid, lease_type, prefix_len", "old_duid, old_iaid, 0, 0"),
}

_EVENT_SOURCE = {
    4: "0",
    6: """coalesce((SELECT present.hwaddr_source
                    FROM lease6 AS present
                   WHERE (present.duid, present.iaid, present.subnet_id) = (found.duid, found.iaid, found.subnet_id)
                     AND present.address::inet = found.address AND present.hwaddr = found.hwaddr
                   LIMIT 1), 0)""",
}
"""Where Kea found the hardware address of an event's lease: as the lease says now, if it still is of that client. An
event does not hold it. Up to schema 17.0 only the index by client serves, see _ORDER."""


def _of(template: str, family: int) -> str:
    unknown, same = _CLIENT[family]
    return template.format(
        columns=_COLUMNS[family],
        leases=f"lease{family}",
        mask=2**32 - 1,
        after=_AFTER[family],
        order=_ORDER[family],
        unknown=unknown,
        same=same,
        readable=f"other.valid_lifetime BETWEEN 1 AND {lifetime.INFINITE} AND isfinite(other.expire)",
        cltt=lifetime.sql_cltt(f"lease{family}"),
        cltt_of_other=lifetime.sql_cltt("other"),
    )


SCAN: Dict[int, str] = {family: _of(_SCAN, family) for family in (4, 6)}
POLL: Dict[int, str] = {family: _of(_POLL, family) for family in (4, 6)}


def events(families: Collection[int]) -> str:
    """Return the statement that reads events: a template with ``{schema}``.

    Without family 6 it names no DHCPv6 columns, which the event table of release 1.0.0 lacks.
    """
    now, old = _EVENT_IDENTIFIERS[max(families)]
    source = _EVENT_SOURCE[max(families)]
    newer = _EVENTS_OF.replace("{unseen}", "xid >= %(xmax)s::xid8")
    late = _EVENTS_OF.replace("{unseen}", "xid = ANY (%(xip)s::xid8[])")
    statement = _EVENTS.replace("{newer}", newer).replace("{late}", late)
    return (
        statement.replace("{identifiers}", now)
        .replace("{old}", old)
        .replace("{rest}", _REST)
        .replace("{source}", source)
        .replace("{old_expire}", lifetime.sql_expire("old_expire"))
    )


def events_of(rows: Sequence[Row]) -> Tuple[str, float, List[Row]]:
    """Split the result of ``events``: the target snapshot, its time in epoch seconds, and the rows for event_of.

    The time is that of the snapshot only if the statement took it itself.
    """
    return rows[0][0], rows[0][1], [row[2:] for row in rows if row[2] is not None]


def table_after(ordinal: int, families: Collection[int]) -> int:
    """Return the family of the table that is read next after an ordinal: all of lease4 comes before lease6."""
    return 4 if 4 in families and (ordinal < identifiers.LAST4 or 6 not in families) else 6


def end_of(rows: Sequence[Row], limit: int, ordinal: int, families: Collection[int]) -> Optional[int]:
    """Return the ordinal after which the next portion begins; None after the last table.

    ``rows`` is the portion that began after ``ordinal``.
    """
    last = rows[-1][0] if len(rows) == limit else None
    if isinstance(last, str):
        return identifiers.ordinal(last)
    if last is not None and last < identifiers.LAST4:
        return int(last)
    return identifiers.LAST4 if table_after(ordinal, families) == 4 and 6 in families else None


def event_of(row: Row) -> LeaseEvent:
    """Return the event in a row of events_of. Raises ValueError for values that no lease has."""
    xid, number, recorded_at, operation = row[:4]
    lease = _deleted(row[4:18]) if operation == "D" else lease_of(row[4:18])
    previous = _previous(lease, row[18:29]) if operation == "U" else None
    kind = changes.of_record(operation, previous, lease)
    return LeaseEvent(kind, lease, f"{xid}.{number}", recorded_at)


def _deleted(row: Row) -> Lease:
    """Return a lease that is gone. Its times do not matter, so it is returned even if Kea could not read them."""
    try:
        return lease_of(row)
    except ValueError:
        return lease_of((*row[:7], 0, 0, *row[9:]))


def _previous(lease: Lease, old: Sequence[Any]) -> Optional[changes.Trace]:
    """Return the trace of the row that an update replaced; None if that was no lease that Kea can read."""
    fields = [lease.address, *old, None, lease.hwaddr_source]
    if fields[9] is None:
        # A row that is older than this column does not say whether the subnet changed.
        fields[9] = lease.subnet_id
    try:
        return changes.trace(lease_of(tuple(fields)))
    except ValueError:
        return None


def lease_of(row: Row) -> Lease:
    """Return the lease in a row of a lease table. Raises ValueError, which names the address.

    Kea's tables hold absent values as NULL and as empty (kea-facts 1.2).
    """
    key, hwaddr, client_id, duid, iaid, lease_type, prefix_len, valid, expire, *rest = row
    subnet_id, name, state, context, source = rest
    address = _dotted(key) if isinstance(key, int) else key
    try:
        cltt, expires = lifetime.bounded(*lifetime.of_record(expire, valid))
        if subnet_id is None:
            raise ValueError("subnet_id is NULL, so that Kea cannot read the row")
    except ValueError as error:
        raise ValueError(f"{address}: {error}") from None
    return Lease(
        family=6 if ":" in address else 4,
        address=address,
        subnet_id=subnet_id,
        hwaddr=spell(hwaddr or b""),
        client_id=spell(client_id or b""),
        hostname=name or "",
        cltt=cltt,
        valid_lifetime=valid,
        expires=expires,
        state=LeaseState(state or 0),
        user_context=context or "",
        duid=identifiers.duid(bytes(duid or b"")),
        # Kea stores the 32 bits in a signed column.
        iaid=(iaid or 0) & 0xFFFFFFFF,
        lease_type=lease_type or 0,
        prefix_len=prefix_len or 0,
        hwaddr_source=source,
    )


def _dotted(number: int) -> str:
    if not 0 <= number <= identifiers.LAST4:
        raise ValueError(f"{number} is no IPv4 address")
    return identifiers.dotted(number)
