# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packets of hostile clients, through a real Kea, into all sinks of a real monitor.

    python tests/fuzz/clients.py [--family 6] [--clients 5000] [--seed 1]

A fault names the seed, and the packets that show it join the corpus: a run begins with all of them.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import random
import sys
import time
from pathlib import Path
from typing import Sequence

from exchanges import Lease
from families import FAMILIES, Family
from judging import Judge, corpus
from real_kea import PATIENCE, Site, site
from support.wait import until

ROUND = 300
"""Packets after which everything is judged."""
_SENT = 0.6
"""Share of the packets that each relay sends."""
_ENDED = 0.05
"""Share of the leases that end at once."""
_RENEWED = 0.05


def play(target: Site, judge: Judge, inputs: Sequence[bytes], number: int, chance: random.Random) -> int:
    """Send the packets, then those of the sentinels, and judge. Return the number of addresses and prefixes.

    The first round, with the number 0, sends all by each relay, a later one most.
    """
    leases: list[Lease] = []
    for relay in target.family.relays:
        leases += target.clients.serve([one for one in inputs if not number or chance.random() < _SENT], relay)
    for lease in leases:
        if chance.random() < _RENEWED:
            target.clients.renew(lease)
        if chance.random() < _ENDED:
            target.clients.end(lease, declined=chance.random() < 0.5)
    judge.judge(leases, sentinels(target, number))
    return sum(len(lease.granted) for lease in leases)


def sentinels(target: Site, number: int) -> list[Lease]:
    """Return the lease of a well-behaved client of each relay. Raises AssertionError if Kea serves none any more."""
    relays = target.family.relays
    waiting = {relay: target.family.packets.well_behaved(2 * number + index) for index, relay in enumerate(relays)}
    found: dict[str, Lease] = {}

    def all_served() -> bool:
        for relay in waiting.keys() - found.keys():
            found.update((relay, lease) for lease in target.clients.serve([waiting[relay]], relay))
        return len(found) == len(waiting)

    until(all_served, lambda: f"Kea serves no client any more: {target.server.log.read_text()[-2000:]}", PATIENCE)
    return list(found.values())


def shows(family: Family, inputs: Sequence[bytes]) -> bool:
    """Return whether a new site shows a fault after these packets alone, each by both relays."""
    with site(family) as target:
        try:
            judge = Judge(target)
            leases = [lease for relay in family.relays for lease in target.clients.serve(inputs, relay)]
            judge.judge(leases, sentinels(target, 0))
        except AssertionError as error:
            print(f"{len(inputs)} packets: {str(error)[:200]}", file=sys.stderr)
            return True
    return False


def smallest(family: Family, inputs: Sequence[bytes]) -> Sequence[bytes]:
    """Return few packets that show a fault; none if they do not show it without those before them."""
    if not shows(family, inputs):
        return []
    while len(inputs) > 1:
        half = len(inputs) // 2
        smaller = next((part for part in (inputs[:half], inputs[half:]) if shows(family, part)), None)
        if smaller is None:
            break
        inputs = smaller
    return inputs


class FaultError(Exception):
    """Something that must not be, after these packets."""

    def __init__(self, error: AssertionError, inputs: Sequence[bytes]) -> None:
        super().__init__(str(error))
        self.inputs = inputs


def run(family: Family, clients: int, seed: int) -> str:
    """Send the corpus and so many packets. Return what happened. Raises FaultError."""
    chance = random.Random(seed)
    known = corpus(family.corpus)
    leases = done = 0
    with site(family) as target:
        judge = Judge(target)
        inputs = known
        for number in itertools.count():
            try:
                leases += play(target, judge, inputs, number, chance)
            except AssertionError as error:
                raise FaultError(error, inputs) from error
            if done >= clients:
                break
            inputs = [family.packets.random_packet(chance, known) for _client in range(min(ROUND, clients - done))]
            done += len(inputs)
    return f"{done} packets, {leases} leases, dead letters: {dict(judge.dead_letters)}"


def keep(directory: Path, inputs: Sequence[bytes]) -> None:
    """Add packets to the corpus."""
    for one in inputs:
        (directory / f"{hashlib.sha256(one).hexdigest()[:12]}.bin").write_bytes(one)


def fuzz(family: Family, clients: int, seed: int) -> None:
    """Run one family, and print what happened. Exits with a message after a fault."""
    begin = time.monotonic()
    try:
        told = run(family, clients, seed)
    except FaultError as fault:
        print(f"DHCPv{family.number}, seed {seed}: {fault}", file=sys.stderr)
        found = smallest(family, fault.inputs)
        keep(family.corpus, found)
        sys.exit(f"{len(found)} packets joined {family.corpus}" if found else "the last packets alone do not show it")
    print(f"DHCPv{family.number} packets     {told}; seed {seed}, {time.monotonic() - begin:.0f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--family", type=int, choices=[family.number for family in FAMILIES], help="default: both")
    parser.add_argument("--clients", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    given = parser.parse_args()
    for family in FAMILIES:
        if given.family in (None, family.number):
            fuzz(family, given.clients, given.seed)


if __name__ == "__main__":
    main()
