# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: the reservations in files that Kea's configuration includes and the monitor writes.

Kea's user moves them, and may read the monitor's own directory but not write there. What is moved to files waits beside
Kea's includes for the start of the monitor, which puts it into the monitor's directory.
"""

from __future__ import annotations

import contextlib
import glob
import json
import os
import re
import time
from typing import Dict, Iterable, List, Sequence

from . import reservation as reservation_maps
from .._errors import KeaError
from .._kea import durable, tree
from .._kea import reservation_files as included
from .reservation import Reservation
from .reservation4 import Reservation4
from .reservation6 import Reservation6

APPLIED = "applied"
"""Directory of the files that Kea includes; the applier writes them once Kea has accepted what the monitor wrote."""
FROM_DATABASE = ".moved-from-database"
"""File that exists while reservations of the database wait to replace those in the monitor's directory."""
LEFT = ".left-in-database.json"
"""File with the reservations that a move to files left in the database."""


class ReservationFiles:
    """The directory of one Kea."""

    def __init__(self, directory: str, written: str, family: int) -> None:
        """``written`` is the monitor's own directory."""
        self._family = family
        self._directory = directory
        self._written = written

    def read(self) -> List[Reservation]:
        """Return all reservations. Raises KeaError for a file that cannot be moved to a database."""
        found: List[Reservation] = []
        for path in self.paths():
            subnet_id = int(re.sub(r"\D", "", os.path.basename(path)))
            try:
                found += reservation_maps.parse(included.whole(path).decode("utf-8"), subnet_id, self._family)
            except (OSError, ValueError) as error:
                raise KeaError(f"{path}: {error}") from error
        return found

    def paths(self) -> List[str]:
        """Return one path for each subnet: the monitor's file or, if it wrote none, the one that Kea includes.

        A file beside Kea's includes waits to become the monitor's.
        """
        by_name: Dict[str, str] = {}
        for directory in (os.path.join(self._directory, APPLIED), self._written, self._directory):
            paths = glob.glob(os.path.join(glob.escape(directory), "subnet-*.json"))
            by_name.update({os.path.basename(path): path for path in paths if os.path.getsize(path) > 0})
        return [by_name[name] for name in sorted(by_name) if re.fullmatch(r"subnet-\d+\.json", name)]

    def write(self, reservations: Sequence[Reservation], subnets: Iterable[int], check: bool) -> bool:
        """Write the files of these subnets and those that Kea includes, and return whether any of them changed.

        With ``check``, only return that.
        """
        changed = False
        for subnet in subnets:
            text = reservation_maps.render(one for one in reservations if one.subnet_id == subnet).lstrip("\n")
            name = f"subnet-{subnet}.json"
            waiting, applied = os.path.join(self._directory, name), os.path.join(self._directory, APPLIED, name)
            known = waiting if os.path.lexists(waiting) else os.path.join(self._written, name)
            for path, present in ((waiting, _text(known)), (applied, _text(applied))):
                if present != text:
                    changed = True
                    if not check:
                        _replace(os.path.join(self._directory, FROM_DATABASE), "")
                        _replace(path, text)
        return changed

    def to_set_aside(self) -> List[str]:
        """Return the files that ``set_aside`` moves. Those in the monitor's own directory stay there, unread."""
        return glob.glob(os.path.join(glob.escape(self._directory), "**", "subnet-*.json"), recursive=True)

    def set_aside(self) -> List[str]:
        """Move the files to a directory that neither Kea nor the monitor reads, and return their new paths."""
        kept = os.path.join(self._directory, f".before-{time.strftime('%Y%m%dT%H%M%S')}")
        moved = []
        for path in self.to_set_aside():
            target = os.path.join(kept, os.path.relpath(path, self._directory))
            tree.make_directories(os.path.dirname(target), 0o750)
            with tree.at(path, follow=False) as old, tree.at(target, follow=False) as new:
                os.rename(old.name, new.name, src_dir_fd=old.directory, dst_dir_fd=new.directory)
            moved.append(target)
        return sorted(moved)

    def left(self, database: str) -> List[Reservation]:
        """Return the reservations as they were when they were moved here from that database."""
        text = _text(os.path.join(self._directory, LEFT))
        state = json.loads(text) if text else {}
        rows = state["reservations"] if state.get("database") == database else []
        kind = Reservation6 if self._family == 6 else Reservation4
        return [kind(bytes.fromhex(row[0]), *row[1:]) for row in rows]

    def leave(self, database: str, reservations: Sequence[Reservation]) -> None:
        """Record that these reservations were moved here from that database."""
        rows = [[one.identifier.hex(), *one[1:]] for one in reservations]
        _replace(os.path.join(self._directory, LEFT), json.dumps({"database": database, "reservations": rows}))


def _text(path: str) -> str:
    """Return the content of a file, empty for none."""
    with contextlib.suppress(FileNotFoundError):
        return included.whole(path).decode("utf-8")
    return ""


def _replace(path: str, text: str) -> None:
    """Write a file for the owner of its directory, readable for its group."""
    directory = tree.status(os.path.dirname(path))
    owner = (directory.st_uid, directory.st_gid) if directory and os.geteuid() == 0 else None
    durable.replace(path, text.encode(), 0o640, owner)
