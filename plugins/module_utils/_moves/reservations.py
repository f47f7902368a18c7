# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: moves reservations between the files that the monitor writes and Kea's table hosts, and loses none.

A move to files leaves the rows in the database, and records them next to the files. So a later move to the database
deletes the rows whose reservations a person has deleted from the files meanwhile.
"""

from __future__ import annotations

import contextlib
import json
from typing import Any, Dict, List, Tuple

from .._config.servers import INCLUDES, WRITTEN
from .._postgres.session import Session
from .._reservations.host_table import GIVEN
from .reservation import Reservation
from .reservation_files import ReservationFiles
from .reservation_table import ReservationTable


def to_database(session: Session, params: Dict[str, Any]) -> Dict[str, Any]:
    """Move the reservations of the files to the database, and return the module's result. Raises KeaError."""
    files, table = _stores(session, params)
    wanted, check = files.read(), session.readonly
    if wanted and not check:
        wanted = _without_given(wanted, table.read(sorted({one.subnet_id for one in wanted})))
    changed = bool(wanted) if check else table.merge(wanted, files.left(_name(params)))
    if changed and not check:
        table.commit()
    result: Dict[str, Any] = {"changed": changed, "reservations": len(wanted)}
    if params["set_aside"]:
        result["changed"] = changed or bool(files.to_set_aside())
        result["set_aside"] = [] if check else files.set_aside()
    return result


def to_files(session: Session, params: Dict[str, Any]) -> Dict[str, Any]:
    """Write the reservations of the database to the files, and return the module's result. Raises KeaError."""
    files, table = _stores(session, params)
    table.check_for_files(params["subnets"])
    found = [one for one in table.read(params["subnets"]) if not _is_given(one)]
    changed = files.write(found, params["subnets"], session.readonly)
    if not session.readonly:
        files.leave(_name(params), found)
    return {"changed": changed, "reservations": len(found)}


def _stores(session: Session, params: Dict[str, Any]) -> Tuple[ReservationFiles, ReservationTable]:
    family = params["family"]
    directory, written = params["directory"] or INCLUDES[family], params["written"] or WRITTEN[family]
    return ReservationFiles(directory, written, family), ReservationTable(session, params["schema"], family)


def _without_given(wanted: List[Reservation], present: List[Reservation]) -> List[Reservation]:
    """Return those whose client and address the variables give to no other row of the database: the variables decide.

    The play writes its rows before Kea reads the database, and moves the last reservations of the files after that.
    """
    given = [one for one in present if _is_given(one)]
    clients = {one.key for one in given}
    claims = {(one.subnet_id, claim) for one in given for claim in one.claims}
    return [
        one
        for one in wanted
        if one.key not in clients and not any((one.subnet_id, claim) in claims for claim in one.claims)
    ]


def _is_given(one: Reservation) -> bool:
    """Return whether the variables give this address: then the play writes it into the configuration."""
    with contextlib.suppress(ValueError, AttributeError):
        # Of an address in DHCPv6, too.
        return "ip-address" in json.loads(one.user_context or "{}").get(GIVEN, {})
    return False


def _name(params: Dict[str, Any]) -> str:
    return f"{params['login_host'] or params['login_unix_socket']}:{params['login_port']}/{params['login_db']}"
