# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clients of a pair of Kea servers, through a relay, which is this host, that forwards to both.

New clients ask all the time, and others renew their leases at the server that gave them. Each repeats after a second.
Ends after --seconds, or as soon as it gets SIGTERM. Prints one JSON object: how many exchanges were finished, late or
lost, the worst delay, when each late one began, and the addresses that two clients got.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import select
import signal
import socket
import sys
import time
from dataclasses import dataclass, field

from bmc import ACK, DISCOVER, NAK, OFFER, REQUEST, Bmc, packet, parse

REPEAT = 1.0
"""Seconds after which a client repeats what was not answered."""
LATE = 1.0
LOST = 120.0
"""Seconds after which an exchange counts as lost. Kea itself takes a minute to give up on a partner."""
ASKED = 2
"""Repeats of a request after which a client begins again: the server that offered may be gone."""
UNICAST = 4
"""Attempts of a renewal at its own server; later ones reach both, as after T2."""


@dataclass
class Exchange:
    """What one client wants to finish."""

    bmc: Bmc
    began: float
    sent: float = 0.0
    tries: int = 0
    kind: int = DISCOVER
    asked: int = 0
    """Repeats of the present request."""


@dataclass
class Tally:
    """Results of one kind of exchange."""

    done: int = 0
    lost: int = 0
    worst: float = 0.0
    late: list[tuple[float, float]] = field(default_factory=list)
    """When each late one began, in seconds since the start, and its delay."""

    def add(self, began: float, delay: float) -> None:
        self.done += 1
        self.worst = max(self.worst, delay)
        if delay > LATE:
            self.late.append((round(began, 1), round(delay, 2)))

    def result(self) -> dict[str, object]:
        return {
            "done": self.done,
            "late": len(self.late),
            "lost": self.lost,
            "worst": round(self.worst, 2),
            "when": self.late,
        }


class Clients:
    """All clients, and the relay."""

    def __init__(self, servers: list[str], rate: float, renewing: int, every: float) -> None:
        self.servers = servers
        self.rate, self.renewing, self.every = rate, renewing, every
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect((servers[0], 67))
            self.relay = probe.getsockname()[0]
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self.socket.bind((self.relay, 67))
        # No earlier run on the same hosts had these clients.
        self.number = int(time.time() * 10) % (1 << 31)
        self.open: dict[int, Exchange] = {}
        self.tallies = {"new": Tally(), "renewed": Tally()}
        self.holders: list[tuple[float, Bmc]] = []
        self.naks = 0
        self.given: dict[bytes, tuple[int, str, str]] = {}
        """The client that has each address, since when, and which server gave it. No lease ends while this runs."""
        self.doubled: dict[str, list[tuple[int, str, str]]] = {}
        """Each client that has an address which another one has."""
        self.end = 0.0

    def stop(self, _signal: int, _frame: object) -> None:
        """Begin no exchange from now on."""
        self.end = time.monotonic()

    def run(self, seconds: float) -> None:
        """Ask for so long, and then wait until each exchange is finished or lost."""
        self.start = time.monotonic()
        self.end = self.start + seconds
        new = self.start
        while self.open or time.monotonic() < self.end:
            now = time.monotonic()
            asking = now < self.end
            if asking and now >= new:
                new += 1 / self.rate
                self.number += 1
                self._begin(Bmc(self.number, ""), now)
            while asking and self.holders and self.holders[0][0] <= now:
                bmc = self.holders.pop(0)[1]
                bmc.renewing = True
                self._begin(bmc, now)
            for exchange in list(self.open.values()):
                self._repeat(exchange, now)
            ready = select.select([self.socket], [], [], 0.02)[0]
            while ready:
                self._receive(self.socket.recv(4096))
                ready = select.select([self.socket], [], [], 0)[0]

    def _begin(self, bmc: Bmc, now: float) -> None:
        self.open[bmc.number] = Exchange(bmc, now, kind=REQUEST if bmc.renewing else DISCOVER)

    def _repeat(self, exchange: Exchange, now: float) -> None:
        if now - exchange.began > LOST:
            self._tally(exchange).lost += 1
            del self.open[exchange.bmc.number]
        elif now - exchange.sent >= REPEAT:
            if exchange.kind == REQUEST and not exchange.bmc.renewing:
                exchange.asked += 1
                if exchange.asked >= ASKED:
                    exchange.kind, exchange.asked = DISCOVER, 0
            self._send(exchange, now)

    def _send(self, exchange: Exchange, now: float) -> None:
        exchange.sent, exchange.tries = now, exchange.tries + 1
        own = exchange.bmc.renewing and exchange.tries <= UNICAST
        for server in [socket.inet_ntoa(exchange.bmc.server)] if own else self.servers:
            # By this Kea knows clients that its partner leaves without an answer.
            secs = int(now - exchange.began)
            data = packet(exchange.bmc, exchange.kind, socket.inet_aton(self.relay), secs)
            with contextlib.suppress(OSError):  # a port that is closed while the server restarts
                self.socket.sendto(data, (server, 67))

    def _receive(self, data: bytes) -> None:
        number, kind, address, server = parse(data)
        exchange, now = self.open.get(number), time.monotonic()
        if exchange is None:
            return
        if kind == OFFER and exchange.kind == DISCOVER:
            exchange.bmc.address, exchange.bmc.server, exchange.kind = address, server, REQUEST
            self._send(exchange, now)
        elif kind == ACK and exchange.kind == REQUEST:
            self._tally(exchange).add(exchange.began - self.start, now - exchange.began)
            del self.open[number]
            exchange.bmc.server = server or exchange.bmc.server
            own = number, time.strftime("%T"), socket.inet_ntoa(exchange.bmc.server)
            first = self.given.setdefault(address, own)
            if first[0] != number:
                self.doubled.setdefault(socket.inet_ntoa(address), [first]).append(own)
            if exchange.bmc.renewing or len(self.holders) < self.renewing:
                self.holders.append((now + self.every, exchange.bmc))
        elif kind == NAK:
            self.naks += 1
            exchange.bmc.renewing, exchange.kind = False, DISCOVER

    def _tally(self, exchange: Exchange) -> Tally:
        return self.tallies["renewed" if exchange.bmc.renewing else "new"]


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("servers", nargs=2)
    options.add_argument("--seconds", type=float, default=60.0)
    options.add_argument("--rate", type=float, default=2.0, help="new clients a second")
    options.add_argument("--renewing", type=int, default=50, help="clients that renew")
    options.add_argument("--every", type=float, default=10.0, help="seconds between two renewals of a client")
    chosen = options.parse_args()
    clients = Clients(chosen.servers, chosen.rate, chosen.renewing, chosen.every)
    signal.signal(signal.SIGTERM, clients.stop)
    clients.run(chosen.seconds)
    found = {name: tally.result() for name, tally in clients.tallies.items()}
    told = {**found, "naks": clients.naks, "doubled": clients.doubled}
    print(json.dumps({**told, "start": time.time() - (time.monotonic() - clients.start)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
