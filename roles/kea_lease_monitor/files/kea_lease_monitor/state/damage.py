# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A damaged state file is set aside: without a bookmark all leases are read again, which repeats idempotent effects.

It holds nothing that cannot be rebuilt but dead letters and requests, so the file is renamed and never deleted.
"""

from __future__ import annotations

import os
import stat
import time

from kea_lease_monitor import files, telemetry
from kea_lease_monitor.errors import DamagedError
from kea_lease_monitor.state import schema
from kea_lease_monitor.state.engine import open_engine, translated
from kea_lease_monitor.state.location import StateLocation
from kea_lease_monitor.state.tables import METADATA

_COMPANIONS = ("-wal", "-shm", "-journal", "")
"""SQLite's files, by what it appends to the name. The database is renamed last: until then it counts as damaged."""


def set_aside(location: StateLocation) -> None:
    """Rename the state file and its companions if it is damaged. Raises TemporaryError.

    A full disk, a missing right or another program's lock is no damage.
    """
    problem = "" if location.shared else _problem(location)
    if not problem:
        return
    real = os.path.realpath(location.path)
    path = real if os.path.isfile(real) else location.path
    kept = _unused(f"{path}.damaged-{time.strftime('%Y%m%dT%H%M%S')}")
    for suffix in _COMPANIONS:
        files.rename(path + suffix, kept + suffix)
    files.sync_directory(os.path.dirname(path))
    telemetry.state_damaged(kept, problem)


def _problem(location: StateLocation) -> str:
    """Return what is wrong with the file; empty if nothing is, or if there is none. Raises TemporaryError."""
    try:
        mode = os.stat(location.path).st_mode
    except OSError:
        return ""
    if not stat.S_ISREG(mode):
        return "it is no regular file"
    engine = open_engine(location)
    try:
        with translated(location), engine.begin() as connection:
            found = [str(row[0]) for row in connection.exec_driver_sql("PRAGMA quick_check(1)")]
            if found != ["ok"]:
                return " ".join(found[0].split())
            if schema.current(connection) != schema.versions()[-1]:
                return ""
            known = {str(row[0]) for row in connection.exec_driver_sql("SELECT name FROM sqlite_master")}
            missing = sorted(set(METADATA.tables) - known)
            return f"it has no table {', '.join(missing)}" if missing else ""
    except DamagedError as error:
        return str(error)
    finally:
        engine.dispose()


def _unused(path: str) -> str:
    found, number = path, 1
    while os.path.lexists(found):
        found, number = f"{path}-{number}", number + 1
    return found
