# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: the record of a host's moves: the unfinished move, and the stale rows in each lease database.

Stale rows are copies left by an interrupted move, or leases that were moved to another database. Served again, they
would claim addresses that their clients gave up.
"""

from __future__ import annotations

import json
import os
from typing import Any, ContextManager, Dict, List, Optional, Sequence, Tuple

from .._errors import KeaError
from .._kea import durable, locks, tree

VERSION = 1
DIRECTORY = "/var/lib/baremetal-kea"


class Journal:
    """A small file, replaced and synced before each step that it records."""

    def __init__(self, directory: str, family: int) -> None:
        """Read the journal of the server of this family in this directory. Raises KeaError if it cannot be read."""
        self._directory = directory
        self._path = os.path.join(directory, f"lease-move{family if family == 6 else ''}.json")
        self.lock_path = os.path.join(directory, "lease-move.lock")
        self._state: Dict[str, Any] = {"version": VERSION, "unfinished": None, "residue": {}}
        try:
            self._state = json.loads(tree.text(self._path))
        except FileNotFoundError:
            pass
        except (OSError, ValueError) as error:
            raise KeaError(f"{self._path} cannot be read: {error}") from error
        if self._state.get("version") != VERSION:
            raise KeaError(f"{self._path} was written by a newer version of this collection")

    @property
    def unfinished(self) -> Optional[Dict[str, str]]:
        """Return ``source``, ``target`` and ``backup`` of the unfinished move; None if the last move finished."""
        unfinished: Optional[Dict[str, str]] = self._state["unfinished"]
        return unfinished

    def residue(self, key: str) -> List[Tuple[int, int]]:
        """Return address and ``expire`` of the stale rows in the lease database of that key."""
        return [(int(address), int(expire)) for address, expire in self._state["residue"].get(key, [])]

    def open(self, source: str, target: str, backup: str, ends: Sequence[Tuple[int, int]]) -> None:
        """Record a move before its first lease is stored: these rows count only in the database that Kea serves from.

        ``source`` and ``target`` are keys, ``backup`` is the path of the previous configuration.
        """
        residue = self._state["residue"]
        residue[source] = list(ends)
        residue[target] = sorted({*self.residue(target), *ends})
        self._state["unfinished"] = {"source": source, "target": target, "backup": backup}
        self._write()

    def close(self, target: str) -> None:
        """Record that Kea serves from ``target``, so that all rows there count again."""
        if self._state["unfinished"] is None and target not in self._state["residue"]:
            return
        self._state["residue"].pop(target, None)
        self._state["unfinished"] = None
        self._write()

    def lock(self) -> ContextManager[int]:
        """Return what holds the lock of the moves. It raises LockedError if another process keeps it for 10 s.

        The guard of the previous move has it for as long as it starts Kea.
        """
        tree.make_directories(self._directory, 0o755)
        return locks.held(self.lock_path, timeout=10)

    def _write(self) -> None:
        tree.make_directories(self._directory, 0o755)
        durable.replace(self._path, json.dumps(self._state).encode(), 0o600)
