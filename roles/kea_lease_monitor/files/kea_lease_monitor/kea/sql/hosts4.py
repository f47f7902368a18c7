# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The statements that write IPv4 reservations into Kea's table ``hosts``. Facts: kea-facts 1.2-1.4."""

from __future__ import annotations

from kea_lease_monitor.kea.shares import MARK
from kea_lease_monitor.kea.sql import mark

_GIVEN = """
    SELECT ordinal, decode(identifier, 'hex') AS identifier, subnet_id, address, nullif(hostname, '') AS hostname,
           nullif(client_id, '') AS client_id, nullif(circuit_id, '') AS circuit_id, made
      FROM unnest(%(identifiers)s::text[], %(subnets)s::bigint[], %(addresses)s::bigint[], %(hostnames)s::text[],
                  %(client_ids)s::text[], %(circuit_ids)s::text[], %(made)s::bigint[])
           WITH ORDINALITY AS g (identifier, subnet_id, address, hostname, client_id, circuit_id, made, ordinal)
"""
"""The leases to reserve, from the parameters."""

_MET = f"""
    SELECT given.*, own.host_id, nullif(own.ipv4_address, 0) AS present, own.hostname AS present_name, own.user_context,
           {mark.MARK_OF_OWN} AS mark,
           (SELECT encode(other.dhcp_identifier, 'hex')
              FROM hosts AS other
             WHERE other.ipv4_address = given.address AND other.dhcp4_subnet_id = given.subnet_id
               AND (other.dhcp_identifier, other.dhcp_identifier_type) <> (given.identifier, %(type)s)
             LIMIT 1) AS holder
      FROM given
      LEFT JOIN LATERAL (
           SELECT host_id, ipv4_address, hostname, user_context
             FROM hosts
            WHERE dhcp_identifier = given.identifier AND dhcp_identifier_type + 0 = %(type)s
              AND dhcp4_subnet_id = given.subnet_id
            LIMIT 1) AS own ON true
"""
"""With the client's own host, if it has one, and the other client that holds the address. LIMIT 1 makes the planner
look hosts up one by one, and + 0 makes it use the identifier and not the type. Otherwise it would read all of a table
without statistics, for each batch or for each lease."""

_COMPARED = f"""
    SELECT met.*, (met.mark ->> 'ip-address')::inet - '0.0.0.0' AS marked,
           {mark.NAME_IS_MANAGED} AS name_is_managed
      FROM met
"""
"""With the address that the monitor wrote, and whether the name is still the monitor's."""

_NEW_MARK = """jsonb_strip_nulls(jsonb_build_object('ip-address', host('0.0.0.0'::inet + address),
                                                        'client-id', client_id, 'circuit-id', circuit_id))"""
"""What the mark holds beside the name: the client identifier tells two leases of one hardware address apart, and the
port may have a reservation of the site."""

_JUDGED = f"""
    SELECT compared.*,
           CASE WHEN present = address AND {mark.RENAMED} THEN 'updated'
                WHEN present = address AND present = marked AND client_id <> coalesce(mark ->> 'client-id', '')
                THEN 'updated'
                WHEN present = address AND present = marked AND circuit_id <> mark ->> 'circuit-id' THEN 'updated'
                WHEN present = address OR marked = address AND present IS DISTINCT FROM marked THEN 'unchanged'
                WHEN host_id IS NOT NULL AND present IS DISTINCT FROM marked THEN 'edited'
                WHEN present IS NOT NULL AND client_id <> mark ->> 'client-id' THEN 'second'
                WHEN holder IS NOT NULL THEN 'conflict'
                WHEN host_id IS NULL THEN 'created'
                ELSE 'updated' END AS verdict,
           {mark.NEW_NAME} AS new_name, {_NEW_MARK} AS new_mark
      FROM compared
"""
"""With the verdict, as reservations.judge finds it, and with what is to be written."""

_MOVED = f"""
    UPDATE hosts
       SET ipv4_address = judged.address, {mark.CHANGED}
      FROM judged
     WHERE hosts.host_id = judged.host_id AND judged.verdict = 'updated'
       AND nullif(hosts.ipv4_address, 0) IS NOT DISTINCT FROM judged.present
       AND (hosts.hostname, hosts.user_context) IS NOT DISTINCT FROM (judged.present_name, judged.user_context)
    RETURNING judged.ordinal
"""
"""The hosts that were updated; one that another session changed is left. An UPSERT in place of UPDATE and
INSERT would use up a value of the 32-bit sequence hosts_host_id_seq for each host that exists already."""

_CREATED = f"""
    INSERT INTO hosts (dhcp_identifier, dhcp_identifier_type, dhcp4_subnet_id, ipv4_address, hostname, user_context)
    SELECT identifier, %(type)s, subnet_id, address, new_name,
           {mark.FIRST_CONTEXT}
      FROM judged
     WHERE verdict = 'created'
        ON CONFLICT DO NOTHING
    RETURNING host_id, dhcp_identifier, dhcp4_subnet_id
"""
"""The hosts that were created; not one that another session created meanwhile. ON CONFLICT without a target covers
Kea's partial indexes of every schema and a full UNIQUE constraint alike."""

RESERVE = mark.statement(
    {"given": _GIVEN, "met": _MET, "compared": _COMPARED, "judged": _JUDGED, "moved": _MOVED, "created": _CREATED},
    f"""
SELECT CASE WHEN verdict = 'created' AND created.host_id IS NULL OR verdict = 'updated' AND moved.ordinal IS NULL
            THEN 'retry' ELSE verdict END,
       CASE verdict WHEN 'conflict' THEN holder
                    WHEN 'second' THEN host('0.0.0.0'::inet + present)
                    WHEN 'edited' THEN coalesce(host('0.0.0.0'::inet + present), 'no address')
                    ELSE '' END,
       created.host_id, {mark.MADE}
  FROM judged
  LEFT JOIN moved USING (ordinal)
  LEFT JOIN created ON created.dhcp_identifier = judged.identifier AND created.dhcp4_subnet_id = judged.subnet_id
 ORDER BY judged.ordinal
""",
)
"""Reserve the addresses of a batch, in one statement. For each lease it returns the value of a reservations.Verdict,
the detail of a CONFLICT, an EDITED or a SECOND one, the id of a new host, and when the host was made.

Kea's schema allows two reservations of one address (a plain index since schema 6.2), so the step ``met`` looks for
another holder.
"""

_OWN = f"""
    SELECT given.address, given.subnet_id, given.hostname, given.client_id, given.circuit_id, own.host_id,
           own.ipv4_address AS present, own.hostname AS present_name, own.user_context, {mark.MARK_OF_OWN} AS mark
      FROM given
      JOIN hosts AS own ON own.dhcp_identifier = given.identifier AND own.dhcp_identifier_type + 0 = %(type)s
                       AND own.dhcp4_subnet_id = given.subnet_id
     ORDER BY own.host_id
       FOR UPDATE OF own
"""
"""The clients' own hosts, locked."""

_NAMED = f"""
    SELECT met.*, {mark.NAME_IS_MANAGED} AS name_is_managed
      FROM met
"""

_SWAPPED = f"""
    SELECT compared.*, {mark.NEW_NAME} AS new_name, {_NEW_MARK} AS new_mark
      FROM compared
"""

EXCHANGE = mark.statement(
    {"given": _GIVEN, "met": _OWN, "compared": _NAMED, "judged": _SWAPPED},
    f"""
UPDATE hosts
   SET ipv4_address = judged.address, {mark.CHANGED}
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
""",
)
"""Swap the addresses of these reservations, all or none: if all are as the monitor wrote them, hold just these
addresses, and no other host holds one of them. The statement waits for sessions that are changing one of the hosts."""

ADOPT = f"""
UPDATE hosts
   SET user_context = jsonb_build_object('{MARK}', jsonb_strip_nulls(jsonb_build_object(
           'ip-address', host('0.0.0.0'::inet + ipv4_address), 'hostname', nullif(hosts.hostname, ''))))::text
  FROM unnest(%(identifiers)s::text[], %(subnets)s::bigint[], %(addresses)s::bigint[], %(hostnames)s::text[])
       WITH ORDINALITY AS lease (identifier, subnet_id, address, hostname, ordinal)
 WHERE dhcp_identifier = decode(lease.identifier, 'hex') AND dhcp_identifier_type + 0 = %(type)s
   AND dhcp4_subnet_id = lease.subnet_id AND ipv4_address = lease.address
   AND coalesce(hosts.hostname, '') IN ('', lease.hostname)
   AND coalesce(user_context, '') = '' AND dhcp6_subnet_id IS NULL
   AND coalesce(dhcp4_client_classes, '') = '' AND coalesce(dhcp6_client_classes, '') = ''
   AND coalesce(dhcp4_next_server, 0) = 0 AND coalesce(dhcp4_server_hostname, '') = ''
   AND coalesce(dhcp4_boot_file_name, '') = ''
RETURNING lease.ordinal
"""
"""Mark the hosts that have only what release 1.0.0 wrote, and agree with the lease. The options of a host are in tables
that the monitor may not read; a host that has options keeps them. Nor may it read auth_key, which only DHCPv6 has."""

BY_OTHERS = f"""
SELECT dhcp4_subnet_id, dhcp_identifier_type, encode(dhcp_identifier, 'hex'), nullif(ipv4_address, 0)
  FROM hosts
 WHERE dhcp4_subnet_id IS NOT NULL AND (dhcp_identifier_type <> %(type)s OR dhcp4_subnet_id = 0)
   AND (nullif(ipv4_address, 0) IS NOT NULL OR coalesce(user_context, '') NOT LIKE '%%"{MARK}"%%')
 UNION ALL
SELECT dhcp4_subnet_id, dhcp_identifier_type, encode(dhcp_identifier, 'hex'), ipv4_address
  FROM hosts AS own
 WHERE dhcp4_subnet_id > 0 AND dhcp_identifier_type = %(type)s AND ipv4_address > 0
   AND coalesce(user_context, '') NOT LIKE '%%"{MARK}"%%'
   AND EXISTS (SELECT FROM hosts AS managed
                WHERE managed.ipv4_address = own.ipv4_address AND managed.dhcp4_subnet_id = own.dhcp4_subnet_id
                  AND managed.user_context LIKE '%%"{MARK}"%%')
"""
"""The hosts that ``met`` does not find: those by other identifiers than the hardware address, and those of subnet 0,
which Kea uses in each subnet with reservations-global. And those of persons that have the address of a managed one."""

HOST_IDS = """
SELECT coalesce(last_value, 0)::float8 / max_value
  FROM pg_sequences
 WHERE format('%%I.%%I', schemaname, sequencename) = pg_get_serial_sequence('hosts', 'host_id')
"""
"""Used share of the host ids; a serial column ends at 2147483647."""

PLACE_OF = """
SELECT own.host_id, host('0.0.0.0'::inet + nullif(own.ipv4_address, 0)),
       coalesce(own.ipv4_address = %(address)s AND coalesce(own.hostname, '') = %(hostname)s
                AND coalesce(own.user_context, '') = '', false),
       (SELECT encode(other.dhcp_identifier, 'hex')
          FROM hosts AS other
         WHERE other.ipv4_address = %(address)s AND other.dhcp4_subnet_id = %(subnet)s
           AND (other.dhcp_identifier, other.dhcp_identifier_type) <> (decode(%(identifier)s, 'hex'), 0)
         LIMIT 1)
  FROM (SELECT 1) AS one
  LEFT JOIN hosts AS own ON own.dhcp_identifier = decode(%(identifier)s, 'hex') AND own.dhcp_identifier_type = 0
                        AND own.dhcp4_subnet_id = %(subnet)s
"""
"""The client's own host, its address, whether it is as wanted, and the other client that holds the address."""

PLACE = """
UPDATE hosts SET ipv4_address = %(address)s, hostname = nullif(%(hostname)s, ''), user_context = ''
 WHERE host_id = %(host)s
"""
"""Give a managed host another address and name; it is no longer managed."""

PLACE_NEW = """
INSERT INTO hosts (dhcp_identifier, dhcp_identifier_type, dhcp4_subnet_id, ipv4_address, hostname, user_context)
VALUES (decode(%(identifier)s, 'hex'), 0, %(subnet)s, %(address)s, nullif(%(hostname)s, ''), '')
    ON CONFLICT DO NOTHING
"""
"""Create a host that is not managed."""
