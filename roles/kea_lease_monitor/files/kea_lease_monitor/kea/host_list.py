# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file of reservations that Kea's configuration includes: host maps with commas between, without brackets."""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import Any, Collection, Dict, List, Mapping, Optional, Sequence, Tuple

from _kea import host_maps

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
from kea_lease_monitor.kea.shares import KEYS, address_of, addresses, client, joined, left, share, spelled
from kea_lease_monitor.lease import Lease


class HostList:
    """The reservations of one file. Those that this object does not change keep their text."""

    def __init__(
        self, content: bytes, names: bool = False, given: Mapping[str, str] = MappingProxyType({}), family: int = 4
    ) -> None:
        """Read the content of the file. Raises ValueError for a text that Kea rejects as well.

        ``names`` says that reservations also have the names of the clients. ``given`` maps the hwaddr of a client to
        the name that the site gives it. ``family`` is that of all reservations.
        """
        self._key = KEYS[family]
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
            key, identifier = spelled(host)
            if key == self._key and identifier:
                self._index[identifier] = len(self._texts)
            for address in addresses(host):
                self._holders[address] = identifier or "another identifier"
        self._texts.append(text)

    def reserve(self, lease: Lease) -> Tuple[Verdict, str, Optional[int]]:
        """Reserve the address of a lease for its client, if that is possible.

        Return what was done, the detail (who holds the address of a CONFLICT, what a person reserved if EDITED), and
        when the reservation was made (see batch.Kept).
        """
        holder = self._holders.get(address_of(lease), client(lease))
        number = self._index.get(client(lease))
        present = share({} if number is None else host_maps.read(self._texts[number]), lease)
        verdict = Verdict.CREATED if number is None else judge(present, lease, self._names)
        if verdict in (Verdict.EDITED, Verdict.SECOND):
            return verdict, str(present.get("ip-address", "no address")), None
        since = lease.cltt if number is None else made(present)
        if verdict is Verdict.UNCHANGED and is_name_due(present, self._given.get(lease.hwaddr, "")):
            verdict = Verdict.UPDATED if present.get("ip-address") == address_of(lease) else verdict
        # Kea looks up a DHCPv6 client by its hardware address first, and finds what a person reserved by that.
        if verdict is Verdict.UNCHANGED or (lease.family == 6 and holder == lease.hwaddr):
            return Verdict.UNCHANGED, "", since
        if holder != client(lease):
            return Verdict.CONFLICT, holder, None
        self._holders.pop(str(present.get("ip-address", "")), None)
        if number is None:
            number = self._append()
        self._put(number, lease)
        return verdict, "", since

    def place(self, lease: Lease) -> Tuple[Verdict, str]:
        """Reserve the address and the name of a DHCPv4 lease for its client as a person would: without the mark.

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
        numbers = [self._index.get(client(lease), -1) for lease in leases]
        texts = [self._texts[number] if number >= 0 else "{}" for number in numbers]
        hosts = [share(host_maps.read(text), lease) for text, lease in zip(texts, leases)]
        if {host.get("ip-address") for host in hosts} != set(map(address_of, leases)):
            return False
        if any(judge(host, lease, self._names) is not Verdict.UPDATED for host, lease in zip(hosts, leases)):
            return False
        for number, lease in zip(numbers, leases):
            self._put(number, lease)
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

    def _put(self, number: int, lease: Lease) -> None:
        """Write the reservation with this number for a lease; its text is empty for a new one."""
        present = host_maps.read(self._texts[number]) if self._texts[number] else {}
        before = share(present, lease)
        host = joined(present, before, host_object(lease, before, self._names), lease)
        name = self._given.get(lease.hwaddr, "")
        self._store(number, given_name(host, name) if is_name_due(host, name) else host)

    def _store(self, number: int, host: Mapping[str, Any]) -> None:
        self._texts[number] = json.dumps(host)
        self._edited = self._edited or number < self._written
        self._index[host[self._key]] = number
        self._holders.update(dict.fromkeys(addresses(host), host[self._key]))

    def hosts(self) -> List[Dict[str, Any]]:
        """Return the reservations of the file by the identifier that the monitor uses."""
        return [host_maps.read(self._texts[number]) for number in self._index.values()]

    def of(self, identifier: str) -> Dict[str, Any]:
        """Return the reservation of a client in the file; empty if there is none."""
        number = self._index.get(identifier)
        return {} if number is None else host_maps.read(self._texts[number])

    def without(self, clients: Collection[str]) -> bytes:
        """Return the content of the file without the reservations of these clients. All comments stay."""
        gone = {number for identifier, number in self._index.items() if identifier in clients}
        kept: List[Tuple[str, str]] = []
        comment = ""
        for number, text in enumerate(self._texts):
            comment += self._comments[number]
            if number not in gone:
                kept.append((comment, text))
                comment = ""
        return host_maps.render(kept, comment + self._last_comment).encode("utf-8", "surrogateescape")

    def release(self, lease: Lease) -> bool:
        """Drop the address of a lease from its client's managed reservation, which has others for other leases.

        Return whether it has. A reservation without any is not changed here; see ``without``.
        """
        number = self._index[client(lease)]
        rest = left(host_maps.read(self._texts[number]), lease)
        if rest:
            self._holders.pop(address_of(lease), None)
            self._store(number, rest)
        return bool(rest)

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
