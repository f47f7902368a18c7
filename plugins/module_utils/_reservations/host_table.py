# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: rows of Kea's table hosts, with the addresses in ipv6_reservations, read and written one host at a time."""

from __future__ import annotations

import ipaddress
import json
from contextlib import suppress
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from .._kea import host_maps, identifiers
from .._postgres.parts import Part, Words
from .._postgres.session import Session
from .given import Given

MANAGED = host_maps.MARK
"""Key of the user context that marks a reservation of the lease monitor (kea/reservations.py there)."""

GIVEN = host_maps.GIVEN
"""Key of the user context that marks a reservation of the variable ``kea_reservations``: which hosts of the inventory
name it (``owners``), the ``ip-address`` and ``hostname`` that were written, and if a person had written the row before,
what it said then (``found``: ``ip-address``, ``hostname`` and ``user-context`` as text)."""

_READ = """
WITH given AS (
    SELECT * FROM unnest(%s::bytea[], %s::smallint[], %s::bigint[], %s::text[])
           AS g (identifier, type, subnet_id, address))
SELECT h.host_id, h.dhcp_identifier_type, h.dhcp_identifier, h.{subnet}, {addresses}, coalesce(h.hostname, ''),
       coalesce(h.user_context, ''), NOT (coalesce(h.dhcp4_client_classes, '') <> ''
       OR coalesce(h.dhcp6_client_classes, '') <> '' OR coalesce(h.dhcp4_next_server, 0) <> 0
       OR coalesce(h.dhcp4_server_hostname, '') <> '' OR coalesce(h.dhcp4_boot_file_name, '') <> ''
       OR coalesce(h.auth_key, '') <> '' OR EXISTS (SELECT FROM {options4} p WHERE p.host_id = h.host_id)
       OR EXISTS (SELECT FROM {options6} p WHERE p.host_id = h.host_id))
  FROM {hosts} h
 WHERE h.host_id IN (
       SELECT o.host_id FROM given g
         JOIN {hosts} o ON o.dhcp_identifier = g.identifier AND o.dhcp_identifier_type = g.type
                       AND o.{subnet} = g.subnet_id
        UNION {by_address})
    OR h.{subnet} IS NOT NULL AND %s <> '' AND strpos(h.user_context, %s) > 0
 ORDER BY h.host_id
"""
_ADDRESSES = {
    4: "CASE WHEN coalesce(h.ipv4_address, 0) > 0 THEN ARRAY[host('0.0.0.0'::inet + h.ipv4_address)]"
    " ELSE '{{}}'::text[] END",
    6: "ARRAY(SELECT split_part(r.address::text, '/', 1) FROM {reservations} r WHERE r.host_id = h.host_id"
    " AND r.type = 0 ORDER BY r.reservation_id)",
}
_BY_ADDRESS = {
    4: "SELECT o.host_id FROM given g JOIN {hosts} o ON o.ipv4_address = g.address::inet - '0.0.0.0'"
    " AND o.dhcp4_subnet_id = g.subnet_id WHERE g.address <> ''",
    6: "SELECT o.host_id FROM given g JOIN {reservations} r ON split_part(r.address::text, '/', 1) = g.address"
    " JOIN {hosts} o ON o.host_id = r.host_id AND o.dhcp6_subnet_id = g.subnet_id",
}
_INSERT = """
INSERT INTO {hosts} (dhcp_identifier, dhcp_identifier_type, {subnet}, hostname, user_context)
VALUES (%s, %s, %s, %s, %s) RETURNING host_id
"""
_UPDATE = "UPDATE {hosts} SET hostname = %s, user_context = %s WHERE host_id = %s RETURNING host_id"
_SET4 = "UPDATE {hosts} SET ipv4_address = %s WHERE host_id = %s RETURNING host_id"
_CLEAR6 = "DELETE FROM {reservations} WHERE host_id = %s AND type = 0 RETURNING host_id"
_SET6 = "INSERT INTO {reservations} (address, prefix_len, type, host_id) VALUES (%s, 128, 0, %s) RETURNING host_id"
_DELETE = "DELETE FROM {hosts} WHERE host_id = %s RETURNING host_id"


class Host(NamedTuple):
    """A reservation in the database."""

    host_id: int
    """0 for one that is not there yet."""
    type: int
    """Index in ``identifiers.TYPES``."""
    identifier: bytes
    subnet: int
    addresses: Tuple[str, ...]
    hostname: str
    context: str
    """The user context as it is stored."""
    is_plain: bool
    """Whether it has no classes, no options and no key of its own."""

    @property
    def client(self) -> Tuple[int, bytes]:
        return self.type, self.identifier

    @property
    def text(self) -> str:
        return f"{identifiers.TYPES[self.type]} {identifiers.spell(self.identifier)} in subnet {self.subnet}"

    @property
    def marks(self) -> Dict[str, Any]:
        """Return the user context; empty if it is no map."""
        with suppress(ValueError):
            found = json.loads(self.context or "{}")
            return found if isinstance(found, dict) else {}
        return {}

    @property
    def wrote(self) -> Mapping[str, Any]:
        """Return the mark of the variable ``kea_reservations``; empty without it."""
        mark = self.marks.get(GIVEN)
        return mark if isinstance(mark, dict) else {}

    @property
    def found(self) -> Optional[Dict[str, str]]:
        """Return what a person had written before the variable named the client; None if the variable created it."""
        found = self.wrote.get("found")
        return {str(key): str(text) for key, text in found.items()} if isinstance(found, dict) else None

    @property
    def is_automatic(self) -> bool:
        """Whether the lease monitor made it, and no person edited it."""
        mark = self.marks.get(MANAGED)
        if not isinstance(mark, dict) or set(self.marks) != {MANAGED} or not self.is_plain:
            return False
        wrote = {mark.get("ip-address"), *(mark.get("ip-addresses") or {}).values()}
        return set(self.addresses) <= wrote and self.hostname in ("", mark.get("hostname"))

    def shown(self) -> Dict[str, Any]:
        """Return it for a diff."""
        name = {identifiers.TYPES[self.type]: identifiers.spell(self.identifier), "subnet-id": self.subnet}
        return {**name, "ip-addresses": list(self.addresses), "hostname": self.hostname, "user-context": self.marks}


class HostTable:
    """Kea's table hosts in the database of a session, for one family."""

    def __init__(self, session: Session, schema: str, family: int) -> None:
        self._session = session
        self._family = family
        tables: Dict[str, Part] = {"hosts": (schema, "hosts"), "reservations": (schema, "ipv6_reservations")}
        self.tables = ["hosts", *(["ipv6_reservations"] if family == 6 else [])]
        self._parts: Dict[str, Part] = {
            **tables,
            "subnet": f"dhcp{family}_subnet_id",
            "options4": (schema, "dhcp4_options"),
            "options6": (schema, "dhcp6_options"),
        }
        for name, texts in (("addresses", _ADDRESSES), ("by_address", _BY_ADDRESS)):
            self._parts[name] = Words(session.compose(texts[family], **tables))

    def read(self, given: Sequence[Given], mark: str = "") -> List[Host]:
        """Return the hosts of these clients, those with their addresses, and those that bear the mark.

        Also those with an address that a host with the mark may get again.
        """
        hosts = self._read(given, mark)
        again = [
            Given(identifiers.TYPES[host.type], host.identifier, host.subnet, host.found["ip-address"], "")
            for host in hosts
            if host.found and "ip-address" in host.found
        ]
        return self._read([*given, *again], mark) if again else hosts

    def _read(self, given: Sequence[Given], mark: str) -> List[Host]:
        columns = [[getattr(one, name) for one in given] for name in ("identifier", "type", "subnet", "address")]
        quoted = f'"{mark}"' if mark else ""
        rows = self._session.fetch(_READ, [*columns, quoted, quoted], **self._parts)
        return [Host(row[0], row[1], bytes(row[2]), row[3], tuple(row[4]), *row[5:]) for row in rows]

    def lock(self) -> None:
        """Keep other sessions from writing hosts until the transaction ends. Kea, which reads them, goes on."""
        self._session.run("LOCK TABLE {hosts} IN SHARE ROW EXCLUSIVE MODE", **self._parts)

    def put(self, host: Host, before: Optional[Host]) -> None:
        """Write a host; ``before`` is what is there."""
        number, name = host.host_id, host.hostname or None
        if before is None:
            values = [host.identifier, host.type, host.subnet, name, host.context]
            number = self._session.fetch(_INSERT, values, **self._parts)[0][0]
        else:
            self._session.fetch(_UPDATE, [name, host.context, number], **self._parts)
        if host.addresses == (before.addresses if before else ()):
            return
        if self._family == 4:
            value = int(ipaddress.IPv4Address(host.addresses[0])) if host.addresses else None
            self._session.fetch(_SET4, [value, number], **self._parts)
            return
        self._session.fetch(_CLEAR6, [number], **self._parts)
        for address in host.addresses:
            self._session.fetch(_SET6, [address, number], **self._parts)

    def delete(self, host: Host) -> None:
        """Delete a host; its addresses and options go with it."""
        self._session.fetch(_DELETE, [host.host_id], **self._parts)
