# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: what ``kea_config`` merges into a configuration, with the record of what is ours and the guard."""

from __future__ import annotations

import os
from typing import Any, Dict, Iterator, List, Mapping, Sequence

from .._config.database import HOSTS, drop_entry
from .._config.document import Document
from .._config.merge import merged
from .._config.record import Record, Steps
from .._config.subnets import losses, numbered, subnets_of, with_ids
from .._config.syntax import INCLUDE_KEY, Include
from .._config.tree import Tree
from .._config.wanted import Element, Wanted, options_of, plain
from . import removals, served
from .completing import completed
from .databases import Databases
from .earlier import replaced_pools
from .giving_way import GivingWay
from .returned import without_copies


class Merging:
    """The options of the module for a merge: ``merge``, ``exclusive``, ``known_ids``, ``record`` and others."""

    def __init__(
        self,
        params: Mapping[str, Any],
        top: str,
        writes: bool,
        asked: Databases,
        databases: Sequence[Steps] = (),
    ) -> None:
        """``writes`` is false in check mode; ``databases`` are the paths of entries that O(databases) sets.

        ``asked`` are the databases that Kea has now. Raises KeaError.
        """
        self._allowed = bool(params["allow_removals"])
        self._wanted = Wanted(top, plain(params["merge"]), params["exclusive"], self._allowed, databases)
        self._before = Record(params["record"])
        self._record = Record(params["record"])
        self._asked = asked
        self._moved = params["moved_reservations"]
        self._completes = bool(params["complete_reservations"])
        self._ids: Dict[str, int] = {one["subnet"]: one["id"] for one in params["known_ids"]}
        self._writes = writes
        self.gave_way: List[str] = []
        """Managed reservations that a reservation of the site replaces."""
        self.completed: List[str] = []
        """Reservations that got the address of their client."""
        self.returned: Dict[str, int] = {}
        """How many copies of managed reservations were removed, by subnet."""
        self._giving = GivingWay()
        self.lost = self._giving.lost
        """The managed reservations that gave way, as maps."""
        self._is_merging = bool(self._wanted.values or self._wanted.exclusive or self._before.entries())

    def editable(self, included: Sequence[str]) -> List[str]:
        """Return those of these included files that no run included: where one did, the file is a value of its own."""
        named = set(_include_paths(self._wanted.values))
        steps = [entry.path[-1] for entry in self._before.entries()]
        named.update(str(step[INCLUDE_KEY]) for step in steps if isinstance(step, dict) and INCLUDE_KEY in step)
        real = {os.path.realpath(path) for path in named}
        return [path for path in included if os.path.realpath(path) not in real]

    def without_former(self, document: Document) -> Document:
        """Return the document without the databases of reservations that earlier runs added and no variable names."""
        for entry in self._record.entries():
            added = entry.path[-1]
            if entry.path[0] == HOSTS and isinstance(added, dict) and entry.path not in self._wanted.besides:
                document = drop_entry(document, self._wanted.top, "hosts", added)
                self._record.forget_one(entry.path)
        return document

    def note_new(self, before: Document, after: Document) -> None:
        """Note which of the databases the option O(databases) created: they go when no variable names them."""
        for path in self._wanted.besides:
            if Tree(before, self._wanted.top).find(path) is None and Tree(after, self._wanted.top).find(path):
                self._record.note_new(path)

    def edit(self, document: Document) -> Document:
        """Return the document with the values. Raises KeaError, also if a removal is refused.

        The record is written first: after a kill, the next run knows what may be ours.
        """
        top, after = self._wanted.top, document
        if self._is_merging:
            after, self.returned = without_copies(self._merged(document), top)
        if self._completes:
            after, self.completed = completed(after, top, lambda: removals.leases_of(after, top))
        if self._writes and (self._is_merging or self.completed):
            self.gave_way = self._giving.make(after, top)
        return after

    def hold(self, document: Document, number: int) -> None:
        """Keep the applier from changing reservations of a subnet until ``settle`` or ``revert``. Raises KeaError."""
        self._giving.hold(document, self._wanted.top, number)

    def settle(self) -> None:
        """Write the record of what is in force. Raises KeaError."""
        if self._writes and self._is_merging:
            self._record.write()
        self._giving.settle()

    def revert(self) -> None:
        """Write the previous record and reservations: the configuration was not changed. Raises KeaError."""
        if self._writes and self._is_merging:
            self._before.revert()
        self._giving.revert()

    def _merged(self, document: Document) -> Document:
        top = self._wanted.top
        known = self._known_ids(document)
        before = with_ids(document, top, known)
        self._rename(document, known)
        if self._before.is_new:
            for path, pool in replaced_pools(before, top, self._wanted.values):
                for record in (self._before, self._record):
                    record.note(path, None, None, pool)
        self._before.resolve(options_of(before, self._wanted))
        after: Document = merged(before, self._wanted, self._record)
        if not self._allowed:
            lost = losses(before, after, top, self._before, self._moved)
            removals.check(before, top, lost, self._asked)
        if self._writes:
            self._record.write(besides=self._before.entries())
        return after

    def _rename(self, document: Document, known: Mapping[str, int]) -> None:
        """Keep what earlier runs wrote into a subnet with the id 0 under the id that it gets, if there was one such."""
        subnets, key = subnets_of(document, self._wanted.top), Tree(document, self._wanted.top).subnets_key
        automatic = [one for one in subnets if one.value.get("id") == 0]
        for one in automatic if len(automatic) == 1 else []:
            number = numbered(subnets, known)[one.prefix]
            for record in (self._before, self._record):
                record.rename((key, {"id": 0}), (key, {"id": number}))

    def _known_ids(self, document: Document) -> Dict[str, int]:
        """Return the ids of subnets without one, which Kea chose. It is asked for those that are not given."""
        without = {one.prefix for one in subnets_of(document, self._wanted.top) if not one.id}
        if without <= set(self._ids):
            return self._ids
        sockets = removals.sockets_of(document, self._wanted.top)
        return {one.prefix: one.id for one in served.served(sockets, self._wanted.top) or []}


def _include_paths(value: Any) -> Iterator[str]:
    if isinstance(value, Include):
        yield value.path
    elif isinstance(value, dict):
        for one in value.values():
            yield from _include_paths(one)
    elif isinstance(value, list):
        for one in value:
            yield from _include_paths(one.value if isinstance(one, Element) else one)
