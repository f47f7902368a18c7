# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of the server, of the trigger and of the event table that it fills. Facts: DESIGN 4."""

from __future__ import annotations

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

WAITING = "SELECT count(*) FROM {schema}.lease_event WHERE NOT pg_visible_in_snapshot(xid, %(seen)s::pg_snapshot)"

HAS_EVENTS = "SELECT to_regclass('{schema}.lease_event') IS NOT NULL"

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
WITH watched AS (
    SELECT family, to_regclass('lease' || family) AS leases FROM unnest(%(families)s::int[]) AS family
), triggers AS (
    SELECT family, coalesce(string_agg(concat_ws(':', own.oid, own.xmin, tgenabled), ',' ORDER BY own.oid), '-')
               AS state,
           coalesce(bool_and(tgenabled IN ('O', 'A')) AND bit_or(tgtype) & 28 = 28, false) AS work,
           family = 4 OR %(named)s OR count(own.oid) > 0 AND has_table_privilege(leases, 'SELECT') AS followed
      FROM watched
      LEFT JOIN pg_trigger AS own
        ON own.tgrelid = leases
       AND tgfoid IN (SELECT oid FROM pg_proc WHERE proname IN ('kea_lease_notify', 'kea_lease6_notify'))
     GROUP BY family, leases
)
SELECT pg_notification_queue_usage(),
       CASE WHEN lost.is_called THEN lost.last_value ELSE 0 END,
       (pg_snapshot_xmax(now)::text::bigint - pg_snapshot_xmin(now)::text::bigint),
       summed.*
  FROM {schema}.lease_event_lost AS lost, pg_current_snapshot() AS now,
       (SELECT string_agg(family || '=' || state, ' ' ORDER BY family), bool_and(work),
               array_agg(family ORDER BY family)
          FROM triggers
         WHERE followed) AS summed
"""
"""Asking for the usage also is what empties a queue that once was full; nothing else does (measurements, finding 2).
The row of a trigger is written anew (xmin) when it is disabled and when it is enabled, so its state tells both apart
from never having been touched, though nobody looked in between. Leases of DHCPv6 are followed where they are asked for
by name, or where somebody made them events that we may read."""
