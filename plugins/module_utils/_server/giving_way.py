# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: managed reservations give way to those of the site: Kea refuses two for one client or address in a subnet.

The files belong to Kea's user, so none is opened through a link, and a new one gets its name by a rename. The applier
writes them, too, so its lock is held from the first change until the configuration is in its place.
"""

from __future__ import annotations

import contextlib
import os
import stat
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Set, Tuple

from .._config import reserving
from .._config.document import Document
from .._config.identity import client
from .._config.subnets import Subnet, subnets_of
from .._config.syntax import value_of
from .._config.tree import Tree
from .._errors import KeaError
from .._kea import durable, host_maps, locks, reservation_files
from .config import is_applied


LOCK_TIMEOUT = 120.0
"""Seconds that the applier may take. It also holds the lock during an LFC run, which may take longer."""


class Former(NamedTuple):
    """A file as it was before reservations in it gave way."""

    path: str
    content: bytes
    mode: int
    owner: Tuple[int, int]

    def restore(self) -> None:
        """Write the file as it was: the configuration was not changed. Raises KeaError."""
        try:
            durable.replace(self.path, self.content, self.mode, self.owner)
        except OSError as error:
            raise KeaError(f"{self.path} cannot be written: {error.strerror}") from error


class GivingWay:
    """What gives way to one new configuration. The applier waits until ``settle`` or ``revert``."""

    def __init__(self) -> None:
        self._locks = contextlib.ExitStack()
        self._locked: Set[str] = set()
        self._former: List[Former] = []
        self.lost: List[Dict[str, Any]] = []
        """The reservations that gave way."""

    def make(self, document: Document, top: str) -> List[str]:
        """Remove from the included files what a reservation of the configuration overrules. Return words for each.

        Without any, no lock is taken. Raises KeaError, also if the applier does not finish in time.
        """
        words: List[str] = []
        for path, subnet in _included(document, top):
            if _read(path, subnet).lost:
                self._lock(os.path.dirname(path))
                words += self._clear(path, subnet)
        return words

    def hold(self, document: Document, top: str, number: int) -> None:
        """Keep the applier from changing reservations of a subnet, in its files and in Kea. Raises KeaError."""
        for subnet in subnets_of(document, top):
            if subnet.id == number:
                for path in filter(is_applied, subnet.included):
                    self._lock(os.path.dirname(path))

    def settle(self) -> None:
        """Let the applier write again: the configuration is in its place."""
        self._former = []
        self._locks.close()

    def revert(self) -> None:
        """Write the files as they were: the configuration was not changed. Raises KeaError."""
        for former in self._former:
            former.restore()
        self.settle()

    def _lock(self, directory: str) -> None:
        if directory in self._locked:
            return
        path = os.path.join(directory, reservation_files.LOCK)
        try:
            self._locks.enter_context(locks.held(path, LOCK_TIMEOUT))
        except locks.LockedError as error:
            raise KeaError(
                f"another process writes the reservations of the lease monitor, which must wait or give way: {error}; "
                "let it finish, then run this again. Nothing was changed"
            ) from error
        except OSError as error:
            raise KeaError(f"{path} cannot be locked: {error.strerror}; nothing was changed") from error
        self._locked.add(directory)

    def _clear(self, path: str, subnet: Subnet) -> List[str]:
        """Remove what is overruled, from the file as it is now that its lock is held."""
        found = _read(path, subnet)
        if not (found.former and found.lost):
            return []
        maps, former = found.maps, found.former
        kept = [(one.comment, one.text) for one in maps.maps if one not in found.lost]
        content = host_maps.render(kept, maps.comment) if kept or maps.comment else ""
        self._former.append(former)
        try:
            durable.replace(path, content.encode("utf-8", "surrogateescape"), former.mode, former.owner)
        except OSError as error:
            raise KeaError(f"{path} cannot be written: {error.strerror}") from error
        self.lost += [one.value for one in found.lost]
        return [
            f"{', '.join(host_maps.addresses_of(one.value)) or 'no address'} in {subnet.name}" for one in found.lost
        ]


class _Found(NamedTuple):
    """A file of managed reservations, and those of them that are overruled."""

    maps: host_maps.HostMaps
    lost: List[host_maps.HostMap]
    former: Optional[Former]
    """None if there is no file."""


def _included(document: Document, top: str) -> Iterator[Tuple[str, Subnet]]:
    """Yield the files of managed reservations, each with its subnet if that has reservations of the site."""
    for subnet in _with_global_hosts(document, top):
        for path in filter(is_applied, subnet.included if subnet.reservations else []):
            yield path, subnet


def _with_global_hosts(document: Document, top: str) -> List[Subnet]:
    """Return the subnets, each also with the reservations outside all subnets if it uses them."""
    whole = value_of(Tree(document, top).root)
    inherited, listed = reserving.inherited(whole, top), whole.get("reservations")
    everywhere = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []

    def uses(one: Subnet) -> bool:
        return reserving.uses_global([reserving.subnet_scope(one.name, one.value), *inherited[one.network]])

    found = subnets_of(document, top)
    return [one._replace(reservations=one.reservations + everywhere) if uses(one) else one for one in found]


def _read(path: str, subnet: Subnet) -> _Found:
    try:
        # A file with parts becomes one without them: the applier removes parts that it finds unused.
        text, found = reservation_files.text(path), os.lstat(path)
        maps = host_maps.parse(text)
    except FileNotFoundError:
        return _Found(host_maps.parse(""), [], None)
    except (OSError, ValueError) as error:
        raise KeaError(f"the reservations in {path} cannot give way to those of the site: {error}") from error
    lost = [one for one in maps.maps if isinstance(one.value, dict) and _is_overruled(one.value, subnet)]
    content, owner = text.encode("utf-8", "surrogateescape"), (found.st_uid, found.st_gid)
    return _Found(maps, lost, Former(path, content, stat.S_IMODE(found.st_mode), owner))


def _is_overruled(host: Dict[str, Any], subnet: Subnet) -> bool:
    identifier, addresses = client(host), set(host_maps.addresses_of(host))
    return any(
        (identifier is not None and client(one) == identifier) or addresses & set(host_maps.addresses_of(one))
        for one in subnet.reservations
    )
