# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The statement that makes reservations of DHCPv6 leases: a row in ``hosts`` for each client of a subnet, by its DUID,
and one in ``ipv6_reservations`` for each of its addresses."""

from __future__ import annotations

from kea_lease_monitor.kea.sql import mark

CAPABLE = """
SELECT (SELECT format_type(atttypid, NULL)
          FROM pg_attribute
         WHERE attrelid = to_regclass('ipv6_reservations') AND attname = 'address'),
       coalesce(has_table_privilege(to_regclass('ipv6_reservations'), 'SELECT')
                AND has_table_privilege(to_regclass('ipv6_reservations'), 'INSERT')
                AND has_table_privilege(to_regclass('ipv6_reservations'), 'UPDATE'), false)
"""
"""The type of an address, varchar(39) up to schema 17.0 and inet from 18.0 on, and whether we may write there."""

_RESERVE = mark.filled("""
WITH given AS MATERIALIZED (
    SELECT ordinal, decode(identifier, 'hex') AS identifier, decode(hwaddr, 'hex') AS hwaddr, iaid, subnet_id,
           address AS written, address::{type} AS address, nullif(hostname, '') AS hostname
      FROM unnest(%(identifiers)s::text[], %(hwaddrs)s::text[], %(iaids)s::text[], %(subnets)s::bigint[],
                  %(addresses)s::text[], %(hostnames)s::text[])
           WITH ORDINALITY AS g (identifier, hwaddr, iaid, subnet_id, address, hostname, ordinal)
), met AS MATERIALIZED (
    SELECT given.*, own.host_id, own.hostname AS present_name, own.user_context,
           {mark_of_own} AS mark,
           other.holder, other.is_client
      FROM given
      LEFT JOIN LATERAL (
           SELECT *
             FROM hosts
            WHERE dhcp_identifier = given.identifier AND dhcp_identifier_type + 0 = %(type)s
              AND dhcp6_subnet_id = given.subnet_id
            LIMIT 1) AS own ON true
      LEFT JOIN LATERAL (
           SELECT encode(dhcp_identifier, 'hex') AS holder,
                  (dhcp_identifier, dhcp_identifier_type) = (given.hwaddr, %(hwaddr_type)s) AS is_client
             FROM ipv6_reservations AS taken
             JOIN hosts USING (host_id)
            WHERE taken.address = given.address AND hosts.dhcp6_subnet_id = given.subnet_id
              AND (dhcp_identifier, dhcp_identifier_type) <> (given.identifier, %(type)s)
            ORDER BY is_client DESC
            LIMIT 1) AS other ON true
), compared AS MATERIALIZED (
    SELECT met.*, (mark -> 'ip-addresses' ->> iaid)::{type} AS marked,
           {name_is_ours} AS name_is_ours
      FROM met
), found AS MATERIALIZED (
    SELECT compared.*, rows.present, rows.has_it, rows.moving
      FROM compared
      LEFT JOIN LATERAL (
           SELECT string_agg(split_part(r.address::text, '/', 1), ', ' ORDER BY reservation_id) AS present,
                  bool_or(r.address = compared.address) AS has_it,
                  min(reservation_id) FILTER (WHERE r.address = compared.marked) AS moving
             FROM ipv6_reservations AS r
            WHERE r.host_id = compared.host_id AND r.type = 0) AS rows ON true
), judged AS MATERIALIZED (
    SELECT found.*,
           CASE WHEN has_it AND name_is_ours AND hostname <> coalesce(present_name, '') THEN 'updated'
                WHEN has_it OR is_client OR marked = address THEN 'unchanged'
                WHEN moving IS NULL AND (marked IS NOT NULL OR mark IS NULL AND present IS NOT NULL) THEN 'edited'
                WHEN holder IS NOT NULL THEN 'conflict'
                WHEN host_id IS NULL THEN 'created'
                ELSE 'updated' END AS verdict,
           {new_name} AS new_name,
           jsonb_build_object('ip-addresses',
               coalesce(mark -> 'ip-addresses', '{}') || jsonb_build_object(iaid, written)) AS new_mark
      FROM found
), noted AS (
    UPDATE hosts
       SET {changed}
      FROM judged
     WHERE hosts.host_id = judged.host_id AND judged.verdict = 'updated'
       AND (hosts.hostname, hosts.user_context) IS NOT DISTINCT FROM (judged.present_name, judged.user_context)
    RETURNING judged.ordinal
), moved AS (
    UPDATE ipv6_reservations
       SET address = judged.address
      FROM judged
      JOIN noted USING (ordinal)
     WHERE reservation_id = judged.moving AND NOT has_it AND ipv6_reservations.address = judged.marked
    RETURNING judged.ordinal
), made AS (
    INSERT INTO hosts (dhcp_identifier, dhcp_identifier_type, dhcp6_subnet_id, hostname, user_context)
    SELECT identifier, %(type)s, subnet_id, hostname,
           {first_context}
      FROM judged
     WHERE verdict = 'created'
        ON CONFLICT DO NOTHING
    RETURNING host_id, dhcp_identifier, dhcp6_subnet_id
), added AS (
    INSERT INTO ipv6_reservations (address, prefix_len, type, host_id)
    SELECT address, 128, 0, coalesce(judged.host_id, made.host_id)
      FROM judged
      LEFT JOIN noted USING (ordinal)
      LEFT JOIN made ON made.dhcp_identifier = judged.identifier AND made.dhcp6_subnet_id = judged.subnet_id
     WHERE made.host_id IS NOT NULL OR noted.ordinal IS NOT NULL AND has_it IS NOT TRUE AND moving IS NULL
)
SELECT CASE WHEN verdict = 'created' AND made.host_id IS NULL
              OR verdict = 'updated' AND (noted.ordinal IS NULL
                                          OR has_it IS NOT TRUE AND moving IS NOT NULL AND moved.ordinal IS NULL)
            THEN 'again' ELSE verdict END,
       CASE verdict WHEN 'conflict' THEN holder WHEN 'edited' THEN coalesce(present, 'no address') ELSE '' END,
       made.host_id
  FROM judged
  LEFT JOIN noted USING (ordinal)
  LEFT JOIN moved USING (ordinal)
  LEFT JOIN made ON made.dhcp_identifier = judged.identifier AND made.dhcp6_subnet_id = judged.subnet_id
 ORDER BY judged.ordinal
""")
"""As host_sql.RESERVE, with the mark keeping the address of each identity association of the client: so one address is
moved when its own association gets another, and those that a person added are left alone. What is reserved by the
client's hardware address, which Kea looks up before the DUID, is right already. A client comes once in a batch."""


def reserve(address_type: str) -> str:
    """With the type of an address, so that its index serves both of them."""
    return _RESERVE.replace("{type}", address_type)
