# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: what a host must remember of its moves: one that is not finished, and leases of no use in a database.

Rows are of no use that an interrupted move brought there, and those that were carried away from there: brought back to
life later, they would take addresses from clients that have given them up long ago.
"""

from __future__ import annotations

import json
import os
from typing import IO, Any, Dict, List, Optional, Sequence, Tuple

from .._errors import KeaError
from .._kea import durable

VERSION = 1
DIRECTORY = "/var/lib/baremetal-kea"


class LeaseMoveError(KeaError):
    """The leases stay where they are; says why and what to do."""


class Journal:
    """A small file, written anew and made durable before each step that it tells of."""

    def __init__(self, directory: str) -> None:
        """Raises LeaseMoveError for a file that cannot be read."""
        self._directory = directory
        self._path = os.path.join(directory, "lease-move.json")
        self.lock_path = os.path.join(directory, "lease-move.lock")
        self._state: Dict[str, Any] = {"version": VERSION, "unfinished": None, "residue": {}}
        try:
            with open(self._path, encoding="utf-8") as file:
                self._state = json.load(file)
        except FileNotFoundError:
            pass
        except (OSError, ValueError) as error:
            raise LeaseMoveError(f"{self._path} cannot be read: {error}") from error
        if self._state.get("version") != VERSION:
            raise LeaseMoveError(f"{self._path} was written by a newer version of this collection")

    @property
    def unfinished(self) -> Optional[Dict[str, str]]:
        """C(source), C(target) and C(backup) of a move that nobody saw the end of."""
        unfinished: Optional[Dict[str, str]] = self._state["unfinished"]
        return unfinished

    def residue(self, key: str) -> List[Tuple[int, int]]:
        """Address and end of rows of no use in the database of that key."""
        return [tuple(row) for row in self._state["residue"].get(key, [])]

    def open(self, source: str, target: str, backup: str, ends: Sequence[Tuple[int, int]]) -> None:
        """Before the first lease is carried: from now on these rows count nowhere but where Kea serves from."""
        residue = self._state["residue"]
        residue[source] = list(ends)
        residue[target] = sorted({*self.residue(target), *ends})
        self._state["unfinished"] = {"source": source, "target": target, "backup": backup}
        self._write()

    def close(self, target: str) -> None:
        """Kea serves from there, so that all rows count there again."""
        if self._state["unfinished"] is None and target not in self._state["residue"]:
            return
        self._state["residue"].pop(target, None)
        self._state["unfinished"] = None
        self._write()

    def lock(self) -> IO[str]:
        """The open file that a move locks; the kernel gives it free with the process."""
        os.makedirs(self._directory, mode=0o755, exist_ok=True)
        return open(self.lock_path, "w", encoding="utf-8")

    def _write(self) -> None:
        os.makedirs(self._directory, mode=0o755, exist_ok=True)
        durable.replace(self._path, json.dumps(self._state).encode(), 0o600)
