# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests look up in a database with Kea's schema: its catalogue, and the constraint of its hosts."""

from __future__ import annotations

import psycopg2

from support.database import Database

CATALOGUE = """
SELECT 'relation', n.nspname, c.relname, coalesce(c.relacl, acldefault('r', c.relowner))::text
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
UNION ALL SELECT 'trigger', c.relname, t.tgname, pg_get_triggerdef(t.oid)
    FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid WHERE NOT t.tgisinternal
UNION ALL SELECT 'function', n.nspname, p.proname, p.prosrc FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
UNION ALL SELECT 'schema', nspname, NULL, nspacl::text FROM pg_namespace WHERE nspname NOT LIKE 'pg\\_%'
ORDER BY 1, 2, 3, 4
"""
"""Everything in the database but the leases: ``state: absent`` must restore all of it."""
INSERT6 = """
INSERT INTO public.lease6 (address, duid, valid_lifetime, expire, subnet_id, pref_lifetime, lease_type, iaid,
    prefix_len, fqdn_fwd, fqdn_rev, hostname, state, hwaddr, user_context)
VALUES ('2001:db8::1', '\\x0001', 3600, '2030-01-01 00:00:00+00', 7, 1800, 2, 99, 56, false, false, 'bmc', 0, '\\x02',
    '')
"""
"""One DHCPv6 lease."""
NAME = "hosts_dhcp_identifier_subnet_unique"
UNIQUE = "UNIQUE (dhcp_identifier, dhcp_identifier_type, dhcp4_subnet_id)"
KEA_INDEXES = ["key_dhcp4_identifier_subnet_id", "key_dhcp6_identifier_subnet_id"]
COLUMNS = "dhcp_identifier, dhcp_identifier_type, dhcp4_subnet_id"


def constraints(database: Database) -> dict[str, str]:
    rows = database.fetch(
        "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint "
        "WHERE conrelid = 'hosts'::regclass AND contype = 'u'"
    )
    return dict(rows)


def indexes(database: Database) -> list[tuple[str, str]]:
    return database.fetch("SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'hosts' ORDER BY 1")


def make_invalid_index(database: Database, name: str, columns: str = COLUMNS) -> None:
    """As an interrupted run leaves it: the build meets a duplicate and fails."""
    database.execute("DROP INDEX key_dhcp4_identifier_subnet_id")
    database.host()
    database.host()
    try:
        database.execute(f"CREATE UNIQUE INDEX CONCURRENTLY {name} ON hosts ({columns})")
    except psycopg2.errors.UniqueViolation:
        database.execute("DELETE FROM hosts")
    else:
        raise AssertionError(f"{name} was built although hosts has a duplicate")
