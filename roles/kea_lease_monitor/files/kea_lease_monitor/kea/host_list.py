# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file of reservations that Kea's configuration includes: host maps with commas between, without brackets."""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import Any, Collection, Dict, List, Mapping, Optional, Sequence, Tuple

from _kea import host_maps

from kea_lease_monitor.kea import identifiers
from kea_lease_monitor.kea.reservations import (
    Verdict,
    adopted,
    given_name,
    host_object,
    is_name_due,
    is_unchanged,
    judge,
    made,
)
from kea_lease_monitor.lease import Lease


class HostList:
    """The reservations of one file. Those that this object does not change keep their text."""

    def __init__(self, content: bytes, names: bool = False, given: Mapping[str, str] = MappingProxyType({})) -> None:
        """Read the content of the file. Raises ValueError for a text that Kea rejects as well.

        ``names`` says that reservations also have the names of the clients. ``given`` maps the hwaddr of a client to
        the name that the site gives it.
        """
        self._given = given
        self._names = names
        parsed = host_maps.parse(content.decode("utf-8", "surrogateescape"))
        self._texts: List[str] = []
        self._comments = [one.comment for one in parsed.maps]
        self._last_comment = parsed.comment
        self._appendable = content.endswith(b"}\n") and not parsed.comment
        self._edited = False
        self._index: Dict[str, int] = {}
        self._holders: Dict[str, str] = {}
        for one in parsed.maps:
            self._take(one.value, one.text)
        self._written = len(self._texts)

    def _take(self, host: Any, text: str) -> None:
        if isinstance(host, dict):
            hwaddr = _hwaddr(str(host.get("hw-address", "")))
            if hwaddr:
                self._index[hwaddr] = len(self._texts)
            if "ip-address" in host:
                self._holders[str(host["ip-address"])] = hwaddr or "another identifier"
        self._texts.append(text)

    def reserve(self, lease: Lease) -> Tuple[Verdict, str, Optional[int]]:
        """Reserve the address of a lease for its client, if that is possible.

        Return what was done, the detail (who holds the address of a CONFLICT, what a person reserved if EDITED), and
        when the reservation was made (see batch.Kept).
        """
        holder = self._holders.get(lease.address, lease.hwaddr)
        number = self._index.get(lease.hwaddr)
        present = {} if number is None else host_maps.read(self._texts[number])
        verdict = Verdict.CREATED if number is None else judge(present, lease, self._names)
        if verdict in (Verdict.EDITED, Verdict.SECOND):
            return verdict, str(present.get("ip-address", "no address")), None
        since = lease.cltt if number is None else made(present)
        if verdict is Verdict.UNCHANGED and is_name_due(present, self._given.get(lease.hwaddr, "")):
            verdict = Verdict.UPDATED if present.get("ip-address") == lease.address else verdict
        if verdict is Verdict.UNCHANGED:
            return verdict, "", since
        if holder != lease.hwaddr:
            return Verdict.CONFLICT, holder, None
        self._holders.pop(str(present.get("ip-address", "")), None)
        if number is None:
            number = self._append()
        self._put(number, lease, present)
        return verdict, "", since

    def place(self, lease: Lease) -> Tuple[Verdict, str]:
        """Reserve the address and the name of a lease for its client as a person would: without the mark.

        A managed reservation of the client is replaced. Return as ``reserve`` does.
        """
        wanted = {"hw-address": lease.hwaddr, "ip-address": lease.address}
        wanted.update({"hostname": lease.hostname} if lease.hostname else {})
        number = self._index.get(lease.hwaddr)
        present = {} if number is None else host_maps.read(self._texts[number])
        holder = self._holders.get(lease.address, lease.hwaddr)
        if present == wanted:
            return Verdict.UNCHANGED, ""
        if number is not None and not is_unchanged(present):
            return Verdict.EDITED, str(present.get("ip-address") or "no address")
        if holder != lease.hwaddr:
            return Verdict.CONFLICT, holder
        self._holders.pop(str(present.get("ip-address", "")), None)
        verdict = Verdict.CREATED if number is None else Verdict.UPDATED
        self._store(self._append() if number is None else number, wanted)
        return verdict, ""

    def exchange(self, leases: Sequence[Lease]) -> bool:
        """Give each client the address of its lease, if these managed reservations hold just these addresses.

        Return whether that was done; all of them change or none.
        """
        numbers = [self._index.get(lease.hwaddr, -1) for lease in leases]
        hosts = [host_maps.read(self._texts[number]) if number >= 0 else {} for number in numbers]
        if {host.get("ip-address") for host in hosts} != {lease.address for lease in leases}:
            return False
        if any(judge(host, lease, self._names) is not Verdict.UPDATED for host, lease in zip(hosts, leases)):
            return False
        for number, lease, host in zip(numbers, leases, hosts):
            self._put(number, lease, host)
        return True

    def adopt(self, lease: Lease) -> bool:
        """Mark the lease's reservation as managed if release 1.0.0 would have written it so. Return whether it did."""
        number = self._index.get(lease.hwaddr)
        host = {} if number is None else adopted(host_maps.read(self._texts[number]), lease)
        if number is None or not host:
            return False
        self._texts[number], self._edited = json.dumps(host), True
        return True

    def _append(self) -> int:
        """Add an empty text at the end, after the last comment. Return its index."""
        self._texts.append("")
        self._comments.append(self._last_comment)
        self._last_comment = ""
        return len(self._texts) - 1

    def _put(self, number: int, lease: Lease, present: Dict[str, Any]) -> None:
        host = host_object(lease, present, self._names)
        name = self._given.get(lease.hwaddr, "")
        self._store(number, given_name(host, name) if is_name_due(host, name) else host)

    def _store(self, number: int, host: Mapping[str, Any]) -> None:
        self._texts[number] = json.dumps(host)
        self._edited = self._edited or number < self._written
        self._index[host["hw-address"]] = number
        self._holders[host["ip-address"]] = host["hw-address"]

    def hosts(self) -> List[Dict[str, Any]]:
        """Return the reservations of the file by hardware address."""
        return [host_maps.read(self._texts[number]) for number in self._index.values()]

    def of(self, hwaddr: str) -> Dict[str, Any]:
        """Return the reservation of a client in the file; empty if there is none."""
        number = self._index.get(hwaddr)
        return {} if number is None else host_maps.read(self._texts[number])

    def without(self, hwaddrs: Collection[str]) -> bytes:
        """Return the content of the file without the reservations of these clients. All comments stay."""
        gone = {number for hwaddr, number in self._index.items() if hwaddr in hwaddrs}
        kept: List[Tuple[str, str]] = []
        comment = ""
        for number, text in enumerate(self._texts):
            comment += self._comments[number]
            if number not in gone:
                kept.append((comment, text))
                comment = ""
        return host_maps.render(kept, comment + self._last_comment).encode("utf-8", "surrogateescape")

    def appendix(self) -> bytes:
        """Return what to append to the file for the reservations that are new; empty if it must be written again.

        So a new reservation costs the same beside 100 and beside 100,000 others.
        """
        if self._edited or not self._appendable:
            return b""
        return "".join(f",{text}\n" for text in self._texts[self._written :]).encode("utf-8", "surrogateescape")

    def saved(self) -> None:
        """Remember that the file now has what this object has."""
        self._written, self._edited = len(self._texts), False
        self._appendable = bool(self._texts) and not self._last_comment

    def render(self) -> bytes:
        """Return the content of the file."""
        return host_maps.render(zip(self._comments, self._texts), self._last_comment).encode("utf-8", "surrogateescape")


def _hwaddr(text: str) -> str:
    """Return a hardware address as Kea writes it, so that addresses compare by bytes. Kea refuses what has none."""
    try:
        return identifiers.hwaddr(text)
    except ValueError:
        return text
