# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: the reservations in Kea's table hosts."""

from __future__ import annotations

from typing import Dict, List, NamedTuple, Sequence, Tuple

from .._errors import KeaError
from .._kea import identifiers
from .._postgres.copy import copy_in
from .._postgres.parts import Part, Words
from .._postgres.session import Session
from .reservation import Reservation
from .reservation4 import Reservation4
from .reservation6 import Reservation6
from .reservation_map import Key


class _Form(NamedTuple):
    """What differs between the families."""

    subnet: str
    options: str
    read: str
    staged: str
    """Columns of the staged rows after the client and the subnet."""
    fields: str
    """Columns of hosts besides the client and the subnet."""
    values: str
    """Their values in a staged row."""
    unchanged: str
    """Whether a host of the table still has the addresses of the staged row."""


_SAME = """h.dhcp_identifier = s.identifier AND h.dhcp_identifier_type = s.identifier_type
    AND h.{subnet} = s.subnet_id"""
_ADDRESSES = """coalesce((SELECT string_agg(split_part(r.address::text, '/', 1), ' ' ORDER BY r.reservation_id)
        FROM {leased} r WHERE r.host_id = h.host_id AND r.type = 0), '')"""
_PREFIXES = """coalesce((SELECT string_agg(split_part(r.address::text, '/', 1) || '/' || r.prefix_len, ' '
        ORDER BY r.reservation_id) FROM {leased} r WHERE r.host_id = h.host_id AND r.type = 2), '')"""
_FORMS = {
    4: _Form(
        subnet="dhcp4_subnet_id",
        options="dhcp4_options",
        read="""coalesce(h.ipv4_address, 0), coalesce(h.hostname, ''), coalesce(h.dhcp4_client_classes, ''),
    coalesce(h.dhcp4_next_server, 0), coalesce(h.dhcp4_server_hostname, ''), coalesce(h.dhcp4_boot_file_name, '')""",
        staged="""ipv4_address bigint, hostname text, client_classes text, next_server bigint, server_hostname text,
    boot_file_name text""",
        fields="""ipv4_address, hostname, dhcp4_client_classes, dhcp4_next_server, dhcp4_server_hostname,
    dhcp4_boot_file_name""",
        values="""nullif(s.ipv4_address, 0), nullif(s.hostname, ''), nullif(s.client_classes, ''),
    nullif(s.next_server, 0), nullif(s.server_hostname, ''), nullif(s.boot_file_name, '')""",
        unchanged="coalesce(h.ipv4_address, 0) = s.ipv4_address",
    ),
    6: _Form(
        subnet="dhcp6_subnet_id",
        options="dhcp6_options",
        read=f"{_ADDRESSES}, {_PREFIXES}, coalesce(h.hostname, ''), coalesce(h.dhcp6_client_classes, '')",
        staged="addresses text, prefixes text, hostname text, client_classes text",
        fields="hostname, dhcp6_client_classes",
        values="nullif(s.hostname, ''), nullif(s.client_classes, '')",
        unchanged=f"{_ADDRESSES} = s.addresses AND {_PREFIXES} = s.prefixes",
    ),
}
_READ = """
SELECT h.dhcp_identifier, h.dhcp_identifier_type, h.{subnet}, {read}, coalesce(h.user_context, '')
FROM {table} h WHERE h.{subnet} = ANY (%s) ORDER BY h.ipv4_address, h.host_id
"""
_UNFIT_FOR_FILES = """
SELECT count(*) FILTER (WHERE h.{subnet} = 0), count(*) FILTER (WHERE o.host_id IS NOT NULL)
FROM {table} h LEFT JOIN (SELECT DISTINCT host_id FROM {options} WHERE host_id IS NOT NULL) o ON o.host_id = h.host_id
WHERE h.{subnet} = 0 OR h.{subnet} = ANY (%s)
"""
# Not each schema has the column.
_EXCLUDED = """
SELECT count(DISTINCT h.host_id) FROM {table} h JOIN {leased} r ON r.host_id = h.host_id
WHERE h.{subnet} = ANY (%s) AND to_jsonb(r) ->> 'excluded_prefix' IS NOT NULL
"""
_STAGE = """
CREATE TEMP TABLE kea_reservation_staged (identifier bytea, identifier_type smallint, subnet_id bigint, {staged},
    user_context text) ON COMMIT DROP
"""
_UPDATE = """
UPDATE {table} h SET ({fields}, user_context) = ROW ({values}, nullif(s.user_context, ''))
FROM pg_temp.kea_reservation_staged s WHERE {same}
"""
_INSERT = """
INSERT INTO {table} (dhcp_identifier, dhcp_identifier_type, {subnet}, {fields}, user_context)
SELECT s.identifier, s.identifier_type, s.subnet_id, {values}, nullif(s.user_context, '')
FROM pg_temp.kea_reservation_staged s WHERE NOT EXISTS (SELECT FROM {table} h WHERE {same})
"""
_DELETE = """
DELETE FROM {table} h USING pg_temp.kea_reservation_staged s WHERE {same} AND {unchanged}
"""
_CLEAR6 = """
DELETE FROM {leased} r USING {table} h, pg_temp.kea_reservation_staged s WHERE r.host_id = h.host_id AND {same}
"""
# Kea reads them in the order of their rows.
_FILL6 = """
INSERT INTO {leased} (address, prefix_len, type, host_id)
SELECT r.address, r.prefix_len, r.type, h.host_id
  FROM {table} h
  JOIN pg_temp.kea_reservation_staged s ON {same}
 CROSS JOIN LATERAL (
       SELECT one::{type} AS address, 128 AS prefix_len, 0 AS type, number
         FROM unnest(string_to_array(s.addresses, ' ')) WITH ORDINALITY AS a (one, number)
        UNION ALL
       SELECT split_part(one, '/', 1)::{type}, split_part(one, '/', 2)::int, 2, number
         FROM unnest(string_to_array(s.prefixes, ' ')) WITH ORDINALITY AS p (one, number)) r
 ORDER BY h.host_id, r.type, r.number
"""
_TYPE6 = """
SELECT format_type(a.atttypid, NULL) FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace WHERE (n.nspname, c.relname, a.attname) = (%s, %s, 'address')
"""


class ReservationTable:
    """The table hosts of the database of a session, for one family."""

    def __init__(self, session: Session, schema: str, family: int) -> None:
        self._session = session
        self._family = family
        self._leased = (schema, "ipv6_reservations")
        form = _FORMS[family]
        names: Dict[str, Part] = {"subnet": form.subnet, "leased": self._leased}
        templates = {
            "read": form.read,
            "staged": form.staged,
            "fields": form.fields,
            "values": form.values,
            "unchanged": form.unchanged,
            "same": _SAME,
        }
        self._parts: Dict[str, Part] = {
            **names,
            "table": (schema, "hosts"),
            "options": (schema, form.options),
            **{name: Words(session.compose(text, **names)) for name, text in templates.items()},
        }

    def read(self, subnets: Sequence[int]) -> List[Reservation]:
        """Return the reservations of these subnets. Raises PostgresError."""
        rows = self._session.fetch(_READ, [list(subnets)], **self._parts)
        kind = Reservation6 if self._family == 6 else Reservation4
        return [kind(bytes(row[0]), *row[1:]) for row in rows]

    def check_for_files(self, subnets: Sequence[int]) -> None:
        """Raise KeaError if there are reservations that files cannot hold."""
        everywhere, with_options = self._session.fetch(_UNFIT_FOR_FILES, [list(subnets)], **self._parts)[0]
        if everywhere or with_options:
            prefix = f"kea_dhcp{self._family}"
            raise KeaError(
                f"{everywhere} global reservations and {with_options} with options of their own are in the table hosts "
                f"and would be lost in files: write them to {prefix}_settings (reservations) or to {prefix}_subnets "
                "first, and delete them from hosts"
            )
        excluded = self._session.fetch(_EXCLUDED, [list(subnets)], **self._parts)[0][0] if self._family == 6 else 0
        if excluded:
            raise KeaError(
                f"{excluded} reservations in the table hosts have excluded prefixes (ipv6_reservations), which would "
                "be lost in files: write them to kea_dhcp6_subnets first, and delete them from hosts"
            )

    def merge(self, wanted: Sequence[Reservation], unwanted: Sequence[Reservation]) -> bool:
        """Write the wanted reservations, and delete the unwanted ones that are unchanged, in an open transaction.

        Returns whether that changed anything; ``commit`` makes it last. Raises KeaError.
        """
        subnets = sorted({one.subnet_id for one in [*wanted, *unwanted]})
        before = {one.key: one for one in self.read(subnets)}
        keys = {one.key for one in wanted}
        gone = [one for one in unwanted if one.key not in keys and before.get(one.key) == one]
        gone_keys = {one.key for one in gone}
        _check_addresses(wanted, [one for key, one in before.items() if key not in gone_keys])
        changed = bool(gone) or any(before.get(one.key) != one for one in wanted)
        if changed:
            self._session.run("BEGIN")
            self._apply(gone, [_DELETE])
            self._apply(wanted, [_UPDATE, _INSERT, *((_CLEAR6, _FILL6) if self._family == 6 else ())])
            after = {one.key: one for one in self.read(subnets)}
            missing = [one.text for one in wanted if after.get(one.key) != one]
            if missing:
                raise KeaError(f"the reservation for {missing[0]} was changed by the move")
        return changed

    def commit(self) -> None:
        """Commit what ``merge`` changed."""
        self._session.run("COMMIT")

    def _apply(self, rows: Sequence[Reservation], statements: Sequence[str]) -> None:
        """Run these statements on the staged rows."""
        self._session.run(_STAGE, **self._parts)
        copy_in(self._session, "COPY pg_temp.kea_reservation_staged FROM STDIN", rows)
        for statement in statements:
            self._session.run(statement, type=Words(self._type()), **self._parts)
        self._session.run("DROP TABLE pg_temp.kea_reservation_staged")

    def _type(self) -> str:
        """Return the type of the addresses of DHCPv6: text up to schema 17.0, and later inet."""
        found = self._session.fetch(_TYPE6, self._leased)
        return "inet" if found and found[0][0] == "inet" else "text"


def _check_addresses(wanted: Sequence[Reservation], present: Sequence[Reservation]) -> None:
    """Raise KeaError for two reservations of one address in a subnet, which the database itself would accept."""
    keys = {one.key for one in wanted}
    holders: Dict[Tuple[int, str], Key] = {}
    others = [other for other in present if other.key not in keys]
    for one, claim in ((each, claim) for each in [*wanted, *others] for claim in each.claims):
        holder = holders.setdefault((one.subnet_id, claim), one.key)
        if holder != one.key:
            raise KeaError(
                f"the reservation for {one.text} has the same address as the one for {identifiers.spell(holder[0])}: "
                "delete one of the two (one of them is in the table hosts)"
            )
