# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compares the names of leases with DNS after changes may have been lost, and has those sent again that are wrong.

D2 gives a change up after a few tries. Its statistics tell that, and so does a process of D2 that is new. Only then
DNS servers are asked for names, and once an hour.
"""

from __future__ import annotations

import itertools
import math
import time
from typing import Any, Callable, Iterable, Iterator, List, Mapping, NamedTuple, Sequence

from _kea import control, dns, named_leases, zones
from _kea.named_leases import Named

from kea_lease_monitor.errors import TemporaryError
from kea_lease_monitor.kea.names import ncr
from kea_lease_monitor.kea.names.memory import Memory

HOUR = 3600.0
PAUSES = (0.0, 0.0, 120.0, 180.0)
"""Seconds between two comparisons after so many in a row that found nothing to send. With the minute between two looks,
names are right within five minutes in any case."""
LIST_EVERY = 300.0
"""Seconds between two lists of the leases with names, from which is known what to remove once they are gone."""
TRIES = 3
"""How often a change is sent again before the hourly comparison: another client may own the name (RFC 4703)."""
PACE = 0.005
"""Seconds between two changes that are sent: Kea and D2 each keep 1,024 that wait, and drop any other."""
TIMEOUT = 2.0
"""Seconds that D2 and a DNS server have for an answer."""


class Server(NamedTuple):
    """A DHCP server."""

    family: int
    socket: str


class Zones(NamedTuple):
    """The zones of D2. Those whose server is away have no server, so that nothing is asked there."""

    forward: List[zones.Zone]
    reverse: List[zones.Zone]
    silent: List[str]
    """Names of the zones whose server is away."""
    away: List[str]
    """Why each of those servers gives no answer."""

    def is_silent_for(self, lease: Named) -> bool:
        """Return whether the server of a zone of this lease is away. D2 then gives the whole change up."""
        back = dns.reverse_name(lease.address)
        found = [
            zones.zone_of(lease.name, self.forward) if lease.forward else None,
            zones.zone_of(back, self.reverse) if lease.reverse else None,
        ]
        return any(zone is not None and zone.name in self.silent for zone in found)


class Names:
    """One look."""

    def __init__(self, d2: str, servers: Sequence[Server], memory: Memory, now: Callable[[], float]) -> None:
        """``d2`` is the control socket of D2; ``memory`` is changed."""
        self._d2 = d2
        self._servers = servers
        self._memory = memory
        self._now = now

    def run(self) -> Iterator[str]:
        """Send what is wrong again, and yield a line for each. Raises TemporaryError if D2, Kea or DNS is away."""
        try:
            self._note_losses()
            if self._is_due():
                yield from self._compare()
            elif self._passed(self._memory.listed) >= LIST_EVERY:
                self._list(self._leases())
        except (control.ControlError, OSError) as error:
            raise TemporaryError(str(error)) from error

    def _is_due(self) -> bool:
        """Return whether all names are compared now.

        Failures that no comparison can mend, such as those of a client whose name is another one's, delay the next.
        """
        memory = self._memory
        pause = PAUSES[min(memory.fruitless, len(PAUSES) - 1)]
        return self._is_hourly() or (memory.owed and self._passed(memory.compared) >= pause)

    def _is_hourly(self) -> bool:
        """Return whether the hourly comparison is due, which tries everything again."""
        return self._passed(self._memory.hourly) >= HOUR

    def _passed(self, since: float) -> float:
        """Return how many seconds passed. A time to come is one of a clock that was put back: whatever waits is due."""
        passed = self._now() - since
        return passed if passed >= 0 else math.inf

    def _note_losses(self) -> None:
        memory, pid = self._memory, self._ask("status-get").get("pid", 0)
        failures = zones.failures(self._ask("statistic-get-all"))
        if pid != memory.pid:
            memory.start_over()
        memory.owed = memory.owed or failures != memory.failures
        memory.pid, memory.failures = pid, failures

    def _compare(self) -> Iterator[str]:
        d2 = self._ask("config-get").get(zones.TOP, {})
        known, leases = _answering(d2), self._leases()
        self._forget_tries(known)
        sent = False
        for line in itertools.chain(self._again(leases, known), self._gone(d2, leases, known)):
            sent = True
            yield line
        self._list(leases)
        self._memory.compared = self._now()
        in_vain = self._memory.owed and not sent and not known.away
        self._memory.fruitless = self._memory.fruitless + 1 if in_vain else 0
        # The next look tells whether they arrived.
        self._memory.owed = bool(sent or known.away)
        if known.away:
            raise TemporaryError(f"names are sent again once these answer: {'; '.join(known.away)}")

    def _forget_tries(self, known: Zones) -> None:
        """Try everything again once an hour, and once a server is back: what was sent meanwhile did not arrive."""
        memory = self._memory
        if self._is_hourly():
            memory.tries.clear()
            memory.hourly = self._now()
            # A comparison that breaks off is repeated at the next look.
            memory.owed = True
        if set(memory.silent) - set(known.silent):
            memory.tries.clear()
        memory.silent = known.silent

    def _again(self, leases: Iterable[tuple[Server, Named]], known: Zones) -> Iterator[str]:
        """Have Kea send the names of living leases that are wrong."""
        for server, lease in leases:
            problem = _wrong(lease, known)
            if not known.is_silent_for(lease) and self._is_to_send(lease, problem):
                command = f"lease{server.family}-resend-ddns"
                answer = control.send(server.socket, command, TIMEOUT, {"ip-address": lease.address})
                yield problem if answer.result == control.SUCCESS else f"{problem}; {answer.text}"

    def _gone(self, d2: Mapping[str, Any], leases: Sequence[tuple[Server, Named]], known: Zones) -> Iterator[str]:
        """Have D2 remove the names of leases that are gone."""
        present = {_key(lease) for _server, lease in leases}
        taken = {lease.address for _server, lease in leases if lease.reverse}
        # Nothing is known of the leases of a server that is not looked at, or no longer.
        families = {server.family for server in self._servers}
        for key, lease in list(self._memory.known.items()):
            family = 6 if ":" in lease.address else 4
            if key in present or family not in families or known.is_silent_for(lease):
                continue
            # The name of an address that another client has by now was replaced by that client's.
            rest = lease._replace(reverse=lease.reverse and lease.address not in taken)
            problem = "" if not _is_there(rest, known) else f"{lease.name} is {lease.address}, whose lease is gone"
            if self._is_to_send(lease, problem):
                ncr.send(d2, ncr.removal(rest, self._now()))
                yield problem
            elif not problem and not known.away:
                del self._memory.known[key]

    def _is_to_send(self, lease: Named, problem: str) -> bool:
        """Return whether a change is sent again, and count it."""
        key = _key(lease)
        if not problem:
            self._memory.tries.pop(key, None)
            return False
        tries = self._memory.tries.get(key, 0)
        if tries >= TRIES:
            return False
        self._memory.tries[key] = tries + 1
        time.sleep(PACE)
        return True

    def _list(self, leases: Sequence[tuple[Server, Named]]) -> None:
        """Remember the leases with names. Those that are gone stay until DNS was compared."""
        self._memory.known.update({_key(lease): lease for _server, lease in leases})
        self._memory.listed = self._now()

    def _leases(self) -> List[tuple[Server, Named]]:
        return [(one, lease) for one in self._servers for lease in named_leases.read(one.socket, one.family)]

    def _ask(self, command: str) -> Mapping[str, Any]:
        return control.send(self._d2, command, TIMEOUT).arguments


def _key(lease: Named) -> str:
    return f"{lease.address} {lease.name}"


def _answering(d2: Mapping[str, Any]) -> Zones:
    forward, reverse = ([(one, _silence(one)) for one in zones.zones(d2, way)] for way in zones.DIRECTIONS)
    away = {one.name: silence for one, silence in [*forward, *reverse] if silence}
    return Zones(_asked(forward), _asked(reverse), list(away), list(away.values()))


def _asked(listed: Sequence[tuple[zones.Zone, str]]) -> List[zones.Zone]:
    return [one._replace(servers=()) if silence else one for one, silence in listed]


def _silence(zone: zones.Zone) -> str:
    """Return why the server of a zone gives no answer for it; empty if it does."""
    if not zone.servers:
        return ""
    try:
        return "" if dns.ask(zone.servers[0], zone.name, dns.SOA, TIMEOUT) else f"no server of {zone.name}"
    except dns.DnsError as error:
        return f"{zone.servers[0].address} for {zone.name} ({error})"


def _wrong(lease: Named, known: Zones) -> str:
    try:
        return named_leases.wrong_in_dns(lease, known.forward, known.reverse, TIMEOUT)
    except dns.DnsError as error:
        known.away.append(f"the server of {lease.name} ({error})")
        return ""


def _is_there(lease: Named, known: Zones) -> bool:
    """Return whether DNS still has the name or the address of a lease that is gone."""
    try:
        return named_leases.is_in_dns(lease, known.forward, known.reverse, TIMEOUT)
    except dns.DnsError as error:
        known.away.append(f"the server of {lease.name} ({error})")
        return False
