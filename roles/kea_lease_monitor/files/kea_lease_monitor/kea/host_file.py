# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The monitor's file of one subnet. A change costs the same beside any number of reservations, and so does the memory.

Each change is a line at the end of the file; see _kea.host_maps. Once the maps that count no longer are more than the
others, the file is compacted. What a person wrote keeps its text and its place.
"""

from __future__ import annotations

import itertools
import json
import os
from contextlib import contextmanager
from typing import Any, BinaryIO, Dict, Iterable, Iterator, List, Mapping, Optional, Sequence, Tuple

from _kea import host_maps
from _kea.host_maps import REMOVED, REPLACES, HostMap, Stream

from kea_lease_monitor import files, service
from kea_lease_monitor.errors import TemporaryError
from kea_lease_monitor.kea.host_index import Counts, Entry, HostIndex
from kea_lease_monitor.kea.shares import KEYS, addresses, spelled

_MODE = 0o640
"""The applier reads through the directory's group."""

_FEW = 1000
"""Maps that count no longer for which no file is compacted."""

_PORTION = 1000
"""Maps that are added to the index at once, and after which a sign of life is due."""


class HostFile:
    """The reservations of a file by the identifiers of one kind, and changes that ``write`` makes durable.

    The methods raise TemporaryError, and ValueError for a text that Kea rejects as well.
    """

    def __init__(self, path: str, key: str, index: HostIndex) -> None:
        """``key`` is that of the identifier in a map; see shares.KEYS. The file need not exist."""
        self._path, self._key, self._index = path, key, index
        self._file = index.new()
        self._seen: Optional[Tuple[int, Optional[files.Stamp]]] = None
        """How often the index had been emptied, and the stamp of the file, when it was read; None for never."""
        self._counts = Counts()
        self._is_whole = True
        """Whether the file ends with the end of a line."""
        self._forget()

    def _forget(self) -> None:
        self._hosts: Dict[str, Dict[str, Any]] = {}
        """What is known of the file and the changes by identifier; empty for none."""
        self._holders: Dict[str, str] = {}
        """The same by address."""
        self._changed: Dict[str, bool] = {}
        """Whether the file has a map of each client whose reservation changed."""

    def refresh(self) -> None:
        """Read the file unless this has been done since it was changed by another program. Drop what is not written."""
        self._forget()
        if self._seen != (self._index.emptied, files.stamp(self._path)):
            self._read()

    def _read(self) -> None:
        self._seen = None
        self._index.drop(self._file)
        self._counts, self._is_whole = Counts(), True
        with files.opened(self._path) as found:
            if found:
                handle, stamp = found
                self._take(map(_entry, _alive(Stream(handle))))
                self._is_whole = stamp[1] == 0 or os.pread(handle.fileno(), 1, stamp[1] - 1) == b"\n"
            self._seen = self._index.emptied, found[1] if found else None

    def _take(self, entries: Iterator[Entry]) -> None:
        """Add maps to the index."""
        while portion := list(itertools.islice(entries, _PORTION)):
            more = self._index.take(self._file, portion)
            self._counts = Counts(self._counts.live + more.live, self._counts.superseded + more.superseded)

    @property
    def seen(self) -> object:
        """Return what is the same while the file is."""
        return self._seen

    def know(self, identifiers: Iterable[str], holding: Iterable[str] = ()) -> None:
        """Look up the reservations of clients, and who holds addresses, all at once."""
        wanted = [one for one in dict.fromkeys(identifiers) if one not in self._hosts]
        places = self._index.places(self._file, [f"{self._key} {one}" for one in wanted])
        self._hosts.update((one, {}) for one in wanted)
        if places:
            with self._opened() as handle:
                for name, place in places.items():
                    self._hosts[name[len(self._key) + 1 :]] = host_maps.read(_text(handle, place.at, place.size))
        open_ones = [one for one in dict.fromkeys(holding) if one not in self._holders]
        self._holders.update(dict.fromkeys(open_ones, ""))
        self._holders.update(self._index.holders(self._file, open_ones))

    @contextmanager
    def _opened(self) -> Iterator[BinaryIO]:
        """Open the file that was read. Raises TemporaryError if another program has changed it."""
        with files.opened(self._path) as found:
            if not found or self._seen != (self._index.emptied, found[1]):
                raise self._changed_elsewhere()
            yield found[0]

    def _changed_elsewhere(self) -> TemporaryError:
        return TemporaryError(f"{self._path} was changed by another program at the same time")

    def of(self, identifier: str) -> Dict[str, Any]:
        """Return the reservation of a client; empty if it has none."""
        if identifier not in self._hosts:
            self.know([identifier])
        return self._hosts[identifier]

    def holder(self, address: str) -> str:
        """Return what a message calls the client that has an address or a prefix; empty for none."""
        if address not in self._holders:
            self.know([], [address])
        return self._holders[address]

    def every(self) -> Iterator[Dict[str, Any]]:
        """Yield all reservations of the file that have an identifier of the kind."""
        if self._counts.live:
            with self._opened() as handle:
                for name, at, size in self._index.every(self._file):
                    if name.startswith(f"{self._key} "):
                        yield host_maps.read(_text(handle, at, size))

    def put(self, identifier: str, host: Mapping[str, Any]) -> None:
        """Give a client this reservation in place of the one that it has."""
        former = self.of(identifier)
        self._changed.setdefault(identifier, bool(former))
        for address in addresses(former) if former else ():
            if self.holder(address) == identifier:
                self._holders[address] = ""
        self._hosts[identifier] = dict(host)
        self._holders.update(dict.fromkeys(addresses(host), identifier))

    def remove(self, identifier: str) -> None:
        """Remove the reservation of a client, if it has one."""
        if self.of(identifier):
            self.put(identifier, {})

    def write(self) -> bool:
        """Make the changes durable, and return whether there are any.

        After an error some may be durable. All are to be made again after ``refresh``.
        """
        lines = [self._line(*each) for each in self._changed.items() if each[1] or self._hosts[each[0]]]
        if lines and not self._is_whole:
            self.compact()
        if lines and self._size:
            self._append(lines)
        elif lines:
            self._seen = None
            fresh = [("", json.dumps(host)) for host in self._hosts.values() if host]
            files.replace(self._path, host_maps.render(fresh).encode(), _MODE)
            self._read()
        if lines and self._counts.superseded > max(self._counts.live, _FEW):
            self.compact()
        self._forget()
        return bool(lines)

    @property
    def _size(self) -> int:
        stamp = self._seen[1] if self._seen else None
        return stamp[1] if stamp else 0

    def _line(self, identifier: str, is_known: bool) -> Tuple[str, Entry]:
        """Return the line for a client that has changed, and its entry in the index as if it stood alone."""
        host = self._hosts[identifier]
        change = (REPLACES if host else REMOVED) if is_known else ""
        text = json.dumps(host or {self._key: identifier})
        name, at = f"{self._key} {identifier}", 1 + len(change)
        return host_maps.line(text, change), Entry(name, change, at, len(text), addresses(host), identifier)

    def _append(self, lines: Sequence[Tuple[str, Entry]]) -> None:
        at, seen = self._size, self._seen
        self._seen = None
        stamp = files.append(self._path, "".join(text for text, _entry in lines).encode(), seen[1] if seen else None)
        entries: List[Entry] = []
        for text, entry in lines:
            entries.append(entry._replace(at=at + entry.at))
            at += len(text)
        self._take(iter(entries))
        self._seen = self._index.emptied, stamp

    def compact(self) -> None:
        """Write the file again without the maps that do not count."""
        with self._opened() as handle:
            stream = Stream(handle)
            kept = host_maps.pieces(self._kept(stream, handle), lambda: stream.comment)
            files.replace(self._path, (each.encode("utf-8", "surrogateescape") for each in kept), _MODE)
        self._read()

    def _kept(self, stream: Stream, handle: BinaryIO) -> Iterator[Tuple[str, str]]:
        """Yield the maps that count, each in its place and after its comment."""
        superseded = self._index.superseded(self._file)
        following = next(superseded, None)
        comment = ""
        for one in _alive(stream):
            text: Optional[str] = one.text
            if following and following[0] == one.at:
                _home, at, size = following
                text = None if at is None else _text(handle, at, size)
                following = next(superseded, None)
            comment = host_maps.joined(comment, one.comment)
            if text is not None:
                yield comment, text
                comment = ""
        stream.comment = host_maps.joined(comment, stream.comment)
        # A person may have written the file meanwhile.
        if self._seen != (self._index.emptied, files.stamp(self._path)):
            raise self._changed_elsewhere()


def _alive(maps: Iterable[HostMap]) -> Iterator[HostMap]:
    """Yield the maps, and tell the service manager meanwhile that this process lives: a million take half a minute."""
    for number, one in enumerate(maps):
        if number % _PORTION == 0:
            service.notify("WATCHDOG=1\nEXTEND_TIMEOUT_USEC=30000000")
        yield one


def _text(handle: BinaryIO, at: int, size: int) -> str:
    return os.pread(handle.fileno(), size, at).decode("utf-8", "surrogateescape")


def _entry(one: HostMap) -> Entry:
    host = one.value if isinstance(one.value, dict) else {}
    name, size = host_maps.client(host), len(one.text.encode("utf-8", "surrogateescape"))
    kind, _space, identifier = name.partition(" ")
    shown = identifier if kind in KEYS.values() else spelled(host)[1]
    # What a person wrote need not be an address, nor text that SQLite takes.
    own = list(filter(str.isascii, addresses(host)))
    return Entry(name, one.change, one.at, size, own, shown if shown and shown.isascii() else "another identifier")
