# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows of ``lease4``, of ``lease6`` and of the event table: how they are asked for, and what they say.

Facts: kea-facts 1.2 and 2, DESIGN 4. All leases are read table by table, in the order of identifiers.ordinal.
"""

from __future__ import annotations

from typing import Any, Collection, Dict, List, Optional, Sequence, Tuple

from kea_lease_monitor.kea import changes, identifiers, lifetime
from kea_lease_monitor.lease import Lease, LeaseEvent, LeaseState

Row = Tuple[Any, ...]

READABLE6 = "SELECT coalesce(has_table_privilege(to_regclass('lease6'), 'SELECT'), false)"

_IDENTIFIERS = {4: "hwaddr, client_id, NULL, 0, 0, 0", 6: "hwaddr, NULL, duid, iaid, lease_type, prefix_len"}
_REST = "valid_lifetime, floor(extract(epoch FROM expire))::bigint, subnet_id, hostname, state, user_context"
_COLUMNS = {4: f"address, {_IDENTIFIERS[4]}, {_REST}", 6: f"host(address::inet), {_IDENTIFIERS[6]}, {_REST}"}

_BEHIND = {4: "address > %(address)s - '0.0.0.0'::inet", 6: "address::inet > %(address)s"}
_ORDER = {4: "address", 6: "address::inet"}
"""lease6.address is varchar up to schema 17.0 and sorts as a text there, which would be no order of addresses; so that
schema's index is of no use, and each portion costs a look through the table."""

_CLIENT = {
    4: ("coalesce(hwaddr, '') = ''", "other.hwaddr = lease4.hwaddr AND other.subnet_id = lease4.subnet_id"),
    6: (
        "coalesce(duid, '') IN ('', '\\x00', '\\x000000')",
        "other.duid = lease6.duid AND other.iaid = lease6.iaid AND other.subnet_id = lease6.subnet_id"
        " AND other.lease_type = lease6.lease_type",
    ),
}
"""When nobody knows whose lease it is, and whether two leases are of the same client, as in identifiers.client."""

IN_PORTIONS = """
SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; SET LOCAL enable_sort = off;
"""
"""Before a statement that reads a table in portions, by its key, and for that one only: of a table that was just filled
and that nobody has analyzed yet, the planner would read and sort all the rest for each portion."""

_SCAN = """
SELECT {columns}
  FROM {leases}
 WHERE {behind}
   AND ({unknown} OR (
           SELECT true FROM {leases} AS other
            WHERE {same}
              AND other.state = 0 AND other.valid_lifetime > 0
              AND (coalesce(other.expire - make_interval(secs => nullif(other.valid_lifetime, %(infinite)s)),
                            other.expire), other.address)
                > (coalesce({leases}.expire - make_interval(secs => nullif({leases}.valid_lifetime, %(infinite)s)),
                            {leases}.expire), {leases}.address)
            LIMIT 1) IS NULL)
 ORDER BY {order}
 LIMIT %(limit)s
"""
"""Of several leases of one client in a subnet the youngest one only, by the time when Kea last heard of it; for an
infinite lease Kea stores just that (kea-facts 2). Written so that the others are looked up lease by lease: what the
planner would make of NOT EXISTS reads all of a table that nobody has analyzed yet, for each portion."""

_POLL = """
WITH now AS MATERIALIZED (SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS xmax)
SELECT {columns}
  FROM {leases}, now,
       LATERAL (SELECT now.xmax - ((now.xmax - {leases}.xmin::text::bigint) & {mask}) AS xid) AS writer
 WHERE {behind}
   AND (%(everything)s OR writer.xid >= %(xmax)s OR writer.xid = ANY (%(xip)s::bigint[]))
 ORDER BY {order}
 LIMIT %(limit)s
"""
"""Leases that some transaction wrote that the snapshot already taken does not show. Not by their time: cltt is
``expire - valid_lifetime`` only of leases that end, has whole seconds, is Kea's clock and says nothing of a state that
changed (kea-facts 2). ``xmin`` has 32 bits of the number, and whatever this statement sees is younger than its own
snapshot; a row of more than four thousand million transactions ago may come once more."""

_EVENTS = """
WITH now AS MATERIALIZED (
    SELECT coalesce(%(target)s::pg_snapshot, pg_current_snapshot()) AS target,
           extract(epoch FROM clock_timestamp())::float8 AS taken_at
)
SELECT now.target::text, taken_at, xid::text::bigint, id, extract(epoch FROM recorded_at)::float8, op,
       host(address), {identifiers}, {rest},
       old_hwaddr, old_client_id, {old}, old_valid_lifetime, floor(extract(epoch FROM old_expire))::bigint,
       old_subnet_id, old_hostname, old_state
  FROM now
  LEFT JOIN ({behind} UNION ALL {late}) AS found ON true
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
"""``unseen``: not visible in the snapshot already taken. Its two halves apart, so that each is read in the order of the
primary key and no further than to the limit, however long a transaction takes and however many rows wait. Without a
``target``, it is the statement's own snapshot, told in each row and in one that has nothing else where there is none:
so a pass that begins costs one question."""

_EVENT_IDENTIFIERS = {
    4: (_IDENTIFIERS[4], "NULL, 0, 0, 0"),
    6: ("hwaddr, client_id, duid, iaid, lease_type, prefix_len", "old_duid, old_iaid, 0, 0"),
}


def _of(template: str, family: int) -> str:
    unknown, same = _CLIENT[family]
    return template.format(
        columns=_COLUMNS[family],
        leases=f"lease{family}",
        mask=2**32 - 1,
        behind=_BEHIND[family],
        order=_ORDER[family],
        unknown=unknown,
        same=same,
    )


SCAN: Dict[int, str] = {family: _of(_SCAN, family) for family in (4, 6)}
POLL: Dict[int, str] = {family: _of(_POLL, family) for family in (4, 6)}


def events(families: Collection[int]) -> str:
    """A template with ``{schema}``. The event table of release 1.0.0 has no columns for DHCPv6."""
    now, old = _EVENT_IDENTIFIERS[max(families)]
    behind = _EVENTS_OF.replace("{unseen}", "xid >= %(xmax)s::xid8")
    late = _EVENTS_OF.replace("{unseen}", "xid = ANY (%(xip)s::xid8[])")
    statement = _EVENTS.replace("{behind}", behind).replace("{late}", late)
    return statement.replace("{identifiers}", now).replace("{old}", old).replace("{rest}", _REST)


def events_of(rows: Sequence[Row]) -> Tuple[str, float, List[Row]]:
    """The snapshot that was looked at, when it was taken if it is the statement's own, and the rows for event_of."""
    return rows[0][0], rows[0][1], [row[2:] for row in rows if row[2] is not None]


def table_behind(place: int, families: Collection[int]) -> int:
    """The family of the table that comes next behind an ordinal; all of lease4 comes before lease6."""
    return 4 if 4 in families and (place < identifiers.LAST4 or 6 not in families) else 6


def end_of(rows: Sequence[Row], limit: int, place: int, families: Collection[int]) -> Optional[int]:
    """The ordinal behind which the next portion begins; None behind the last table. ``place`` is where this began."""
    if len(rows) == limit:
        last = rows[-1][0]
        return min(last, identifiers.LAST4) if isinstance(last, int) else identifiers.ordinal(last)
    return identifiers.LAST4 if table_behind(place, families) == 4 and 6 in families else None


def event_of(row: Row) -> LeaseEvent:
    """A row of events(). Raises ValueError for values that no lease has."""
    xid, number, recorded_at, operation = row[:4]
    lease = lease_of(row[4:17])
    previous: Optional[changes.Trace] = None
    if operation == "U":
        old = [lease.address, *row[17:28], None]
        if old[9] is None:
            # A row from before the table had this column says nothing of a change.
            old[9] = lease.subnet_id
        previous = changes.trace(lease_of(tuple(old)))
    kind = changes.of_record(operation, previous, lease)
    return LeaseEvent(kind, lease, f"{xid}.{number}", recorded_at)


def lease_of(row: Row) -> Lease:
    """A row of a lease table. Absent values are empty as well as NULL in Kea's tables (kea-facts 1.2).

    Raises ValueError.
    """
    place, hwaddr, client_id, duid, iaid, lease_type, prefix_len, lifetime_, expire, subnet_id, name, state, said = row
    address = _dotted(place) if isinstance(place, int) else place
    cltt, expires = lifetime.of_record(expire or 0, lifetime_ or 0)
    return Lease(
        family=6 if ":" in address else 4,
        address=address,
        subnet_id=subnet_id or 0,
        hwaddr=identifiers.colons(hwaddr or b""),
        client_id=identifiers.colons(client_id or b""),
        hostname=name or "",
        cltt=cltt,
        valid_lifetime=lifetime_ or 0,
        expires=expires,
        state=LeaseState(state or 0),
        user_context=said or "",
        duid=identifiers.duid(bytes(duid or b"")),
        # Kea stores the 32 bits in a column that has a sign.
        iaid=(iaid or 0) & 0xFFFFFFFF,
        lease_type=lease_type or 0,
        prefix_len=prefix_len or 0,
    )


def _dotted(place: int) -> str:
    if not 0 <= place <= identifiers.LAST4:
        raise ValueError(f"{place} is no IPv4 address")
    return identifiers.dotted(place)
