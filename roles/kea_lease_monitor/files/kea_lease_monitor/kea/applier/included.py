# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file of one subnet that Kea includes, with its parts: a change writes what it touches, whatever else is there.

Parts are never changed: a change writes new ones, and then the file that includes them. So Kea finds all of a change in
the files or nothing of it, at every moment.
"""

from __future__ import annotations

import os
import time
from typing import Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from _kea import reservation_files

from kea_lease_monitor import batch_files, files
from kea_lease_monitor.kea.applier import hosts
from kea_lease_monitor.kea.applier.hosts import Further, Host

_LATEST = 256
"""Reservations that stand in the file itself, at most."""

_PART = 2048
"""Reservations in a part, at most."""

_KEPT = 600.0
"""Seconds that a part stays after it is no longer in use. Kea, or a test of its configuration, opens the file first and
each part when it gets there, and may have opened the former file."""

_MODE = 0o640

Hosts = Dict[str, Host]
"""By identifier."""


def path_of(directory: str, subnet: int) -> str:
    """Return the path of the file that Kea includes, in this directory."""
    return os.path.join(directory, f"subnet-{subnet}.json")


class Content(NamedTuple):
    """What Kea includes for a subnet."""

    whole: bytes
    """Its text, with the parts in their places."""
    hosts: List[Host]
    further: Further
    """Keys of a person; see hosts.read."""


class Included:
    """The file of a subnet and its parts. Only this program writes them."""

    def __init__(self, directory: str, subnet: int) -> None:
        self._directory, self.subnet = directory, subnet
        self._parts: Dict[str, Hosts] = {}
        self._latest: Hosts = {}
        self._where: Dict[str, str] = {}
        """Name of the part by identifier."""
        self._stamp: Optional[files.Stamp] = None
        self._unused: Dict[str, float] = {}
        """When a part was first seen out of use, by the monotonic clock."""

    @property
    def path(self) -> str:
        return path_of(self._directory, self.subnet)

    def read(self) -> Content:
        """Read the files. Raises TemporaryError. What cannot be read has no hosts."""
        self._stamp = files.stamp(self.path, follow=False)
        content = files.read(self.path) or b""
        names = reservation_files.parts(content)
        texts = [files.read(os.path.join(self._directory, name)) or b"" for name in names]
        latest = reservation_files.latest(content)
        found = [hosts.included(self.subnet, text) for text in (*texts, latest)]
        own = [{host.identifier: host for host in one} for one, _further in found]
        self._take(dict(zip(names, own)), own[-1])
        further = {name: keys for _hosts, each in found for name, keys in each.items()}
        whole = b",\n".join([*(text.rstrip(b"\n") for text in texts), *([latest] if latest else [])])
        return Content(whole if latest or not texts else whole + b"\n", list(self), further)

    def is_current(self) -> bool:
        """Return whether no other program has written the file."""
        return self._stamp is not None and files.stamp(self.path, follow=False) == self._stamp

    def __iter__(self) -> Iterator[Host]:
        for one in (*self._parts.values(), self._latest):
            yield from one.values()

    def _take(self, parts: Dict[str, Hosts], latest: Hosts) -> None:
        # Only what differs: beside 100,000 reservations, a change touches few of them.
        for name in self._parts.keys() - parts.keys():
            for identifier in self._parts[name]:
                if self._where.get(identifier) == name:
                    del self._where[identifier]
        for name in parts.keys() - self._parts.keys():
            self._where.update(dict.fromkeys(parts[name], name))
        self._parts, self._latest = parts, latest

    def replace(self, listed: Sequence[Host], with_parts: bool) -> None:
        """Write the files with these reservations, and remove parts that are not in use. Raises TemporaryError."""
        self._take({}, {host.identifier: host for host in listed})
        if with_parts:
            self._write({})
        else:
            files.replace(self.path, hosts.render(listed), _MODE)
        self._settle()
        self.clear()

    def change(self, changes: Mapping[str, Optional[Host]]) -> None:
        """Put reservations into the files by identifier; None removes one. Raises TemporaryError."""
        touched: Dict[str, Hosts] = {}
        latest = dict(self._latest)
        for identifier, host in changes.items():
            name = self._where.get(identifier)
            own = latest if name is None else touched.setdefault(name, dict(self._parts[name]))
            own.pop(identifier, None) if host is None else own.update({identifier: host})
        self._latest = latest
        former = list(self._parts)
        self._write(touched)
        self._settle()
        if self._parts.keys() != set(former):
            self.clear()

    def _write(self, touched: Mapping[str, Hosts]) -> None:
        """Write new parts in place of those that are touched, then the file."""
        # A number is not used again while its part exists: the file that Kea includes now may need that one.
        number = max(map(_number, self._present()), default=0)
        parts, written = {}, {}
        for name, own in self._planned(touched):
            if own is self._parts.get(name):
                parts[name] = own
            elif own:
                number += 1
                new = reservation_files.part_name(self.subnet, number)
                parts[new] = own
                written[os.path.join(self._directory, new)] = hosts.render(list(own.values()))
        batch_files.replace_all(written, _MODE)
        if written:
            files.sync_directory(self._directory)
        latest = hosts.render(list(self._latest.values()))
        content = reservation_files.joined(self._directory, list(parts), latest)
        # After a power failure Kea may start with the former file, whose parts are still there. The next comparison,
        # at the start of this program, finds that.
        files.replace(self.path, content, _MODE, sync_name=bool(written))
        self._take(parts, self._latest)

    def _planned(self, touched: Mapping[str, Hosts]) -> List[Tuple[str, Hosts]]:
        """Return the parts with their new hosts. The latest ones move to the last part once they are too many."""
        planned = [(name, touched.get(name, own)) for name, own in self._parts.items()]
        if len(self._latest) <= _LATEST:
            return planned
        listed = list(self._latest.values())
        if planned and len(planned[-1][1]) + len(listed) <= _PART:
            listed = [*planned.pop()[1].values(), *listed]
        chunks = [listed[start : start + _PART] for start in range(0, len(listed), _PART)]
        self._latest = {}
        return planned + [("", {host.identifier: host for host in chunk}) for chunk in chunks]

    def _settle(self) -> None:
        self._stamp = files.stamp(self.path, follow=False)

    def _present(self) -> List[str]:
        """Return the names of all parts of the subnet, those included that are no longer in use."""
        own = f"subnet-{self.subnet}."
        return [
            name for name in os.listdir(self._directory) if reservation_files.is_part(name) and name.startswith(own)
        ]

    def clear(self) -> None:
        """Remove the parts of the subnet that have not been in use for a while. Raises TemporaryError."""
        now = time.monotonic()
        for name in self._present():
            if name in self._parts:
                self._unused.pop(name, None)
            elif now - self._unused.setdefault(name, now) >= _KEPT:
                files.remove(os.path.join(self._directory, name))
                del self._unused[name]


def _number(name: str) -> int:
    return int(name.split(".")[1])
