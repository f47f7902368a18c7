# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file of reservations that Kea's configuration includes: host maps with commas between, no brackets around."""

from __future__ import annotations

import json
import re
from types import MappingProxyType
from typing import Any, Dict, List, Mapping, Sequence, Tuple

from kea_lease_monitor.kea.reservations import adopted, host_object, verdict
from kea_lease_monitor.lease import Lease

_GAP = re.compile(r"(?:[\s,]+|#[^\n]*|//[^\n]*|/\*.*?\*/)*", re.DOTALL)
"""What Kea's grammar allows between two maps: white space, commas and its three kinds of comment."""

_COMMAS = re.compile(r"^[\s,]+|[\s,]+$")


class HostList:
    """Every host as the text that stands in the file, so that what a person wrote stays as it was written.

    ``elsewhere`` has the addresses of hosts that Kea knows from its configuration, by hwaddr (or by anything unique).
    Raises ValueError for a text that Kea would not take either.
    """

    def __init__(self, content: bytes, elsewhere: Mapping[str, str] = MappingProxyType({})) -> None:
        self._elsewhere = elsewhere
        self._taken = {address: host for host, address in elsewhere.items() if address}
        self._texts: List[str] = []
        self._comments: Dict[int, str] = {}
        self._index: Dict[str, int] = {}
        self._holders: Dict[str, str] = {}
        self._parse(content.decode("utf-8"))

    def _parse(self, text: str) -> None:
        decoder = json.JSONDecoder()
        at = 0
        while True:
            gap = _GAP.match(text, at)
            end = gap.end() if gap else at
            if comment := _COMMAS.sub("", text[at:end]):
                self._comments[len(self._texts)] = comment
            if end == len(text):
                return
            try:
                host, at = decoder.raw_decode(text, end)
            except ValueError as error:
                line = text.count("\n", 0, end) + 1
                raise ValueError(f"the reservation that begins in line {line} is not valid: {error}") from error
            self._take(host, text[end:at])

    def _take(self, host: Any, text: str) -> None:
        if isinstance(host, dict):
            hwaddr = str(host.get("hw-address", "")).lower()
            if hwaddr:
                self._index[hwaddr] = len(self._texts)
            if "ip-address" in host:
                self._holders[str(host["ip-address"])] = hwaddr or "another identifier"
        self._texts.append(text)

    def reserve(self, lease: Lease) -> Tuple[str, str]:
        """(created, updated, unchanged, conflict or edited; who holds the address, or what a person reserved)."""
        if lease.hwaddr in self._elsewhere:
            return "unchanged", ""
        holder = self._taken.get(lease.address) or self._holders.get(lease.address, lease.hwaddr)
        number = self._index.get(lease.hwaddr)
        present = {} if number is None else json.loads(self._texts[number])
        result = "created" if number is None else verdict(present, lease)
        if result == "edited":
            return result, str(present.get("ip-address", "no address"))
        if result == "unchanged":
            return result, ""
        if holder != lease.hwaddr:
            return "conflict", holder
        self._holders.pop(str(present.get("ip-address", "")), None)
        self._put(len(self._texts) if number is None else number, lease, present)
        return result, ""

    def exchange(self, leases: Sequence[Lease]) -> bool:
        """Whether these had each other's addresses, all of them from us, and now have their own."""
        numbers = [self._index.get(lease.hwaddr, -1) for lease in leases]
        hosts = [json.loads(self._texts[number]) if number >= 0 else {} for number in numbers]
        if {host.get("ip-address") for host in hosts} != {lease.address for lease in leases}:
            return False
        if any(verdict(host, lease) != "updated" for host, lease in zip(hosts, leases)):
            return False
        for number, lease, host in zip(numbers, leases, hosts):
            self._put(number, lease, host)
        return True

    def adopt(self, lease: Lease) -> bool:
        """Whether the lease's reservation looked as release 1.0.0 made it, and has our mark now."""
        number = self._index.get(lease.hwaddr)
        host = {} if number is None else adopted(json.loads(self._texts[number]), lease)
        if number is None or not host:
            return False
        self._texts[number] = json.dumps(host)
        return True

    def _put(self, number: int, lease: Lease, present: Dict[str, Any]) -> None:
        text = json.dumps(host_object(lease, present))
        self._texts[number : number + 1] = [text]
        self._index[lease.hwaddr] = number
        self._holders[lease.address] = lease.hwaddr

    def render(self) -> bytes:
        last = len(self._texts) - 1
        lines: List[str] = []
        for number, text in enumerate(self._texts):
            if number in self._comments:
                lines.append(self._comments[number])
            lines.append(text if number == last else f"{text},")
        if len(self._texts) in self._comments:
            lines.append(self._comments[len(self._texts)])
        return ("\n".join(lines) + "\n").encode()
