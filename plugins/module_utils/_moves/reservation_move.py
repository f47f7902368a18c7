# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: reservations between the files that the monitor writes and Kea's table hosts; none is forgotten.

What is left behind in a database is remembered beside the files, so that what a person deletes from them later does not
come back from there.
"""

from __future__ import annotations

import contextlib
import glob
import json
import os
import re
import time
from typing import TYPE_CHECKING, Any, Dict, Iterable, List, Sequence

from .._errors import KeaError
from .._kea import durable
from .._postgres import session
from . import reservation_rows
from .._postgres.copy import copy_in
from .reservation_rows import Key, Reservation

if TYPE_CHECKING:
    from psycopg2 import extensions

APPLIED = "applied"
"""Copies that Kea includes; the lease monitor's helper makes them of the files when Kea has accepted those."""
LEFT = ".left-in-database.json"

_COLUMNS = """coalesce(ipv4_address, 0), coalesce(hostname, ''), coalesce(dhcp4_client_classes, ''),
    coalesce(dhcp4_next_server, 0), coalesce(dhcp4_server_hostname, ''), coalesce(dhcp4_boot_file_name, ''),
    coalesce(user_context, '')"""
_READ = f"""
SELECT dhcp_identifier, dhcp_identifier_type, dhcp4_subnet_id, {_COLUMNS}
FROM {{table}} WHERE dhcp4_subnet_id = ANY (%s) ORDER BY ipv4_address, host_id
"""  # noqa: S608 - made of constants of this file; the table is quoted by psycopg2.sql
_LOST = """
SELECT count(*) FILTER (WHERE h.dhcp4_subnet_id = 0), count(*) FILTER (WHERE o.host_id IS NOT NULL)
FROM {table} h LEFT JOIN (SELECT DISTINCT host_id FROM {options} WHERE host_id IS NOT NULL) o ON o.host_id = h.host_id
WHERE h.dhcp4_subnet_id = 0 OR h.dhcp4_subnet_id = ANY (%s)
"""
_STAGE = """
CREATE TEMP TABLE kea_reservation_staged (identifier bytea, identifier_type smallint, subnet_id bigint,
    ipv4_address bigint, hostname text, client_classes text, next_server bigint, server_hostname text,
    boot_file_name text, user_context text) ON COMMIT DROP
"""
_VALUES = """nullif(s.ipv4_address, 0), nullif(s.hostname, ''), nullif(s.client_classes, ''),
    nullif(s.next_server, 0), nullif(s.server_hostname, ''), nullif(s.boot_file_name, ''), nullif(s.user_context, '')"""
_FIELDS = """ipv4_address, hostname, dhcp4_client_classes, dhcp4_next_server, dhcp4_server_hostname,
    dhcp4_boot_file_name, user_context"""
_SAME = """h.dhcp_identifier = s.identifier AND h.dhcp_identifier_type = s.identifier_type
    AND h.dhcp4_subnet_id = s.subnet_id"""
_UPDATE = f"""
UPDATE {{table}} h SET ({_FIELDS}) = ROW ({_VALUES}) FROM pg_temp.kea_reservation_staged s WHERE {_SAME}
"""  # noqa: S608 - made of constants of this file; the table is quoted by psycopg2.sql
_INSERT = f"""
INSERT INTO {{table}} (dhcp_identifier, dhcp_identifier_type, dhcp4_subnet_id, {_FIELDS})
SELECT s.identifier, s.identifier_type, s.subnet_id, {_VALUES} FROM pg_temp.kea_reservation_staged s
WHERE NOT EXISTS (SELECT FROM {{table}} h WHERE {_SAME})
"""  # noqa: S608 - made of constants of this file; the table is quoted by psycopg2.sql
_DELETE = f"""
DELETE FROM {{table}} h USING pg_temp.kea_reservation_staged s
WHERE {_SAME} AND coalesce(h.ipv4_address, 0) = s.ipv4_address
"""  # noqa: S608 - made of constants of this file; the table is quoted by psycopg2.sql


class ReservationMoveError(KeaError):
    """Nothing was changed; says why and what to do."""


class ReservationFiles:
    """The directory of one Kea."""

    def __init__(self, directory: str) -> None:
        self._directory = directory

    def read(self) -> List[Reservation]:
        """Raises ReservationMoveError for a file that cannot be carried."""
        found: List[Reservation] = []
        for path in self.paths():
            subnet_id = int(re.sub(r"\D", "", os.path.basename(path)))
            try:
                with open(path, encoding="utf-8") as file:
                    found += reservation_rows.parse(file.read(), subnet_id)
            except (OSError, ValueError) as error:
                raise ReservationMoveError(f"{path}: {error}") from error
        return found

    def paths(self) -> List[str]:
        """One for each subnet: the monitor's file or, where it has written none, the copy that Kea includes."""
        by_name: Dict[str, str] = {}
        for directory in (os.path.join(self._directory, APPLIED), self._directory):
            paths = glob.glob(os.path.join(glob.escape(directory), "subnet-*.json"))
            by_name.update({os.path.basename(path): path for path in paths if os.path.getsize(path) > 0})
        return [by_name[name] for name in sorted(by_name) if re.fullmatch(r"subnet-\d+\.json", name)]

    def write(self, reservations: Sequence[Reservation], subnets: Iterable[int], check: bool) -> bool:
        """The files of these subnets, for Kea and for the monitor. Returns whether any of them was another."""
        changed = False
        for subnet in subnets:
            text = reservation_rows.render([one for one in reservations if one.subnet_id == subnet]).lstrip("\n")
            for directory in (self._directory, os.path.join(self._directory, APPLIED)):
                path = os.path.join(directory, f"subnet-{subnet}.json")
                if _text(path) != text:
                    changed = True
                    if not check:
                        _replace(path, text)
        return changed

    def set_aside(self) -> List[str]:
        """Out of everybody's sight, and kept."""
        kept = os.path.join(self._directory, f".before-{time.strftime('%Y%m%dT%H%M%S')}")
        moved = []
        for path in glob.glob(os.path.join(glob.escape(self._directory), "**", "subnet-*.json"), recursive=True):
            target = os.path.join(kept, os.path.relpath(path, self._directory))
            os.makedirs(os.path.dirname(target), mode=0o750, exist_ok=True)
            os.rename(path, target)
            moved.append(target)
        return sorted(moved)

    def left(self, database: str) -> List[Reservation]:
        """What this directory's reservations were when they were carried here out of that database."""
        text = _text(os.path.join(self._directory, LEFT))
        state = json.loads(text) if text else {}
        rows = state["reservations"] if state.get("database") == database else []
        return [Reservation(bytes.fromhex(row[0]), *row[1:]) for row in rows]

    def leave(self, database: str, reservations: Sequence[Reservation]) -> None:
        """Remember them."""
        rows = [[one.identifier.hex(), *one[1:]] for one in reservations]
        _replace(os.path.join(self._directory, LEFT), json.dumps({"database": database, "reservations": rows}))


class ReservationTable:
    """The table of the database that a cursor is connected to."""

    def __init__(self, cursor: "extensions.cursor", schema: str) -> None:
        self._cursor = cursor
        self._table = (schema, "hosts")
        self._options = (schema, "dhcp4_options")

    def read(self, subnets: Sequence[int]) -> List[Reservation]:
        """Raises PostgresError."""
        query = session.compose(self._cursor, _READ, table=self._table)
        rows = session.fetch(self._cursor, query, [list(subnets)])
        return [Reservation(bytes(row[0]), *row[1:]) for row in rows]

    def check_for_files(self, subnets: Sequence[int]) -> None:
        """Raises ReservationMoveError for reservations that such files have no place for."""
        query = session.compose(self._cursor, _LOST, table=self._table, options=self._options)
        everywhere, with_options = session.fetch(self._cursor, query, [list(subnets)])[0]
        if everywhere or with_options:
            raise ReservationMoveError(
                f"{everywhere} global reservations and {with_options} with options of their own are in the table hosts "
                "and would be forgotten in files: write them into kea_dhcp4_settings (reservations) or into "
                "kea_dhcp4_subnets first, and delete them from hosts"
            )

    def merge(self, wanted: Sequence[Reservation], unwanted: Sequence[Reservation]) -> bool:
        """All in one transaction. Returns whether anything was missing or another. Raises PostgresError and
        ReservationMoveError.
        """
        subnets = sorted({one.subnet_id for one in [*wanted, *unwanted]})
        before = {one.key: one for one in self.read(subnets)}
        keys = {one.key for one in wanted}
        gone = [one for one in unwanted if one.key not in keys and before.get(one.key) == one]
        changed = bool(gone) or any(before.get(one.key) != one for one in wanted)
        rest = [one for key, one in before.items() if key not in {other.key for other in gone}]
        _check_addresses(wanted, rest)
        if changed:
            session.run(self._cursor, "BEGIN")
            for rows, statements in ((gone, [_DELETE]), (wanted, [_UPDATE, _INSERT])):
                self._stage(rows)
                for statement in statements:
                    session.run(self._cursor, session.compose(self._cursor, statement, table=self._table))
                session.run(self._cursor, "DROP TABLE pg_temp.kea_reservation_staged")
            after = {one.key: one for one in self.read(subnets)}
            missing = [one.text for one in wanted if after.get(one.key) != one]
            if missing:
                raise ReservationMoveError(f"the reservation for {missing[0]} did not arrive as it was")
        return changed

    def commit(self) -> None:
        session.run(self._cursor, "COMMIT")

    def _stage(self, rows: Sequence[Reservation]) -> None:
        session.run(self._cursor, _STAGE)
        copy_in(self._cursor, "COPY pg_temp.kea_reservation_staged FROM STDIN", rows)


def to_database(cursor: "extensions.cursor", params: Dict[str, Any], check: bool) -> Dict[str, Any]:
    """The module's result. Raises PostgresError and ReservationMoveError."""
    files, table = ReservationFiles(params["directory"]), ReservationTable(cursor, params["schema"])
    wanted = files.read()
    name = _name(params)
    changed = bool(wanted) if check else table.merge(wanted, files.left(name))
    if changed and not check:
        table.commit()
    result: Dict[str, Any] = {"changed": changed, "reservations": len(wanted)}
    if params["set_aside"]:
        result["changed"] = changed or bool(files.paths())
        result["set_aside"] = [] if check else files.set_aside()
    return result


def to_files(cursor: "extensions.cursor", params: Dict[str, Any], check: bool) -> Dict[str, Any]:
    """The module's result. Raises PostgresError and ReservationMoveError."""
    files, table = ReservationFiles(params["directory"]), ReservationTable(cursor, params["schema"])
    table.check_for_files(params["subnets"])
    found = table.read(params["subnets"])
    changed = files.write(found, params["subnets"], check)
    if not check:
        files.leave(_name(params), found)
    return {"changed": changed, "reservations": len(found)}


def _name(params: Dict[str, Any]) -> str:
    return f"{params['login_host'] or params['login_unix_socket']}:{params['login_port']}/{params['login_db']}"


def _check_addresses(wanted: Sequence[Reservation], present: Sequence[Reservation]) -> None:
    """The database itself would take two reservations of one address."""
    keys = {one.key for one in wanted}
    holders: Dict[Any, Key] = {}
    for one in [*wanted, *(other for other in present if other.key not in keys)]:
        place = (one.subnet_id, one.ipv4_address)
        if one.ipv4_address and holders.setdefault(place, one.key) != one.key:
            raise ReservationMoveError(
                f"the reservation for {one.text} has the same address as the one for {holders[place][0].hex(':')}: "
                "decide which of the two shall have it (one is in the table hosts)"
            )


def _text(path: str) -> str:
    with contextlib.suppress(FileNotFoundError), open(path, encoding="utf-8") as file:
        return file.read()
    return ""


def _replace(path: str, text: str) -> None:
    """As its directory's owner, and for its group."""
    directory = os.stat(os.path.dirname(path))
    owner = (directory.st_uid, directory.st_gid) if os.geteuid() == 0 else None
    durable.replace(path, text.encode(), 0o640, owner)
