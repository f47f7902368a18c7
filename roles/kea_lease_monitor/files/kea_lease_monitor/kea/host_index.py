# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where each reservation stands in its file, by client, and which client has an address: no text is kept in memory."""

from __future__ import annotations

from typing import Any, Dict, Iterator, Mapping, NamedTuple, Optional, Sequence, Tuple

from _kea.host_maps import REMOVED

from kea_lease_monitor.scratch import Scratch

_TABLES = """
CREATE TABLE client (file INTEGER, name TEXT, home INTEGER, at INTEGER, size INTEGER, PRIMARY KEY (file, name))
    WITHOUT ROWID;
CREATE TABLE holder (file INTEGER, address TEXT, name TEXT, at INTEGER, shown TEXT, PRIMARY KEY (file, address))
    WITHOUT ROWID;
CREATE TABLE superseded (file INTEGER, home INTEGER, at INTEGER, size INTEGER, PRIMARY KEY (file, home))
    WITHOUT ROWID;
"""

# An address belongs to a map only as long as that map is the client's latest.
_HOLDERS = """
SELECT holder.address, holder.shown
  FROM holder LEFT JOIN client USING (file, name)
 WHERE holder.file = ? AND holder.address IN ({}) AND (holder.name = '' OR holder.at = client.at)
"""

_AT_ONCE = 500
"""Values in one statement; SQLite takes 999 in any version."""


class Place(NamedTuple):
    """Where the latest map of a client stands, in bytes."""

    home: int
    """Where the client's first map begins, whose place it takes when the file is compacted."""
    at: int
    size: int


class Entry(NamedTuple):
    """One map of a file."""

    name: str
    """Of its client, as host_maps.client returns it."""
    change: str
    """As in host_maps.HostMap."""
    at: int
    size: int
    addresses: Sequence[str]
    shown: str
    """What a message calls the client."""


class Counts(NamedTuple):
    """Maps of a file."""

    live: int = 0
    superseded: int = 0
    """Those that count no longer, and those that say so."""


class _Portion:
    """Maps in order, with what they change."""

    def __init__(self, known: Mapping[str, Place]) -> None:
        """``known`` are the places of clients before these maps."""
        self.clients: Dict[str, Optional[Place]] = dict(known)
        self.superseded: Dict[int, Tuple[Optional[int], int]] = {}
        self.holders: Dict[str, Tuple[str, int, str]] = {}
        self.live = self.over = 0

    def add(self, one: Entry) -> None:
        former = self.clients.get(one.name) if one.change else None
        place = None if one.change == REMOVED else Place(former.home if former else one.at, one.at, one.size)
        if former:
            self.superseded[former.home] = (one.at, one.size) if place else (None, 0)
        if former or not place:
            self.superseded[one.at] = (None, 0)
        if one.name:
            self.clients[one.name] = place
        if place:
            self.holders.update(dict.fromkeys(one.addresses, (one.name, one.at, one.shown)))
        self.live += bool(place) - bool(former)
        self.over += bool(former) + (not place)


class HostIndex:
    """The index of several files, each by a number. All methods raise TemporaryError: the disk may be full."""

    def __init__(self) -> None:
        """No file is known yet."""
        self._tables = Scratch("the index of reservations", _TABLES)
        self._last = 0

    @property
    def emptied(self) -> int:
        """Return how often the index has lost everything."""
        return self._tables.emptied

    def new(self) -> int:
        """Return the number of a file without maps."""
        self._last += 1
        return self._last

    def drop(self, file: int) -> None:
        """Forget a file."""
        self._tables.rows("DELETE FROM client WHERE file = ?", file)
        self._tables.rows("DELETE FROM holder WHERE file = ?", file)
        self._tables.rows("DELETE FROM superseded WHERE file = ?", file)

    def take(self, file: int, entries: Sequence[Entry]) -> Counts:
        """Add maps that stand after all known ones of a file, in order. Return how many maps that makes more."""
        portion = _Portion(self.places(file, [one.name for one in entries if one.change]))
        for one in entries:
            portion.add(one)
        gone = [(file, name) for name, place in portion.clients.items() if place is None]
        present = [(file, name, *place) for name, place in portion.clients.items() if place]
        held = [(file, address, *holder) for address, holder in portion.holders.items()]
        over = [(file, home, *where) for home, where in portion.superseded.items()]
        self._tables.many("DELETE FROM client WHERE file = ? AND name = ?", gone)
        self._tables.many("INSERT OR REPLACE INTO client VALUES (?, ?, ?, ?, ?)", present)
        self._tables.many("INSERT OR REPLACE INTO holder VALUES (?, ?, ?, ?, ?)", held)
        self._tables.many("INSERT OR REPLACE INTO superseded VALUES (?, ?, ?, ?)", over)
        return Counts(portion.live, portion.over)

    def places(self, file: int, names: Sequence[str]) -> Dict[str, Place]:
        """Return the places of those of these clients that a file has."""
        statement = "SELECT name, home, at, size FROM client WHERE file = ? AND name IN ({})"
        return {name: Place(*place) for name, *place in self._named(statement, file, names)}

    def holders(self, file: int, addresses: Sequence[str]) -> Dict[str, str]:
        """Return what a message calls the holders of those of these addresses that a file has."""
        return dict(self._named(_HOLDERS, file, addresses))

    def _named(self, statement: str, file: int, values: Sequence[str]) -> Iterator[Any]:
        for begin in range(0, len(values), _AT_ONCE):
            some = values[begin : begin + _AT_ONCE]
            yield from self._tables.rows(statement.format(", ".join("?" * len(some))), file, *some)

    def superseded(self, file: int) -> Iterator[Tuple[int, Optional[int], int]]:
        """Yield where maps stand that another one supersedes, in order, with place and size of that; None for none."""
        yield from self._tables.each("SELECT home, at, size FROM superseded WHERE file = ? ORDER BY home", file)

    def every(self, file: int) -> Iterator[Tuple[str, int, int]]:
        """Yield the clients of a file, with place and size of their latest maps."""
        yield from self._tables.each("SELECT name, at, size FROM client WHERE file = ? ORDER BY home", file)

    def close(self) -> None:
        """Forget everything."""
        self._tables.close()
