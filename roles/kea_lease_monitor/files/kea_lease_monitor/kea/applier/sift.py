# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Search for the reservations that Kea refuses, by tests of the whole configuration."""

from __future__ import annotations

import ipaddress
import re
from typing import Callable, Dict, List, NamedTuple, Sequence, Set, Tuple, Union

from kea_lease_monitor.errors import TemporaryError
from kea_lease_monitor.kea.applier.hosts import Host, Refusal

Network = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]

Test = Callable[[Sequence[Host]], str]
"""Return why Kea refuses its configuration with these hosts, empty if it accepts it."""

_WORD = re.compile(r"[0-9A-Za-z.:]+")
_LINE = re.compile(r"subnet-(\d+)\.json:(\d+)[.:]")
_OUTSIDE = re.compile(
    r"specified reservation '([0-9A-Fa-f.:]+)' is not within the IPv[46] subnet '([0-9A-Fa-f.:]+/[0-9]+)'"
)


class Sifted(NamedTuple):
    """What Kea accepts together, and what it refuses beside that."""

    accepted: List[Host]
    refused: List[Refusal]

    def by_subnet(self) -> Dict[int, List[Host]]:
        """Return the accepted hosts of each subnet that has any."""
        found: Dict[int, List[Host]] = {}
        for host in self.accepted:
            found.setdefault(host.subnet, []).append(host)
        return found


def sift(hosts: Sequence[Host], test: Test, report: Callable[[Sequence[Refusal]], None]) -> Sifted:
    """Return the hosts that Kea accepts; earlier ones are preferred. Raises TemporaryError if it refuses all.

    A refused host costs one test if Kea's words name it, and otherwise one for each halving of the hosts. ``report``
    receives all refusals after each one, because the search may take long.
    """
    accepted = list(hosts)
    refused: List[Refusal] = []
    words = test(accepted)
    if words and (own := test([])):
        raise TemporaryError(f"Kea refuses its configuration, also without the monitor's reservations: {own}")
    while words:
        found = _named(words, accepted)
        later = test(_without(accepted, found)) if found else words
        if later == words:
            index, words = _first_refused(accepted, test, words)
            found = {index}
            later = test(_without(accepted, found))
        refused += [refusal(accepted[index], words) for index in sorted(found)]
        report(refused)
        accepted, words = _without(accepted, found), later
    return Sifted(accepted, refused)


def refusal(host: Host, reason: str) -> Refusal:
    """Return the refusal of a host."""
    return Refusal(host.subnet, host.identifier, host.address, host.text, reason)


def _without(hosts: Sequence[Host], indexes: Set[int]) -> List[Host]:
    return [host for index, host in enumerate(hosts) if index not in indexes]


def _first_refused(hosts: Sequence[Host], test: Test, words: str) -> Tuple[int, str]:
    """Return the index of the host with which Kea begins to refuse, and its words about that."""
    low, high = 0, len(hosts) - 1
    while low < high:
        middle = (low + high) // 2
        if answer := test(hosts[: middle + 1]):
            high, words = middle, answer
        else:
            low = middle + 1
    return low, words


def _named(words: str, hosts: Sequence[Host]) -> Set[int]:
    """Return the indexes of the hosts that Kea's words are about: the last one named, or all outside a subnet."""
    if outside := _OUTSIDE.search(words):
        return _outside(outside[1], ipaddress.ip_network(outside[2], strict=False), hosts)
    said = {word.rstrip(".:") for word in _WORD.findall(words)}
    spelled = [index for index, host in enumerate(hosts) if host.identifier.partition(" ")[2] in said]
    addressed = [index for index, host in enumerate(hosts) if said.intersection(host.addresses)]
    found = sorted(set(spelled) & set(addressed)) or spelled or addressed or _in_line(words, hosts)
    return set(found[-1:])


def _outside(address: str, network: Network, hosts: Sequence[Host]) -> Set[int]:
    """Return the hosts outside the network, of the subnets that have the address that Kea named."""
    subnets = {host.subnet for host in hosts if address in host.addresses}
    return {
        index
        for index, host in enumerate(hosts)
        if host.subnet in subnets and any(_is_outside(one, network) for one in host.addresses)
    }


def _is_outside(claimed: str, network: Network) -> bool:
    """Return whether an address is outside. Of a prefix Kea does not ask that."""
    return "/" not in claimed and ipaddress.ip_address(claimed) not in network


def _in_line(words: str, hosts: Sequence[Host]) -> List[int]:
    """Return the host at the place in a reservation file that Kea's words name."""
    found = _LINE.search(words)
    if not found:
        return []
    subnet, line = int(found[1]), int(found[2])
    return [index for index, host in enumerate(hosts) if host.subnet == subnet][line - 1 : line]
