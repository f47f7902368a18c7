# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: the reservations in Kea's table hosts."""

from __future__ import annotations

from typing import Dict, List, Sequence, Tuple

from .._errors import KeaError
from .._kea import identifiers
from .._postgres.copy import copy_in
from .._postgres.parts import Words
from .._postgres.session import Session
from .reservation import Key, Reservation

_READ = """
SELECT dhcp_identifier, dhcp_identifier_type, dhcp4_subnet_id, coalesce(ipv4_address, 0), coalesce(hostname, ''),
    coalesce(dhcp4_client_classes, ''), coalesce(dhcp4_next_server, 0), coalesce(dhcp4_server_hostname, ''),
    coalesce(dhcp4_boot_file_name, ''), coalesce(user_context, '')
FROM {table} WHERE dhcp4_subnet_id = ANY (%s) ORDER BY ipv4_address, host_id
"""
_UNFIT_FOR_FILES = """
SELECT count(*) FILTER (WHERE h.dhcp4_subnet_id = 0), count(*) FILTER (WHERE o.host_id IS NOT NULL)
FROM {table} h LEFT JOIN (SELECT DISTINCT host_id FROM {options} WHERE host_id IS NOT NULL) o ON o.host_id = h.host_id
WHERE h.dhcp4_subnet_id = 0 OR h.dhcp4_subnet_id = ANY (%s)
"""
_STAGE = """
CREATE TEMP TABLE kea_reservation_staged (identifier bytea, identifier_type smallint, subnet_id bigint,
    ipv4_address bigint, hostname text, client_classes text, next_server bigint, server_hostname text,
    boot_file_name text, user_context text) ON COMMIT DROP
"""
_UPDATE = "UPDATE {table} h SET ({fields}) = ROW ({values}) FROM pg_temp.kea_reservation_staged s WHERE {same}"
_INSERT = """
INSERT INTO {table} (dhcp_identifier, dhcp_identifier_type, dhcp4_subnet_id, {fields})
SELECT s.identifier, s.identifier_type, s.subnet_id, {values} FROM pg_temp.kea_reservation_staged s
WHERE NOT EXISTS (SELECT FROM {table} h WHERE {same})
"""
_DELETE = """
DELETE FROM {table} h USING pg_temp.kea_reservation_staged s
WHERE {same} AND coalesce(h.ipv4_address, 0) = s.ipv4_address
"""
_PARTS = {
    "fields": Words(
        """ipv4_address, hostname, dhcp4_client_classes, dhcp4_next_server, dhcp4_server_hostname,
    dhcp4_boot_file_name, user_context"""
    ),
    "values": Words(
        """nullif(s.ipv4_address, 0), nullif(s.hostname, ''), nullif(s.client_classes, ''),
    nullif(s.next_server, 0), nullif(s.server_hostname, ''), nullif(s.boot_file_name, ''), nullif(s.user_context, '')"""
    ),
    "same": Words(
        """h.dhcp_identifier = s.identifier AND h.dhcp_identifier_type = s.identifier_type
    AND h.dhcp4_subnet_id = s.subnet_id"""
    ),
}
"""Parts of the three statements above."""


class ReservationTable:
    """The table hosts of the database of a session."""

    def __init__(self, session: Session, schema: str) -> None:
        self._session = session
        self._table = (schema, "hosts")
        self._options = (schema, "dhcp4_options")

    def read(self, subnets: Sequence[int]) -> List[Reservation]:
        """Return the reservations of these subnets. Raises PostgresError."""
        rows = self._session.fetch(_READ, [list(subnets)], table=self._table)
        return [Reservation(bytes(row[0]), *row[1:]) for row in rows]

    def check_for_files(self, subnets: Sequence[int]) -> None:
        """Raise KeaError if there are reservations that files cannot hold."""
        parts = {"table": self._table, "options": self._options}
        everywhere, with_options = self._session.fetch(_UNFIT_FOR_FILES, [list(subnets)], **parts)[0]
        if everywhere or with_options:
            raise KeaError(
                f"{everywhere} global reservations and {with_options} with options of their own are in the table hosts "
                "and would be lost in files: write them to kea_dhcp4_settings (reservations) or to kea_dhcp4_subnets "
                "first, and delete them from hosts"
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
            self._apply(wanted, [_UPDATE, _INSERT])
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
        self._session.run(_STAGE)
        copy_in(self._session, "COPY pg_temp.kea_reservation_staged FROM STDIN", rows)
        for statement in statements:
            self._session.run(statement, table=self._table, **_PARTS)
        self._session.run("DROP TABLE pg_temp.kea_reservation_staged")


def _check_addresses(wanted: Sequence[Reservation], present: Sequence[Reservation]) -> None:
    """Raise KeaError for two reservations of one address in a subnet, which the database itself would accept."""
    keys = {one.key for one in wanted}
    holders: Dict[Tuple[int, int], Key] = {}
    for one in [*wanted, *(other for other in present if other.key not in keys)]:
        key = (one.subnet_id, one.ipv4_address)
        if one.ipv4_address and holders.setdefault(key, one.key) != one.key:
            raise KeaError(
                f"the reservation for {one.text} has the same address as the one for "
                f"{identifiers.spell(holders[key][0])}: delete one of the two (one of them is in the table hosts)"
            )
