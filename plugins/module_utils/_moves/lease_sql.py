# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: the statements on Kea's tables of leases, and a lease as a row of it (kea-facts 1.2 and 2)."""

from __future__ import annotations

import ipaddress
import json
import time
from typing import Any, Dict, List, NamedTuple, Sequence, Tuple

from .._kea import identifiers, lifetime
from .._postgres.parts import Words
from .lease import Lease
from .lease4 import Lease4
from .lease6 import Lease6


class Form(NamedTuple):
    """What differs between Kea's two tables of leases."""

    table: str
    columns: Tuple[str, ...]
    later: Tuple[str, ...]
    """Columns since schema 15.0 and 17.0 (kea-facts 1.2)."""
    selected: str
    """What READ returns before the pool id."""
    order: str
    known: str
    """Type of the addresses of stale rows."""
    same_known: str


FORMS = {
    4: Form(
        table="lease4",
        columns=(
            *("address", "hwaddr", "client_id", "valid_lifetime", "expire", "subnet_id", "fqdn_fwd", "fqdn_rev"),
            *("hostname", "state", "user_context"),
        ),
        later=("relay_id", "remote_id", "pool_id"),
        selected="""address, coalesce(hwaddr, ''), coalesce(client_id, ''), valid_lifetime,
    floor(extract(epoch FROM expire))::bigint, subnet_id, coalesce(fqdn_fwd, false), coalesce(fqdn_rev, false),
    coalesce(hostname, ''), coalesce(state, 0), coalesce(user_context, '')""",
        order="address",
        known="bigint",
        same_known="t.address = k.address",
    ),
    # Up to schema 17.0 the address is text, then inet.
    6: Form(
        table="lease6",
        columns=(
            *("address", "duid", "valid_lifetime", "expire", "subnet_id", "pref_lifetime", "lease_type", "iaid"),
            *("prefix_len", "fqdn_fwd", "fqdn_rev", "hostname", "hwaddr", "state", "user_context", "hwtype"),
            "hwaddr_source",
        ),
        later=("pool_id",),
        selected="""host(address::inet), coalesce(duid, ''), valid_lifetime,
    floor(extract(epoch FROM expire))::bigint, subnet_id, coalesce(pref_lifetime, 0), coalesce(lease_type, 0),
    coalesce(iaid, 0), coalesce(prefix_len, 128), coalesce(fqdn_fwd, false), coalesce(fqdn_rev, false),
    coalesce(hostname, ''), coalesce(hwaddr, ''), coalesce(state, 0), coalesce(user_context, ''),
    coalesce(hwtype, 0), coalesce(hwaddr_source, 0)""",
        order="address::inet",
        known="inet",
        same_known="t.address::inet = k.address",
    ),
}

PRESENT = """
SELECT a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %s AND c.relname = %s AND a.attnum > 0 AND NOT a.attisdropped
"""
READ = "SELECT {selected}, {pool} FROM {table} ORDER BY {order}"
# Kea writes local time without a zone, so the session's zone must lead to the same moment.
OFFSETS = "SELECT extract(timezone FROM to_timestamp(%s))::int, extract(timezone FROM to_timestamp(%s))::int"
OTHERS = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()
"""
STAGE = "CREATE TEMP TABLE kea_lease_staged (LIKE {table} INCLUDING DEFAULTS) ON COMMIT DROP"
KNOWN = "CREATE TEMP TABLE kea_lease_known (address {known}, expire bigint) ON COMMIT DROP"
FORGET = """
DELETE FROM {table} t USING pg_temp.kea_lease_known k
WHERE {same_known} AND floor(extract(epoch FROM t.expire)) = k.expire
"""
# Of DHCPv4 only: a client of DHCPv6 may have any number of leases.
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


def address_of(number: int, family: int) -> Any:
    """Return an address as KNOWN takes it."""
    return str(ipaddress.IPv6Address(number)) if family == 6 else number


def end_of(lease: Lease) -> int:
    """Return ``expire`` as Kea writes it to PostgreSQL, in epoch seconds."""
    return lifetime.expire_of_record(lease.cltt, lease.valid_lifetime)


def lease_of(row: Tuple[Any, ...], family: int) -> Lease:
    """Return the lease of a row that READ returned."""
    if family == 6:
        return _lease6_of(row)
    address, hwaddr, client_id, valid_lifetime, expire, *others = row
    cltt, _end = lifetime.of_record(expire, valid_lifetime)
    return Lease4(address, bytes(hwaddr), bytes(client_id), valid_lifetime, cltt, *others)


def _lease6_of(row: Tuple[Any, ...]) -> Lease6:
    known = dict(zip(FORMS[6].columns, row))
    cltt, _end = lifetime.of_record(known.pop("expire"), known["valid_lifetime"])
    values = {
        "address": int(ipaddress.IPv6Address(known["address"])),
        "duid": bytes(known["duid"]),
        "hwaddr": bytes(known["hwaddr"]),
        # Kea stores its unsigned number in a signed column.
        "iaid": known["iaid"] % 2**32,
    }
    return Lease6(**{**known, **values, "cltt": cltt, "pool_id": row[-1]})


def row_of(lease: Lease, columns: Sequence[str]) -> List[Any]:
    """Return the values of these columns for COPY."""
    end = time.strftime("%Y-%m-%d %H:%M:%S+00", time.gmtime(end_of(lease)))
    values = {**lease._asdict(), "expire": end}
    if isinstance(lease, Lease6):
        values.update(address=lease.text, iaid=lease.iaid - (lease.iaid >> 31 << 32))
    else:
        values.update(_relay_of(lease))
    return [values[name] for name in columns]


def _relay_of(lease: Lease4) -> Dict[str, Any]:
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
