# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Statements about the server, the triggers and the event table that these fill. Facts: DESIGN 4."""

from __future__ import annotations

IDENTITY = """
SELECT system_identifier::text || '/' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)
  FROM pg_control_system()
"""
"""The cluster and its timeline. After a failover that lost commits, transaction numbers are used a second time."""

SNAPSHOT = "SELECT pg_current_snapshot()::text, extract(epoch FROM clock_timestamp())::float8"

RUNNING = """
SELECT transactionid::text::bigint FROM pg_locks WHERE locktype = 'transactionid' AND mode = 'ExclusiveLock' AND granted
"""
"""The running transactions. Each that has a number holds this lock until all sessions see its result
(ProcArrayEndTransaction comes first)."""

OLDEST = """
SELECT transactionid::text::bigint, pid
  FROM pg_locks
 WHERE locktype = 'transactionid' AND mode = 'ExclusiveLock' AND granted AND pid <> pg_backend_pid()
 ORDER BY age(transactionid) DESC
 LIMIT 1
"""
"""The oldest running transaction, which holds the horizon. Every role may see these locks, but not the start time of
another role's transaction."""

WAITING = "SELECT count(*) FROM {schema}.lease_event WHERE NOT pg_visible_in_snapshot(xid, %(seen)s::pg_snapshot)"

HAS_EVENTS = "SELECT to_regclass('{schema}.lease_event') IS NOT NULL"

NOTHING_PRUNED = "SELECT EXISTS (SELECT FROM {schema}.lease_event WHERE xid < %(xmin)s::xid8)"
"""Whether a row that is older than the position still exists. Rows are pruned oldest first, so then no later one is
gone."""

SINCE_RESTART = """
SELECT (SELECT xid::text::bigint FROM {schema}.lease_event
         WHERE recorded_at > to_timestamp(%(since)s)
         ORDER BY xid, id
         LIMIT 1)
 WHERE pg_postmaster_start_time() > to_timestamp(%(taken_at)s)
"""
"""One row if the server was started after the position was taken: the first transaction since ``since``, or NULL."""

RESTARTED = "SELECT pg_postmaster_start_time() > to_timestamp(%(taken_at)s)"
"""Whether transaction numbers may have been used again since ``taken_at``, because the server crashed."""

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
"""Only the oldest rows are read. Otherwise each run would read all rows of the past hour, which are kept."""

CUT = """
SELECT (xid::text::bigint + 1)::text
  FROM {schema}.lease_event
 WHERE recorded_at < clock_timestamp() - make_interval(secs => %(age)s)
 ORDER BY xid DESC, id DESC
OFFSET %(rows)s
 LIMIT 1
"""
"""The first transaction to keep: all rows of older ones exceed ``rows``, whether they were read or not."""

QUEUE_USAGE = "SELECT pg_notification_queue_usage()"

HEALTH = """
WITH watched AS (
    SELECT family, to_regclass('lease' || family) AS leases FROM unnest(%(families)s::int[]) AS family
), triggers AS (
    SELECT family, coalesce(string_agg(concat_ws(':', own.oid, own.xmin, tgenabled), ',' ORDER BY own.oid), '-')
               AS state,
           coalesce(bool_and(tgenabled IN ('O', 'A')) AND bit_or(tgtype) & 28 = 28, false) AS work,
           family = 4 OR %(named)s OR count(own.oid) > 0 AND has_table_privilege(leases, 'SELECT') AS followed,
           count(own.oid) > 0 AS told
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
       (SELECT string_agg(family || '=' || state, ' ' ORDER BY family) FILTER (WHERE followed),
               bool_and(work) FILTER (WHERE followed), array_agg(family ORDER BY family) FILTER (WHERE followed),
               bool_or(told AND NOT followed)
          FROM triggers) AS summed
"""
"""The usage of the notification queue, the number of lost events, the age of the horizon, and the triggers: their
state, whether they record every change (bits 4, 8 and 16 of tgtype: INSERT, DELETE, UPDATE), the followed
families, and whether there are leases with events that this role may not read.

Reading the usage is also the only thing that empties a queue that was full (measurements, finding 2). Disabling and
enabling a trigger rewrites its row (xmin), so its state shows both, even if no reader looked in between. DHCPv6
leases are followed if the subscription names them, or if their table has a trigger and this role may read it.
"""
