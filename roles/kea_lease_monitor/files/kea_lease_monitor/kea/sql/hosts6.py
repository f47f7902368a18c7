# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The statement that writes IPv6 reservations: a row in ``hosts`` for each client of a subnet, by its DUID, and a row
in ``ipv6_reservations`` for each of its addresses."""

from __future__ import annotations

from kea_lease_monitor.kea.sql import mark

CAPABLE = """
SELECT (SELECT format_type(atttypid, NULL)
          FROM pg_attribute
         WHERE attrelid = to_regclass('ipv6_reservations') AND attname = 'address'),
       (SELECT coalesce(bool_and(has_column_privilege(to_regclass('ipv6_reservations'), 'address', needed)), false)
          FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE']) AS needed)
"""
"""The type of an address, which is varchar(39) up to schema 17.0 and inet since 18.0, and whether this role may
write."""

_GIVEN = """
    SELECT ordinal, decode(identifier, 'hex') AS identifier, decode(hwaddr, 'hex') AS hwaddr, iaid, subnet_id,
           address::{type} AS address, kind, length, nullif(hostname, '') AS hostname, made,
           CASE kind WHEN 2 THEN 'prefixes' ELSE 'ip-addresses' END AS list,
           address || CASE kind WHEN 2 THEN '/' || length ELSE '' END AS written
      FROM unnest(%(identifiers)s::text[], %(hwaddrs)s::text[], %(iaids)s::text[], %(subnets)s::bigint[],
                  %(addresses)s::text[], %(types)s::smallint[], %(lengths)s::smallint[], %(hostnames)s::text[],
                  %(made)s::bigint[])
           WITH ORDINALITY AS g (identifier, hwaddr, iaid, subnet_id, address, kind, length, hostname, made, ordinal)
"""
"""The leases to reserve, from the parameters. A client occurs once in a batch. A delegated prefix has the kind 2, an
address 0. The mark has them in the list of their kind, by IAID."""

_MET = f"""
    SELECT given.*, own.host_id, own.hostname AS present_name, own.user_context,
           {mark.MARK_OF_OWN} AS mark,
           other.holder, other.is_client
      FROM given
      LEFT JOIN LATERAL (
           SELECT host_id, hostname, user_context
             FROM hosts
            WHERE dhcp_identifier = given.identifier AND dhcp_identifier_type + 0 = %(type)s
              AND dhcp6_subnet_id = given.subnet_id
            LIMIT 1) AS own ON true
      LEFT JOIN LATERAL (
           SELECT encode(dhcp_identifier, 'hex') AS holder,
                  (dhcp_identifier, dhcp_identifier_type) = (given.hwaddr, %(hwaddr_type)s) AS is_client
             FROM ipv6_reservations AS taken
             JOIN hosts USING (host_id)
            WHERE taken.address = given.address AND taken.type = given.kind
              AND hosts.dhcp6_subnet_id = given.subnet_id
              AND (dhcp_identifier, dhcp_identifier_type) <> (given.identifier, %(type)s)
            ORDER BY is_client DESC
            LIMIT 1) AS other ON true
"""
"""With the client's own host, if it has one, and the host that holds the address. ``is_client``: that host is the same
client by its hardware address, which Kea looks up before the DUID. LIMIT 1 and + 0: see hosts4."""

_COMPARED = f"""
    SELECT met.*, split_part(mark -> list ->> iaid, '/', 1)::{{type}} AS marked,
           coalesce(nullif(split_part(mark -> list ->> iaid, '/', 2), '')::smallint, 128) AS marked_length,
           {mark.NAME_IS_MANAGED} AS name_is_managed
      FROM met
"""
"""With what the monitor wrote for this identity association (IAID), and whether the name is the monitor's."""

_FOUND = """
    SELECT compared.*, rows.present, rows.has_it, rows.moving
      FROM compared
      LEFT JOIN LATERAL (
           SELECT string_agg(split_part(r.address::text, '/', 1), ', ' ORDER BY reservation_id) AS present,
                  bool_or(r.address = compared.address) AS has_it,
                  min(reservation_id) FILTER (WHERE r.address = compared.marked
                                                AND compared.marked_length = compared.length) AS moving
             FROM ipv6_reservations AS r
            WHERE r.host_id = compared.host_id AND r.type = compared.kind) AS rows ON true
"""
"""With the addresses of the own host, whether the lease's address is one of them, and the row that the monitor wrote
for the identity association, which is the one to change. Addresses that a person added stay. The monitor may not read
or change the length of a prefix, so one of another length is not moved."""

_NEW_MARK = """jsonb_strip_nulls(jsonb_build_object(
                   'ip-addresses', mark -> 'ip-addresses', 'prefixes', mark -> 'prefixes'))
               || jsonb_build_object(list, coalesce(mark -> list, '{}') || jsonb_build_object(iaid, written))"""
"""What the mark holds beside the name."""

_JUDGED = f"""
    SELECT found.*,
           CASE WHEN has_it AND {mark.RENAMED} THEN 'updated'
                WHEN has_it OR is_client OR marked = address THEN 'unchanged'
                WHEN moving IS NULL AND (marked IS NOT NULL OR mark IS NULL AND present IS NOT NULL) THEN 'edited'
                WHEN holder IS NOT NULL THEN 'conflict'
                WHEN host_id IS NULL THEN 'created'
                ELSE 'updated' END AS verdict,
           {mark.NEW_NAME} AS new_name, {_NEW_MARK} AS new_mark
      FROM found
"""
"""With the verdict, and with what is to be written."""

_NOTED = f"""
    UPDATE hosts
       SET {mark.CHANGED}
      FROM judged
     WHERE hosts.host_id = judged.host_id AND judged.verdict = 'updated'
       AND (hosts.hostname, hosts.user_context) IS NOT DISTINCT FROM (judged.present_name, judged.user_context)
    RETURNING judged.ordinal
"""
"""The hosts whose mark and name were updated; not one that another session changed meanwhile."""

_MOVED = """
    UPDATE ipv6_reservations
       SET address = judged.address
      FROM judged
      JOIN noted USING (ordinal)
     WHERE reservation_id = judged.moving AND NOT has_it AND ipv6_reservations.address = judged.marked
    RETURNING judged.ordinal
"""
"""The addresses that were changed."""

_CREATED = f"""
    INSERT INTO hosts (dhcp_identifier, dhcp_identifier_type, dhcp6_subnet_id, hostname, user_context)
    SELECT identifier, %(type)s, subnet_id, new_name,
           {mark.FIRST_CONTEXT}
      FROM judged
     WHERE verdict = 'created'
        ON CONFLICT DO NOTHING
    RETURNING host_id, dhcp_identifier, dhcp6_subnet_id
"""
"""The hosts that were created; not one that another session created meanwhile."""

_ADDED = """
    INSERT INTO ipv6_reservations (address, prefix_len, type, host_id)
    SELECT address, length, kind, coalesce(judged.host_id, created.host_id)
      FROM judged
      LEFT JOIN noted USING (ordinal)
      LEFT JOIN created ON created.dhcp_identifier = judged.identifier AND created.dhcp6_subnet_id = judged.subnet_id
     WHERE created.host_id IS NOT NULL OR noted.ordinal IS NOT NULL AND has_it IS NOT TRUE AND moving IS NULL
"""
"""The addresses of new hosts, and of new identity associations of existing ones."""

_RESERVE = mark.statement(
    {
        "given": _GIVEN,
        "met": _MET,
        "compared": _COMPARED,
        "found": _FOUND,
        "judged": _JUDGED,
        "noted": _NOTED,
        "moved": _MOVED,
        "created": _CREATED,
        "added": _ADDED,
    },
    f"""
SELECT CASE WHEN verdict = 'created' AND created.host_id IS NULL
              OR verdict = 'updated' AND (noted.ordinal IS NULL
                                          OR has_it IS NOT TRUE AND moving IS NOT NULL AND moved.ordinal IS NULL)
            THEN 'retry' ELSE verdict END,
       CASE verdict WHEN 'conflict' THEN holder WHEN 'edited' THEN coalesce(present, 'no address') ELSE '' END,
       created.host_id, {mark.MADE}
  FROM judged
  LEFT JOIN noted USING (ordinal)
  LEFT JOIN moved USING (ordinal)
  LEFT JOIN created ON created.dhcp_identifier = judged.identifier AND created.dhcp6_subnet_id = judged.subnet_id
 ORDER BY judged.ordinal
""",
)


_OWN = f"""
    SELECT given.*, own.host_id, own.hostname AS present_name, own.user_context, {mark.MARK_OF_OWN} AS mark
      FROM given
      JOIN hosts AS own ON own.dhcp_identifier = given.identifier AND own.dhcp_identifier_type + 0 = %(type)s
                       AND own.dhcp6_subnet_id = given.subnet_id
     ORDER BY own.host_id
       FOR UPDATE OF own
"""
"""The clients' own hosts, locked."""

_SWAPPED = f"""
    SELECT compared.*, {mark.NEW_NAME} AS new_name, {_NEW_MARK} AS new_mark,
           (SELECT min(reservation_id)
              FROM ipv6_reservations AS r
             WHERE r.host_id = compared.host_id AND r.type = compared.kind
               AND r.address = compared.marked AND compared.marked_length = compared.length) AS moving
      FROM compared
"""

_ALLOWED = """
    SELECT count(*) = cardinality(%(addresses)s::text[]) AND bool_and(moving IS NOT NULL)
           AND array_agg(marked ORDER BY marked) = array_agg(address ORDER BY address)
           AND NOT EXISTS (SELECT FROM judged AS one
                             JOIN ipv6_reservations AS taken
                               ON taken.address = one.address AND taken.type = one.kind
                             JOIN hosts AS other ON other.host_id = taken.host_id
                            WHERE other.dhcp6_subnet_id = one.subnet_id
                              AND other.host_id NOT IN (SELECT host_id FROM judged)) AS it
      FROM judged
"""

_NOTED_ALL = f"""
    UPDATE hosts
       SET {mark.CHANGED}
      FROM judged, allowed
     WHERE hosts.host_id = judged.host_id AND allowed.it
    RETURNING judged.ordinal
"""

_EXCHANGE = mark.statement(
    {
        "given": _GIVEN,
        "met": _OWN,
        "compared": _COMPARED,
        "judged": _SWAPPED,
        "allowed": _ALLOWED,
        "noted": _NOTED_ALL,
    },
    """
UPDATE ipv6_reservations
   SET address = judged.address
  FROM judged
  JOIN noted USING (ordinal)
 WHERE reservation_id = judged.moving
RETURNING reservation_id
""",
)


def exchange(address_type: str) -> str:
    """Return the statement that swaps the addresses of these reservations, all or none, as hosts4.EXCHANGE does.

    ``address_type`` as for ``reserve``.
    """
    return _EXCHANGE.replace("{type}", address_type)


def reserve(address_type: str) -> str:
    """Return the statement that reserves the addresses of a batch; it returns the same columns as hosts4.RESERVE.

    ``address_type`` is the type that CAPABLE found: compared in another type, addresses would not use their index.
    """
    return _RESERVE.replace("{type}", address_type)
