# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which client has, or had, which address by the lease files of Kea.

The file that Kea writes is followed from its end. So the lease of a new reservation is found in the few rows that were
appended since, beside any number of leases. All files are read only for what is not among these rows.
"""

from __future__ import annotations

import os
import socket
from itertools import islice
from typing import Callable, Collection, Dict, Iterator, List, Optional, Set

from _kea.lease_file import LeaseFile

from kea_lease_monitor.errors import TemporaryError
from kea_lease_monitor.kea.applier.hosts import Claim
from kea_lease_monitor.kea.rows import Header
from kea_lease_monitor.kea.shares import KEYS, address_of
from kea_lease_monitor.kea.tail import Tail
from kea_lease_monitor.lease import Lease

_RECENT = 20_000
"""Claims that are remembered of the rows read last, at most. That is 6 MB."""

_ABSENT = 100_000
"""Claims without a lease of earlier questions that are remembered, at most."""

_PAUSES = 10.0
"""Times that a reading of all leases took, until the next one: whoever claims without a lease must not keep the
processor busy."""

_AT_ONCE = 5000
"""Rows read at once."""


def claims_of(lease: Lease) -> List[Claim]:
    """Return what a lease confirms: its address, or its prefix, for each identifier of its client.

    In DHCPv6 that is the DUID alone: clients invent DUIDs that hold the hardware address of another machine.
    """
    known = {KEYS[4]: lease.hwaddr, "client-id": lease.client_id} if lease.family == 4 else {KEYS[6]: lease.duid}
    address = address_of(lease)
    return [Claim(lease.subnet_id, f"{kind} {value}", address) for kind, value in known.items() if value]


class _File(Tail):
    """An open lease file and a bookmark in it, which moves with what is read."""

    def __init__(self, path: str, descriptor: int) -> None:
        super().__init__(path, descriptor)
        self._offset, self._sum = 0, 0
        self._header: Optional[Header] = None

    def is_followed(self) -> bool:
        """Return whether the bytes before the bookmark are those that were read. Raises TemporaryError."""
        return self.checksum(self._offset) == self._sum

    def skip(self) -> None:
        """Move the bookmark to the end of the last whole row. Raises TemporaryError."""
        for row in self.rows(0, 1):
            self._parsed(row.text)
        self._move(self.end())

    def _move(self, offset: int) -> None:
        self._offset, self._sum = offset, self.checksum(offset)

    def leases(self, is_wanted: Optional[Callable[[bytes], bool]] = None) -> Iterator[Lease]:
        """Yield the leases of the whole rows after the bookmark. Raises TemporaryError.

        ``is_wanted`` takes an address as the row has it. A row that Kea rejects has no lease.
        """
        size = self._offset + self.remainder(self._offset)
        while self._offset < size and (rows := self.rows(self._offset, _AT_ONCE)):
            self._move(rows[-1].end)
            for row in rows:
                text = row.text
                if self._header is None or is_wanted is None or is_wanted(text[: max(0, text.find(b","))]):
                    lease = self._parsed(text)
                    if lease:
                        yield lease

    def _parsed(self, row: bytes) -> Optional[Lease]:
        try:
            if row and self._header:
                return self._header.parse(row)
            self._header = Header(row) if row else self._header
        except ValueError:
            pass
        return None


class Leases:
    """The lease files of one server. All methods raise TemporaryError."""

    def __init__(self, path: str, sleep: Callable[[float], None], monotonic: Callable[[], float]) -> None:
        """``path`` is the file that Kea writes, which need not exist. Nothing is read yet."""
        self._files, self._sleep, self._monotonic = LeaseFile(path), sleep, monotonic
        self._not_before = monotonic()
        self._file: Optional[_File] = None
        self._recent: Dict[Claim, None] = {}
        self._absent: Set[Claim] = set()
        """Claims that no lease confirmed up to the bookmark."""
        self.has_news = False
        """Whether a claim that no lease confirmed may be confirmed by now. Its reader sets it to False."""

    def without(self, claims: Collection[Claim]) -> Set[Claim]:
        """Return those of the claims that no lease confirms. It may have to wait, and then to read all files."""
        missing = self.not_recent(claims)
        unknown = missing - self._absent
        found = unknown - self._searched(unknown) if unknown else set()
        missing -= found
        # A monitor that claims more than that loses its own work: a lease that comes later is not noticed at once.
        self._absent.update(islice(missing - self._absent, max(0, _ABSENT - len(self._absent))))
        return missing

    def not_recent(self, claims: Collection[Claim]) -> Set[Claim]:
        """Return those of the claims that none of the rows confirms that were read last."""
        if all(claim in self._recent for claim in claims):
            return set()
        self.follow()
        return {claim for claim in claims if claim not in self._recent}

    def follow(self) -> None:
        """Read what was appended since."""
        if self._file is None or not self._file.is_followed():
            self._restart()
            return
        self._take(self._file)
        if self._file.is_at(self._files.current):
            return
        if not self._file.is_at(self._files.rotated):
            # More than one rotation may have passed.
            self._restart()
            return
        following = _File.open(self._files.current)
        if following:
            # Rows may have come after the first reading and before the rename.
            self._take(self._file)
            self._file.close()
            self._file = following
            self._take(following)

    def _restart(self) -> None:
        """Follow the present file from its end. What it had before is unknown."""
        former, self._file = self._file, None
        if former:
            former.close()
        if former or os.path.exists(self._files.current):
            self._forget()
        following = _File.open(self._files.current)
        if following:
            try:
                following.skip()
            except TemporaryError:
                following.close()
                raise
        self._file = following

    def _forget(self) -> None:
        self.has_news = self.has_news or bool(self._absent)
        self._absent.clear()

    def _take(self, file: _File) -> None:
        for lease in file.leases():
            for claim in claims_of(lease):
                self._recent.pop(claim, None)
                self._recent[claim] = None
                if claim in self._absent:
                    self._absent.discard(claim)
                    self.has_news = True
            while len(self._recent) > _RECENT:
                del self._recent[next(iter(self._recent))]

    def _searched(self, claims: Set[Claim]) -> Set[Claim]:
        """Read all files. Return the claims that no lease confirms."""
        self._sleep_until(self._not_before)
        begun = self._monotonic()
        missing = set(claims)
        is_wanted = _wanted(claims)
        for file in self._opened():
            try:
                for lease in file.leases(is_wanted):
                    missing.difference_update(claims_of(lease))
            finally:
                file.close()
        end = self._monotonic()
        self._not_before = end + _PAUSES * (end - begun)
        return missing

    def _sleep_until(self, due: float) -> None:
        wait = due - self._monotonic()
        if wait > 0:
            self._sleep(wait)

    def _opened(self) -> Iterator[_File]:
        """Yield the files that Kea loads.

        kea-lfc renames them meanwhile, from the newer names to the older ones, so that they are opened in this order.
        """
        files, seen = self._files, set()
        for path in (files.current, files.rotated, files.previous, files.completed, files.previous):
            file = _File.open(path)
            key = (file.device, file.inode) if file else None
            if file and key in seen:
                file.close()
            elif file:
                seen.add(key)
                yield file


def _wanted(claims: Collection[Claim]) -> Callable[[bytes], bool]:
    """Return what tells whether a row has the address of a claim, in any spelling of the address."""
    addresses = {claim.address.partition("/")[0] for claim in claims}
    if not any(":" in address for address in addresses):
        return {address.encode() for address in addresses}.__contains__
    packed = {_packed(address) for address in addresses}
    return lambda address: _packed(address.decode("ascii", "replace")) in packed


def _packed(address: str) -> bytes:
    try:
        return socket.inet_pton(socket.AF_INET6, address)
    except (OSError, ValueError):
        return b""
