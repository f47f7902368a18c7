# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every statement on Kea's tables and on the event table that our trigger fills. Facts: kea-facts 1.2-1.4, DESIGN 4."""

from __future__ import annotations

from typing import Any, Optional, Tuple

from kea_lease_monitor.kea import changes, identifiers, lifetime, reservations
from kea_lease_monitor.lease import Lease, LeaseEvent, LeaseState

IDENTITY = """
SELECT system_identifier::text || '/' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)
  FROM pg_control_system()
"""
"""The timeline too: after a failover that lost commits, transaction numbers are given out a second time."""

SNAPSHOT = "SELECT pg_current_snapshot()::text, extract(epoch FROM clock_timestamp())::float8"

RUNNING = """
SELECT transactionid::text::bigint FROM pg_locks WHERE locktype = 'transactionid' AND mode = 'ExclusiveLock' AND granted
"""
"""Every transaction with a number holds this lock until it can be seen by all (ProcArrayEndTransaction comes first)."""

OLDEST = """
SELECT transactionid::text::bigint, pid
  FROM pg_locks
 WHERE locktype = 'transactionid' AND mode = 'ExclusiveLock' AND granted AND pid <> pg_backend_pid()
 ORDER BY age(transactionid) DESC
 LIMIT 1
"""
"""The transaction that holds the horizon. Everybody may see these locks; how old it is only its owner may see."""

NOTHING_PRUNED = "SELECT EXISTS (SELECT FROM {schema}.lease_event WHERE xid < %(xmin)s::xid8)"
"""Rows are pruned from the oldest on, so while one from before the position stands, none behind it is gone."""

SINCE_RESTART = """
SELECT (SELECT xid::text::bigint FROM {schema}.lease_event
         WHERE recorded_at > to_timestamp(%(since)s)
         ORDER BY xid, id
         LIMIT 1)
 WHERE pg_postmaster_start_time() > to_timestamp(%(taken_at)s)
"""
"""One line if the server was started after the position was taken: the first of the youngest rows, or NULL."""

EVENTS = """
SELECT xid::text::bigint, id, extract(epoch FROM recorded_at)::float8, op,
       address - '0.0.0.0'::inet, hwaddr, client_id, valid_lifetime,
       floor(extract(epoch FROM expire))::bigint, subnet_id, hostname, state, user_context,
       old_hwaddr, old_client_id, old_hostname, old_valid_lifetime,
       floor(extract(epoch FROM old_expire))::bigint, old_state, old_subnet_id
  FROM {schema}.lease_event
 WHERE (xid >= %(xmax)s::xid8 OR xid = ANY (%(xip)s::xid8[]))
   AND family(address) = 4
   AND pg_visible_in_snapshot(xid, %(target)s::pg_snapshot)
   AND (xid, id) > (%(xid)s::xid8, %(id)s)
 ORDER BY xid, id
 LIMIT %(limit)s
"""
"""First line of the condition: not visible in the snapshot already taken, written so that the primary key serves it."""

SCAN = """
SELECT address, hwaddr, client_id, valid_lifetime, floor(extract(epoch FROM expire))::bigint, subnet_id, hostname,
       state, user_context
  FROM lease4
 WHERE address > %(address)s
   AND (coalesce(hwaddr, '') = '' OR NOT EXISTS (
           SELECT FROM lease4 AS other
            WHERE other.hwaddr = lease4.hwaddr AND other.subnet_id = lease4.subnet_id
              AND other.state = 0 AND other.valid_lifetime > 0
              AND (coalesce(other.expire - make_interval(secs => nullif(other.valid_lifetime, %(infinite)s)),
                            other.expire), other.address)
                > (coalesce(lease4.expire - make_interval(secs => nullif(lease4.valid_lifetime, %(infinite)s)),
                            lease4.expire), lease4.address)))
 ORDER BY address
 LIMIT %(limit)s
"""
"""Of several leases of one client in a subnet the youngest one only, by the time when Kea last heard of it; for an
infinite lease Kea stores just that (kea-facts 2).
"""

POLL = """
WITH now AS MATERIALIZED (SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS xmax)
SELECT address, hwaddr, client_id, valid_lifetime, floor(extract(epoch FROM expire))::bigint, subnet_id, hostname,
       state, user_context
  FROM lease4, now, LATERAL (SELECT now.xmax - ((now.xmax - lease4.xmin::text::bigint) & {mask}) AS xid) AS writer
 WHERE address > %(address)s
   AND (%(everything)s OR writer.xid >= %(xmax)s OR writer.xid = ANY (%(xip)s::bigint[]))
 ORDER BY address
 LIMIT %(limit)s
""".replace("{mask}", str(2**32 - 1))
"""Leases that some transaction wrote that the snapshot already taken does not show. Not by their time: cltt is
``expire - valid_lifetime`` only of leases that end, has whole seconds, is Kea's clock and says nothing of a state that
changed (kea-facts 2). ``xmin`` has 32 bits of the number, and whatever this statement sees is younger than its own
snapshot; a row of more than four thousand million transactions ago may come once more."""

RESTARTED = "SELECT pg_postmaster_start_time() > to_timestamp(%(taken_at)s)"
"""Whether a crash may have given out numbers of transactions again since."""

PRUNE = """
WITH gone AS (
    DELETE FROM {schema}.lease_event
     WHERE ctid = ANY (ARRAY(SELECT ctid
                               FROM (SELECT ctid, recorded_at FROM {schema}.lease_event
                                      WHERE xid < %(xmin)s::xid8
                                      ORDER BY xid, id LIMIT %(limit)s) AS oldest
                              WHERE recorded_at < clock_timestamp() - make_interval(secs => %(age)s)))
    RETURNING 1)
SELECT count(*) FROM gone
"""
"""Only the oldest are looked at, so that an hour of rows that are still kept is not read through each minute."""

CUT = """
SELECT (xid::text::bigint + 1)::text
  FROM {schema}.lease_event
 WHERE recorded_at < clock_timestamp() - make_interval(secs => %(age)s)
 ORDER BY xid DESC, id DESC
OFFSET %(rows)s
 LIMIT 1
"""
"""The transaction behind the youngest row that is one too many, whoever may still want it."""

QUEUE_USAGE = "SELECT pg_notification_queue_usage()"

HEALTH = """
SELECT pg_notification_queue_usage(),
       CASE WHEN lost.is_called THEN lost.last_value ELSE 0 END,
       (pg_snapshot_xmax(now)::text::bigint - pg_snapshot_xmin(now)::text::bigint),
       triggers.state, triggers.work
  FROM {schema}.lease_event_lost AS lost, pg_current_snapshot() AS now,
       (SELECT coalesce(string_agg(concat_ws(':', oid, xmin, tgenabled), ',' ORDER BY oid), '-') AS state,
               count(*) > 0 AND coalesce(bool_and(tgenabled IN ('O', 'A')), false) AS work
          FROM pg_trigger
         WHERE tgrelid = 'lease4'::regclass
           AND tgfoid IN (SELECT oid FROM pg_proc WHERE proname = 'kea_lease_notify')) AS triggers
"""
"""Asking for the usage also is what empties a queue that once was full; nothing else does (measurements, finding 2).
The row of a trigger is written anew (xmin) when it is disabled and when it is enabled, so its state tells both apart
from never having been touched, though nobody looked in between."""

RESERVE = """
WITH given AS MATERIALIZED (
    SELECT ordinal, decode(identifier, 'hex') AS identifier, subnet_id, address, nullif(hostname, '') AS hostname
      FROM unnest(%(identifiers)s::text[], %(subnets)s::bigint[], %(addresses)s::bigint[], %(hostnames)s::text[])
           WITH ORDINALITY AS g (identifier, subnet_id, address, hostname, ordinal)
), met AS MATERIALIZED (
    SELECT given.*, own.host_id, nullif(own.ipv4_address, 0) AS present, own.hostname AS present_name, own.user_context,
           CASE WHEN own.user_context LIKE '%%"{mark}"%%' THEN own.user_context::jsonb -> '{mark}' END AS mark,
           (SELECT encode(other.dhcp_identifier, 'hex')
              FROM hosts AS other
             WHERE other.ipv4_address = given.address AND other.dhcp4_subnet_id = given.subnet_id
               AND (other.dhcp_identifier, other.dhcp_identifier_type) <> (given.identifier, %(type)s)
             LIMIT 1) AS holder
      FROM given
      LEFT JOIN hosts AS own
        ON own.dhcp_identifier = given.identifier AND own.dhcp_identifier_type = %(type)s
       AND own.dhcp4_subnet_id = given.subnet_id
), compared AS MATERIALIZED (
    SELECT met.*, (met.mark ->> 'ip-address')::inet - '0.0.0.0' AS marked,
           met.mark IS NOT NULL AND met.present_name IS NOT DISTINCT FROM met.mark ->> 'hostname' AS name_is_ours
      FROM met
), judged AS MATERIALIZED (
    SELECT compared.*,
           CASE WHEN present = address AND name_is_ours AND hostname <> coalesce(present_name, '') THEN 'updated'
                WHEN present = address OR marked = address AND present IS DISTINCT FROM marked THEN 'unchanged'
                WHEN host_id IS NOT NULL AND present IS DISTINCT FROM marked THEN 'edited'
                WHEN holder IS NOT NULL THEN 'conflict'
                WHEN host_id IS NULL THEN 'created'
                ELSE 'updated' END AS verdict,
           CASE WHEN host_id IS NULL OR name_is_ours OR mark IS NULL AND present_name IS NULL
                THEN coalesce(hostname, present_name) ELSE present_name END AS new_name,
           jsonb_build_object('ip-address', host('0.0.0.0'::inet + address)) AS new_mark
      FROM compared
), moved AS (
    UPDATE hosts
       SET ipv4_address = judged.address, hostname = judged.new_name,
           user_context = (coalesce(nullif(judged.user_context, '')::jsonb, '{}') || jsonb_build_object('{mark}',
               new_mark || jsonb_strip_nulls(jsonb_build_object('hostname',
                   CASE WHEN name_is_ours OR mark IS NULL AND present_name IS NULL
                        THEN new_name ELSE mark ->> 'hostname' END))))::text
      FROM judged
     WHERE hosts.host_id = judged.host_id AND judged.verdict = 'updated'
       AND nullif(hosts.ipv4_address, 0) IS NOT DISTINCT FROM judged.present
       AND (hosts.hostname, hosts.user_context) IS NOT DISTINCT FROM (judged.present_name, judged.user_context)
    RETURNING judged.ordinal
), made AS (
    INSERT INTO hosts (dhcp_identifier, dhcp_identifier_type, dhcp4_subnet_id, ipv4_address, hostname, user_context)
    SELECT identifier, %(type)s, subnet_id, address, hostname,
           jsonb_build_object('{mark}',
               new_mark || jsonb_strip_nulls(jsonb_build_object('hostname', hostname)))::text
      FROM judged
     WHERE verdict = 'created'
        ON CONFLICT DO NOTHING
    RETURNING host_id, dhcp_identifier, dhcp4_subnet_id
)
SELECT CASE WHEN verdict = 'created' AND made.host_id IS NULL OR verdict = 'updated' AND moved.ordinal IS NULL
            THEN 'again' ELSE verdict END,
       CASE verdict WHEN 'conflict' THEN holder
                    WHEN 'edited' THEN coalesce(host('0.0.0.0'::inet + present), 'no address')
                    ELSE '' END,
       made.host_id
  FROM judged
  LEFT JOIN moved USING (ordinal)
  LEFT JOIN made ON made.dhcp_identifier = judged.identifier AND made.dhcp4_subnet_id = judged.subnet_id
 ORDER BY judged.ordinal
""".replace("{mark}", reservations.MARK)
"""One statement for a batch, judged as reservations.verdict does: what is right already is not touched, what exists is
updated (an UPSERT would burn a value of the 32-bit hosts_host_id_seq), what is missing is inserted. ON CONFLICT, which
without a target minds Kea's partial indexes of every schema and a full UNIQUE constraint alike, and the comparison of
the whole row before an update are left for the case that somebody else writes the same row at the same moment; that
is 'again'. The database does not stop two reservations of one address (plain index since schema 6.2), so ``holder``
looks."""

HOST_IDS = """
SELECT coalesce(last_value, 0)::float8 / max_value
  FROM pg_sequences
 WHERE format('%%I.%%I', schemaname, sequencename) = pg_get_serial_sequence('hosts', 'host_id')
"""
"""How much of the numbers for reservations is used up; a serial column ends at 2147483647."""


def event_of(row: Tuple[Any, ...]) -> LeaseEvent:
    """A row of EVENTS. Raises ValueError for values that no lease has."""
    xid, number, recorded_at, operation = row[:4]
    lease = lease_of(row[4:13])
    hwaddr, client_id, hostname, valid_lifetime, expire, state, subnet_id = row[13:]
    previous: Optional[changes.Trace] = None
    if operation == "U":
        # A row from before the table had this column says nothing of a change.
        subnet_id = lease.subnet_id if subnet_id is None else subnet_id
        old = (identifiers.number(lease.address), hwaddr, client_id, valid_lifetime, expire, subnet_id, hostname)
        previous = changes.trace(lease_of((*old, state, None)))
    kind = changes.of_record(operation, previous, lease)
    return LeaseEvent(kind, lease, f"{xid}.{number}", recorded_at)


def lease_of(row: Tuple[Any, ...]) -> Lease:
    """A row of SCAN. Absent values are empty as well as NULL in Kea's tables (kea-facts 1.2). Raises ValueError."""
    address, hwaddr, client_id, valid_lifetime, expire, subnet_id, hostname, state, user_context = row
    cltt, expires = lifetime.of_record(expire or 0, valid_lifetime or 0)
    if not 0 <= address < 2**32:
        raise ValueError(f"{address} is no IPv4 address")
    return Lease(
        family=4,
        address=identifiers.dotted(address),
        subnet_id=subnet_id or 0,
        hwaddr=identifiers.colons(hwaddr or b""),
        client_id=identifiers.colons(client_id or b""),
        hostname=hostname or "",
        cltt=cltt,
        valid_lifetime=valid_lifetime or 0,
        expires=expires,
        state=LeaseState(state or 0),
        user_context=user_context or "",
    )
