# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The statements that find managed reservations in Kea's table ``hosts``, and that remove them."""

from __future__ import annotations

from kea_lease_monitor.kea.shares import MARK

_COLUMNS = (
    "host_id, dhcp_identifier, dhcp4_subnet_id, dhcp6_subnet_id, ipv4_address, hostname, dhcp4_client_classes,"
    " dhcp6_client_classes, dhcp4_next_server, dhcp4_server_hostname, dhcp4_boot_file_name"
)
"""Named, because the monitor has no right to the others."""

_MANAGED = f"""
SELECT marked.host_id, dhcp4_subnet_id IS NOT NULL, encode(dhcp_identifier, 'hex'),
       coalesce(dhcp4_subnet_id, dhcp6_subnet_id), lease.address, lease.iaid::bigint,
       coalesce(mark ->> 'client-id', ''), coalesce(mark ->> 'circuit-id', ''), coalesce(mark ->> 'name', hostname, ''),
       context - '{MARK}' = '{{{{}}}}'
           AND (dhcp4_subnet_id IS NULL
                OR nullif(ipv4_address, 0) IS NOT DISTINCT FROM (mark ->> 'ip-address')::inet - '0.0.0.0')
           AND coalesce(hostname, '') IN ('', mark ->> 'hostname')
           AND coalesce(dhcp4_client_classes, '') = '' AND coalesce(dhcp6_client_classes, '') = ''
           AND coalesce(dhcp4_next_server, 0) = 0 AND coalesce(dhcp4_server_hostname, '') = ''
           AND coalesce(dhcp4_boot_file_name, '') = ''
  FROM (SELECT {_COLUMNS},
               user_context::jsonb AS context, user_context::jsonb -> '{MARK}' AS mark
          FROM {{hosts}} AS hosts
         WHERE user_context LIKE '%%"{MARK}"%%') AS marked
 CROSS JOIN LATERAL (
       SELECT mark ->> 'ip-address' AS address, '0' AS iaid WHERE mark ->> 'ip-address' IS NOT NULL
       UNION ALL
       SELECT value, key FROM jsonb_each_text(mark -> 'ip-addresses')
       UNION ALL
       SELECT value, key FROM jsonb_each_text(mark -> 'prefixes')) AS lease
"""
"""A row for each address, and for each prefix with its length: the id of its host, whether it is IPv4, the identifier,
the subnet, the address, the IAID, the client identifier, the port, the name, and whether the host is as the monitor
wrote it."""

MANAGED = _MANAGED.format(hosts="hosts")

MANAGED_OF = _MANAGED.format(
    hosts=f"""(SELECT own.*
                  FROM unnest(%(identifiers)s::text[], %(subnets)s::bigint[]) AS given (identifier, subnet_id)
                 CROSS JOIN LATERAL (
                       SELECT {_COLUMNS}, user_context
                         FROM hosts
                        WHERE dhcp_identifier = decode(given.identifier, 'hex')
                          AND given.subnet_id IN (dhcp4_subnet_id, dhcp6_subnet_id)
                        LIMIT 10) AS own)"""
)
"""The same for some clients. LIMIT makes the planner look hosts up one by one, so that it costs the same beside 100 and
beside 100,000 reservations. A subnet has one host for each of the few types of an identifier."""

COUNTED = f"""
SELECT 4, dhcp4_subnet_id, count(*)
  FROM hosts
 WHERE dhcp4_subnet_id IS NOT NULL AND ipv4_address <> 0 AND user_context LIKE '%%"{MARK}"%%'
 GROUP BY dhcp4_subnet_id
 UNION ALL
SELECT 6, dhcp6_subnet_id, count(*)
  FROM hosts
 WHERE dhcp4_subnet_id IS NULL AND dhcp6_subnet_id IS NOT NULL AND user_context LIKE '%%"{MARK}"%%'
 GROUP BY dhcp6_subnet_id
"""
"""How many managed reservations each subnet has, by its family and id. It reads the whole table."""

MAY_FORGET = (
    "SELECT coalesce(has_function_privilege(to_regprocedure('kea_forget_reservations(bigint[])'), 'EXECUTE'), false)"
)

FORGET = "SELECT kea_forget_reservations(%(hosts)s::bigint[])"
"""Remove hosts. The function belongs to the owner of Kea's tables, and removes hosts with the mark only: this role may
not DELETE. It leaves those to which a person added options or a key, which this role may not read. Return the ids of
the removed hosts."""
