# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The statements that make reservations in Kea's table ``hosts`` and beside it. Facts: kea-facts 1.2-1.4."""

from __future__ import annotations

from kea_lease_monitor.kea import reservations
from kea_lease_monitor.kea.sql import mark

RESERVE = mark.filled("""
WITH given AS MATERIALIZED (
    SELECT ordinal, decode(identifier, 'hex') AS identifier, subnet_id, address, nullif(hostname, '') AS hostname
      FROM unnest(%(identifiers)s::text[], %(subnets)s::bigint[], %(addresses)s::bigint[], %(hostnames)s::text[])
           WITH ORDINALITY AS g (identifier, subnet_id, address, hostname, ordinal)
), met AS MATERIALIZED (
    SELECT given.*, own.host_id, nullif(own.ipv4_address, 0) AS present, own.hostname AS present_name, own.user_context,
           {mark_of_own} AS mark,
           (SELECT encode(other.dhcp_identifier, 'hex')
              FROM hosts AS other
             WHERE other.ipv4_address = given.address AND other.dhcp4_subnet_id = given.subnet_id
               AND (other.dhcp_identifier, other.dhcp_identifier_type) <> (given.identifier, %(type)s)
             LIMIT 1) AS holder
      FROM given
      LEFT JOIN LATERAL (
           SELECT *
             FROM hosts
            WHERE dhcp_identifier = given.identifier AND dhcp_identifier_type + 0 = %(type)s
              AND dhcp4_subnet_id = given.subnet_id
            LIMIT 1) AS own ON true
), compared AS MATERIALIZED (
    SELECT met.*, (met.mark ->> 'ip-address')::inet - '0.0.0.0' AS marked,
           {name_is_ours} AS name_is_ours
      FROM met
), judged AS MATERIALIZED (
    SELECT compared.*,
           CASE WHEN present = address AND name_is_ours AND hostname <> coalesce(present_name, '') THEN 'updated'
                WHEN present = address OR marked = address AND present IS DISTINCT FROM marked THEN 'unchanged'
                WHEN host_id IS NOT NULL AND present IS DISTINCT FROM marked THEN 'edited'
                WHEN holder IS NOT NULL THEN 'conflict'
                WHEN host_id IS NULL THEN 'created'
                ELSE 'updated' END AS verdict,
           {new_name} AS new_name,
           jsonb_build_object('ip-address', host('0.0.0.0'::inet + address)) AS new_mark
      FROM compared
), moved AS (
    UPDATE hosts
       SET ipv4_address = judged.address, {changed}
      FROM judged
     WHERE hosts.host_id = judged.host_id AND judged.verdict = 'updated'
       AND nullif(hosts.ipv4_address, 0) IS NOT DISTINCT FROM judged.present
       AND (hosts.hostname, hosts.user_context) IS NOT DISTINCT FROM (judged.present_name, judged.user_context)
    RETURNING judged.ordinal
), made AS (
    INSERT INTO hosts (dhcp_identifier, dhcp_identifier_type, dhcp4_subnet_id, ipv4_address, hostname, user_context)
    SELECT identifier, %(type)s, subnet_id, address, hostname,
           {first_context}
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
""")
"""One statement for a batch, judged as reservations.verdict does: what is right already is not touched, what exists is
updated (an UPSERT would burn a value of the 32-bit hosts_host_id_seq), what is missing is inserted. ON CONFLICT, which
without a target minds Kea's partial indexes of every schema and a full UNIQUE constraint alike, and the comparison of
the whole row before an update are left for the case that somebody else writes the same row at the same moment; that
is 'again'. The database does not stop two reservations of one address (plain index since schema 6.2), so ``holder``
looks. LIMIT 1 has the planner look hosts up one by one, and + 0 has it do so by the identifier and not by its type:
else it would read all of a table that nobody has analyzed yet, for each batch or even for each lease."""

EXCHANGE = mark.filled("""
WITH given AS MATERIALIZED (
    SELECT decode(identifier, 'hex') AS identifier, subnet_id, address, nullif(hostname, '') AS hostname
      FROM unnest(%(identifiers)s::text[], %(subnets)s::bigint[], %(addresses)s::bigint[], %(hostnames)s::text[])
           AS g (identifier, subnet_id, address, hostname)
), met AS MATERIALIZED (
    SELECT given.address, given.subnet_id, given.hostname, own.host_id, own.ipv4_address AS present,
           own.hostname AS present_name, own.user_context, {mark_of_own} AS mark
      FROM given
      JOIN hosts AS own ON own.dhcp_identifier = given.identifier AND own.dhcp_identifier_type + 0 = %(type)s
                       AND own.dhcp4_subnet_id = given.subnet_id
     ORDER BY own.host_id
       FOR UPDATE OF own
), compared AS MATERIALIZED (
    SELECT met.*, {name_is_ours} AS name_is_ours
      FROM met
), judged AS MATERIALIZED (
    SELECT compared.*, {new_name} AS new_name,
           jsonb_build_object('ip-address', host('0.0.0.0'::inet + address)) AS new_mark
      FROM compared
)
UPDATE hosts
   SET ipv4_address = judged.address, {changed}
  FROM judged
 WHERE hosts.host_id = judged.host_id
   AND (SELECT count(*) = cardinality(%(addresses)s::bigint[])
               AND bool_and(present = (mark ->> 'ip-address')::inet - '0.0.0.0')
               AND array_agg(present ORDER BY present) = array_agg(address ORDER BY address)
          FROM met)
   AND NOT EXISTS (SELECT FROM met
                     JOIN hosts AS other ON other.ipv4_address = met.address AND other.dhcp4_subnet_id = met.subnet_id
                    WHERE other.host_id NOT IN (SELECT host_id FROM met))
RETURNING judged.host_id
""")
"""All of these reservations or none: they have each other's addresses as we gave them, and nobody else has one.
What somebody else changes at this moment is waited for, and then seen."""

ADOPT = """
UPDATE hosts
   SET user_context = jsonb_build_object('{mark}', jsonb_strip_nulls(jsonb_build_object(
           'ip-address', host('0.0.0.0'::inet + ipv4_address), 'hostname', nullif(hosts.hostname, ''))))::text
  FROM unnest(%(identifiers)s::text[], %(subnets)s::bigint[], %(addresses)s::bigint[], %(hostnames)s::text[])
       WITH ORDINALITY AS lease (identifier, subnet_id, address, hostname, ordinal)
 WHERE dhcp_identifier = decode(lease.identifier, 'hex') AND dhcp_identifier_type + 0 = %(type)s
   AND dhcp4_subnet_id = lease.subnet_id AND ipv4_address = lease.address
   AND coalesce(hosts.hostname, '') IN ('', lease.hostname)
   AND coalesce(user_context, '') = '' AND dhcp6_subnet_id IS NULL
   AND coalesce(dhcp4_client_classes, '') = '' AND coalesce(dhcp6_client_classes, '') = ''
   AND coalesce(dhcp4_next_server, 0) = 0 AND coalesce(dhcp4_server_hostname, '') = ''
   AND coalesce(dhcp4_boot_file_name, '') = '' AND coalesce(auth_key, '') = ''
RETURNING lease.ordinal
""".replace("{mark}", reservations.MARK)
"""Marks the rows that have nothing but what release 1.0.0 gave them, and say what the lease says. Options of a host are
in tables that we may not read; to a host that has some, they stay."""

HOST_IDS = """
SELECT coalesce(last_value, 0)::float8 / max_value
  FROM pg_sequences
 WHERE format('%%I.%%I', schemaname, sequencename) = pg_get_serial_sequence('hosts', 'host_id')
"""
"""How much of the numbers for reservations is used up; a serial column ends at 2147483647."""
