# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packets of hostile clients, through a real Kea, into all sinks of a real monitor.

    python tests/fuzz/clients.py [--clients 5000] [--seed 1]

A fault names the seed, and the packets that show it join the corpus: a run begins with all of them.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import sys
import time
from pathlib import Path
from typing import Sequence

from judging import Judge, corpus
from packets import random_packet, well_behaved
from real_kea import PATIENCE, RELAYS, Lease, Site, site
from support.wait import until

CORPUS = Path(__file__).parent / "corpus" / "packet"
ROUND = 300
"""Packets after which everything is judged."""
_SENT = 0.6
"""Share of the packets that each relay sends."""
_ENDED = 0.05
"""Share of the leases that end at once."""


def play(target: Site, judge: Judge, inputs: Sequence[bytes], number: int, chance: random.Random) -> int:
    """Send the packets, then those of the sentinels, and judge. Return the number of leases.

    The first round, with the number 0, sends all by each relay, a later one most.
    """
    leases: list[Lease] = []
    for relay in RELAYS:
        leases += target.serve([one for one in inputs if not number or chance.random() < _SENT], relay)
    ended = [lease for lease in leases if chance.random() < _ENDED]
    for lease in ended:
        target.end(lease, declined=chance.random() < 0.5)
    judge.judge(leases, sentinels(target, number))
    return len(leases)


def sentinels(target: Site, number: int) -> list[Lease]:
    """Return the lease of a well-behaved client of each relay. Raises AssertionError if Kea serves none any more."""
    waiting = {relay: well_behaved(2 * number + index) for index, relay in enumerate(RELAYS)}
    found: dict[str, Lease] = {}

    def all_served() -> bool:
        for relay in waiting.keys() - found.keys():
            found.update((relay, lease) for lease in target.serve([waiting[relay]], relay))
        return len(found) == len(waiting)

    until(all_served, lambda: f"Kea serves no client any more: {target.server.log.read_text()[-2000:]}", PATIENCE)
    return list(found.values())


def shows(inputs: Sequence[bytes]) -> bool:
    """Return whether a new site shows a fault after these packets alone, each by both relays."""
    with site() as target:
        try:
            judge = Judge(target)
            leases = [lease for relay in RELAYS for lease in target.serve(inputs, relay)]
            judge.judge(leases, sentinels(target, 0))
        except AssertionError as error:
            print(f"{len(inputs)} packets: {str(error)[:200]}", file=sys.stderr)
            return True
    return False


def smallest(inputs: Sequence[bytes]) -> Sequence[bytes]:
    """Return few packets that show a fault; none if they do not show it without those before them."""
    if not shows(inputs):
        return []
    while len(inputs) > 1:
        half = len(inputs) // 2
        smaller = next((part for part in (inputs[:half], inputs[half:]) if shows(part)), None)
        if smaller is None:
            break
        inputs = smaller
    return inputs


class FaultError(Exception):
    """Something that must not be, after these packets."""

    def __init__(self, error: AssertionError, inputs: Sequence[bytes]) -> None:
        super().__init__(str(error))
        self.inputs = inputs


def run(clients: int, seed: int) -> str:
    """Send the corpus and so many packets. Return what happened. Raises FaultError."""
    chance = random.Random(seed)
    known = corpus(CORPUS)
    leases = done = 0
    with site() as target:
        judge = Judge(target)
        inputs = known
        while True:
            try:
                leases += play(target, judge, inputs, done, chance)
            except AssertionError as error:
                raise FaultError(error, inputs) from error
            if done >= clients:
                return f"{done} packets, {leases} leases, dead letters: {dict(judge.dead_letters)}"
            inputs = [random_packet(chance, known) for _client in range(min(ROUND, clients - done))]
            done += len(inputs)


def keep(inputs: Sequence[bytes]) -> None:
    """Add packets to the corpus."""
    for one in inputs:
        (CORPUS / f"{hashlib.sha256(one).hexdigest()[:12]}.bin").write_bytes(one)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    given = parser.parse_args()
    begin = time.monotonic()
    try:
        told = run(given.clients, given.seed)
    except FaultError as fault:
        print(f"seed {given.seed}: {fault}", file=sys.stderr)
        found = smallest(fault.inputs)
        keep(found)
        sys.exit(f"{len(found)} packets joined {CORPUS}" if found else "the last packets alone do not show it")
    print(f"client packets     {told}; seed {given.seed}, {time.monotonic() - begin:.0f} s")


if __name__ == "__main__":
    main()
