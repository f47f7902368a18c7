# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: the statements on Kea's table of leases, and a lease as a row of it (kea-facts 1.2 and 2)."""

from __future__ import annotations

import json
import time
from typing import Any, Dict, List, Sequence, Tuple

from .._kea import identifiers, lifetime
from .._postgres.parts import Words
from .lease import Lease

COLUMNS = (
    "address", "hwaddr", "client_id", "valid_lifetime", "expire", "subnet_id", "fqdn_fwd", "fqdn_rev", "hostname",
    "state", "user_context",
)  # fmt: skip
LATER = ("relay_id", "remote_id", "pool_id")
"""Columns since schema 15.0 and 17.0 (kea-facts 1.2)."""

PRESENT = """
SELECT a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %s AND c.relname = %s AND a.attnum > 0 AND NOT a.attisdropped
"""
READ = """
SELECT address, coalesce(hwaddr, ''), coalesce(client_id, ''), valid_lifetime,
    floor(extract(epoch FROM expire))::bigint, subnet_id, coalesce(fqdn_fwd, false), coalesce(fqdn_rev, false),
    coalesce(hostname, ''), coalesce(state, 0), coalesce(user_context, ''), {pool}
FROM {table} ORDER BY address
"""
# Kea writes local time without a zone, so the session's zone must lead to the same moment.
OFFSETS = "SELECT extract(timezone FROM to_timestamp(%s))::int, extract(timezone FROM to_timestamp(%s))::int"
OTHERS = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()
"""
STAGE = "CREATE TEMP TABLE kea_lease_staged (LIKE {table} INCLUDING DEFAULTS) ON COMMIT DROP"
KNOWN = "CREATE TEMP TABLE kea_lease_known (address bigint, expire bigint) ON COMMIT DROP"
FORGET = """
DELETE FROM {table} t USING pg_temp.kea_lease_known k
WHERE t.address = k.address AND floor(extract(epoch FROM t.expire)) = k.expire
"""
DROP_ELDER = "DELETE FROM {table} t USING pg_temp.kea_lease_staged s WHERE {same_client} AND {cltt_t} <= {cltt_s}"
DROP_STAGED = "DELETE FROM pg_temp.kea_lease_staged s USING {table} t WHERE {same_client}"
MERGE = """
INSERT INTO {table} AS t ({columns}) SELECT {columns} FROM pg_temp.kea_lease_staged
ON CONFLICT (address) DO UPDATE SET ({columns}) = ROW ({excluded})
WHERE {cltt_t} <= {cltt_excluded}
"""
PARTS = {
    "same_client": Words(
        "t.client_id = s.client_id AND t.client_id <> '' AND t.subnet_id = s.subnet_id AND t.address <> s.address"
    ),
    "cltt_t": Words(lifetime.sql_cltt("t")),
    "cltt_s": Words(lifetime.sql_cltt("s")),
    "cltt_excluded": Words(lifetime.sql_cltt("EXCLUDED")),
}
"""Parts of the three statements above."""


def end_of(lease: Lease) -> int:
    """Return ``expire`` as Kea writes it to PostgreSQL, in epoch seconds."""
    return lifetime.expire_of_record(lease.cltt, lease.valid_lifetime)


def lease_of(row: Tuple[Any, ...]) -> Lease:
    """Return the lease of a row that READ returned."""
    address, hwaddr, client_id, valid_lifetime, expire, *others = row
    cltt, _end = lifetime.of_record(expire, valid_lifetime)
    return Lease(address, bytes(hwaddr), bytes(client_id), valid_lifetime, cltt, *others)


def row_of(lease: Lease, columns: Sequence[str]) -> List[Any]:
    """Return the values of these columns for COPY."""
    end = time.strftime("%Y-%m-%d %H:%M:%S+00", time.gmtime(end_of(lease)))
    values = {**lease._asdict(), "expire": end, **_relay_of(lease)}
    return [values[name] for name in columns]


def _relay_of(lease: Lease) -> Dict[str, Any]:
    """Return the two columns of lease queries, which a lease file has only in the user context (kea-facts 3.7)."""
    nothing: Dict[str, Any] = {"relay_id": None, "remote_id": None}
    if "relay-agent-info" not in lease.user_context:
        return nothing
    try:
        info = json.loads(lease.user_context)["ISC"]["relay-agent-info"]
        found = {name: info[name.replace("_", "-")] for name in nothing if name.replace("_", "-") in info}
        return {**nothing, **{name: identifiers.parse(text) for name, text in found.items()}}
    except (ValueError, TypeError, KeyError, AttributeError):
        return nothing
