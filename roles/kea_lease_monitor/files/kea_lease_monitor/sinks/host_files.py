# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The discovery files that one batch reads and writes, and where the leases of DHCPv6 clients are in them.

The machine of a DHCPv6 client may become known or another one: then its lease moves to another file. A pointer, a
hidden file named by the client, has the name of the file that has its lease, if that is a machine's. Otherwise all
files would have to be searched.
"""

from __future__ import annotations

import os
from typing import Callable, Dict, List, NamedTuple, Optional, Sequence, Set, Tuple

from kea_lease_monitor import batch_files, files, telemetry
from kea_lease_monitor.lease import Lease
from kea_lease_monitor.sinks import leased, names
from kea_lease_monitor.sinks.leased import Part
from kea_lease_monitor.sinks.names import Name

Render = Callable[[Name, Sequence[Part]], bytes]
"""Return the content of a file with these leases, of which there is one at least. Raises RefusedError."""


class _Found(NamedTuple):
    content: Optional[bytes]
    parts: List[Part]


class HostFiles:
    """Files are read when they are needed, and written once, at the end. The methods raise TemporaryError."""

    def __init__(self, directory: batch_files.Directory, render: Render) -> None:
        self._directory, self._render = directory, render
        self._found: Dict[Name, _Found] = {}
        self._changed: Dict[Name, List[Part]] = {}
        self._targets: Set[Name] = set()
        """Files that a lease was put into."""
        self._pointers: Dict[str, bytes] = {}
        """New contents by path; empty to remove one."""

    def parts(self, name: Name) -> List[Part]:
        """Return the leases of a host, as they will be written."""
        return self._changed[name] if name in self._changed else self._read(name).parts

    def _read(self, name: Name) -> _Found:
        if name not in self._found:
            content = self._directory.read(f"{name.file}.yml")
            self._found[name] = _Found(content, leased.read(content or b""))
        return self._found[name]

    def chosen(self, name: Name, lease: Lease) -> Name:
        """Return the name for a lease: the first subnet of each family in which a client is met has the plain one."""
        second = name.in_subnet(lease.subnet_id)
        if leased.of_client(self.parts(second), lease) or leased.is_elsewhere(self.parts(name), lease):
            return second
        return name

    def put(self, lease: Lease) -> Optional[int]:
        """Put a lease into the file of its machine, and out of any other one. Return when it was made."""
        name = self.chosen(names.of(lease), lease)
        left = [other for other in self._left(lease) if other != name]
        made = self._made([name, *left], lease)
        for other in left:
            self._changed[other] = leased.without(self.parts(other), lease)
            telemetry.discovery_renamed(self._path(other), self._path(name))
        parts, part = self.parts(name), Part(lease, made)
        self._changed[name] = parts if leased.has_told(parts, part) else leased.with_part(parts, part)
        self._targets.add(name)
        if lease.family == 6:
            self._pointers[self._pointer(lease)] = b"" if name.kind else f"{name.file}\n".encode()
        return made

    def _made(self, there: Sequence[Name], lease: Lease) -> Optional[int]:
        """Return when what these files tell of the client was made; see batch.Kept."""
        for name in there:
            if part := leased.of_client(self.parts(name), lease):
                return part.made
            content = self._read(name).content
            if content is not None and not self.parts(name):
                return leased.made_in(content)
        return lease.cltt

    def confirm(self, lease: Lease) -> None:
        """Take over the times of a lease that confirms its client, where the file has the client's lease."""
        name = next((each for each in self._all(lease) if leased.of_client(self.parts(each), lease)), None)
        part = leased.of_client(self.parts(name), lease) if name else None
        if name and part and part.lease.address == lease.address:
            known = part.lease._replace(cltt=lease.cltt, valid_lifetime=lease.valid_lifetime, expires=lease.expires)
            self._changed[name] = leased.with_part(self.parts(name), part._replace(lease=known))

    def _all(self, lease: Lease) -> List[Name]:
        """Return the names of files that may have the client's lease."""
        return list(dict.fromkeys((self.chosen(names.of(lease), lease), *self._left(lease))))

    def forget(self, lease: Lease, is_meant: Callable[[str], bool]) -> bool:
        """Remove a client's lease if it has an address that ``is_meant``. Return whether there was one."""
        there = self._all(lease)
        meant = [name for name in there if self._is_meant(name, lease, is_meant)]
        for name in meant:
            self._changed[name] = leased.without(self.parts(name), lease)
        if lease.family == 6 and not any(leased.of_client(self.parts(name), lease) for name in there):
            # Also if the file had too many leases to keep this one.
            self._pointers[self._pointer(lease)] = b""
        return bool(meant)

    def _is_meant(self, name: Name, lease: Lease, is_meant: Callable[[str], bool]) -> bool:
        if part := leased.of_client(self.parts(name), lease):
            return is_meant(part.lease.address)
        content = self._read(name).content
        if content is None or name in self._changed or self.parts(name):
            return False
        # A template of the site wrote the file, in an earlier release.
        address = leased.address_in(content)
        return not address or is_meant(address)

    def _left(self, lease: Lease) -> List[Name]:
        """Return the names of further files that have the client's lease: it had another name."""
        found: List[Name] = []
        if lease.family == 6:
            pointed = self._pointed(self._pointer(lease))
            former = Name.of_file(pointed) if pointed else self.chosen(names.by_duid(lease), lease)
            found += [former] if leased.of_client(self.parts(former), lease) else []
        earlier = names.earlier(lease)
        if earlier != names.of(lease) and self._is_of_client(earlier, lease):
            found.append(earlier)
        return found

    def _is_of_client(self, earlier: Name, lease: Lease) -> bool:
        """Return whether the file with a name of earlier releases is this client's. Others may spell the same."""
        parts = self.parts(earlier)
        # A file of an earlier release by a site's template may tell no DUID.
        if parts and (lease.family == 4 or any(part.lease.duid for part in parts)):
            part = leased.of_client(parts, lease)
            known = part and (part.lease.client_id == lease.client_id and not part.lease.hwaddr)
            return bool(part if lease.family == 6 else known)
        return leased.is_named(lease.address, self._read(earlier).content or b"")

    def _pointed(self, path: str) -> str:
        if path in self._pointers:
            return self._pointers[path].decode().strip()
        return self._now(path).decode("ascii", "replace").strip()

    def _now(self, path: str) -> bytes:
        """Return the content of a pointer; empty if there is none."""
        return self._directory.read(os.path.basename(path)) or b""

    def _pointer(self, lease: Lease) -> str:
        name = names.by_duid(lease).in_subnet(lease.subnet_id)
        return os.path.join(self._directory.path, f".{name.file}")

    def _path(self, name: Name) -> str:
        return os.path.join(self._directory.path, f"{name.file}.yml")

    def write(self, mode: int) -> Tuple[int, int]:
        """Write what differs. Return how many files that leases were put into were created, and how many updated."""
        contents = {name: self._render(name, parts) for name, parts in self._changed.items() if parts}
        changed = {name: content for name, content in contents.items() if content != self._read(name).content}
        pointers = {
            path: new
            for path, new in self._pointers.items()
            if new != (self._directory.read(os.path.basename(path)) or b"")
        }
        written = {self._path(name): content for name, content in changed.items()}
        batch_files.replace_all({**written, **{path: new for path, new in pointers.items() if new}}, mode)
        gone = [self._path(name) for name, parts in self._changed.items() if not parts]
        removed = [path for path in (*gone, *(path for path, new in pointers.items() if not new)) if files.remove(path)]
        if written or pointers or removed:
            files.sync_directory(self._directory.path)
        for path in written:
            telemetry.discovery_written(path)
        created = [name for name in changed if self._read(name).content is None]
        for name in created:
            if name.kind == names.DUID:
                telemetry.discovery_apart(self._path(name))
        return len(created), len(self._targets & changed.keys() - set(created))
