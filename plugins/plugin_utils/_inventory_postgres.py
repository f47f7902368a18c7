# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: reads leases and reservations from Kea's tables in PostgreSQL."""

from __future__ import annotations

from typing import Any, Iterator, List, Mapping, Tuple

from ..module_utils._kea import identifiers, lifetime, relay, vendor_class
from ..module_utils._postgres import session
from . import _inventory_records as records
from ._inventory_records import Record

_LEASES4 = """
SELECT host('0.0.0.0'::inet + address), encode(hwaddr, 'hex'), encode(client_id, 'hex'), NULL, 0,
       hostname, subnet_id, state, extract(epoch FROM expire)::bigint, valid_lifetime, user_context
  FROM {leases4}
"""

# A delegated prefix (type 2) is no address of a host.
_LEASES6 = """
SELECT host(address::text::inet), encode(hwaddr, 'hex'), NULL, encode(duid, 'hex'), coalesce(hwaddr_source, 0),
       hostname, subnet_id, state, extract(epoch FROM expire)::bigint, valid_lifetime, NULL
  FROM {leases6}
 WHERE lease_type IS DISTINCT FROM 2
"""

_RESERVATIONS = """
SELECT encode(dhcp_identifier, 'hex'), dhcp_identifier_type, hostname, user_context, dhcp4_subnet_id,
       CASE WHEN ipv4_address > 0 THEN host('0.0.0.0'::inet + ipv4_address) END, dhcp6_subnet_id,
       ARRAY (SELECT host(r.address::text::inet) FROM {reserved6} AS r
               WHERE r.host_id = hosts.host_id AND r.type = 0 ORDER BY r.reservation_id)
  FROM {hosts} AS hosts
"""

Row = Tuple[Any, ...]


def read(params: Mapping[str, Any]) -> List[Record]:
    """Return all leases and reservations. ``params`` are the login options and ``schema``.

    The session is read-only. Raises KeaError.
    """
    schema = params["schema"]
    tables = {
        name: (schema, table)
        for name, table in (
            ("leases4", "lease4"),
            ("leases6", "lease6"),
            ("hosts", "hosts"),
            ("reserved6", "ipv6_reservations"),
        )
    }
    with session.connect(dict(params, connect_params={}), readonly=True) as database:

        def rows(template: str) -> List[Row]:
            return database.fetch(template, **tables)

        return [
            *(_lease(4, row) for row in rows(_LEASES4)),
            *(_lease(6, row) for row in rows(_LEASES6)),
            *(record for row in rows(_RESERVATIONS) for record in _reservations(row)),
        ]


def _lease(family: int, row: Row) -> Record:
    address, hwaddr, client_id, duid, source, hostname, subnet_id, state, expire, valid, context = row
    since, expires = lifetime.of_record(expire or 0, valid or 0)
    duid, hwaddr, told = _colons(duid), _colons(hwaddr), relay.of_context(context)
    return Record(
        records.LEASE,
        family,
        [address],
        subnet_id or 0,
        hwaddr=hwaddr if family == 4 else records.certain_hwaddr(hwaddr, source),
        client_id=_colons(client_id),
        duid=duid,
        hostname=hostname or "",
        state=records.state_name(state or 0),
        since=since,
        expires=expires,
        lifetime=valid or 0,
        circuit_id=told.circuit_id,
        remote_id=told.remote_id,
        vendor_class=vendor_class.of_context(context),
    )


def _reservations(row: Row) -> Iterator[Record]:
    """Yield a record for each family that a row of ``hosts`` is for."""
    value, kind, hostname, context, subnet4, address4, subnet6, addresses6 = row
    key = identifiers.TYPES[kind] if kind < len(identifiers.TYPES) else f"type-{kind}"
    for family, subnet_id, addresses in ((4, subnet4, [address4] if address4 else []), (6, subnet6, addresses6)):
        if subnet_id is not None:
            plain = Record(records.RESERVATION, family, list(addresses), subnet_id, hostname=hostname or "")
            yield records.reservation(plain, key, _colons(value), context)


def _colons(digits: object) -> str:
    return identifiers.spell(bytes.fromhex(str(digits))) if digits else ""
