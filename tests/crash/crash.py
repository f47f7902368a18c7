# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The crash test: whatever is killed, every lease has its reservation and its discovery file, none twice, none wrong.

A real Kea grants leases under perfdhcp. Meanwhile monitors are killed (-9) at random moments and started again. At some
of these moments PostgreSQL is restarted, all connections are cut, the standby is promoted, the disk of the discovery
files is full for a while; in file mode Kea cleans its lease file up every few seconds. All chance comes of the seed.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Callable, Iterator, NamedTuple

from families import DHCP4, DHCP6, Family, Lease
from parts import DATABASE, LFC_INTERVAL, Clients, Database, Disk, Kea, LeaseFile, rested
from support.monitor import Daemon
from support.wait import until

LONGEST_LIFE = 2.5
"""Seconds; a start takes a third of it, on a busy machine more."""
PATIENCE = 90
"""Seconds to catch up once nothing happens any more; the back-off is up to 30."""


class Scenario(NamedTuple):
    """What a monitor follows: events of PostgreSQL or Kea's lease file."""

    family: Family
    monitors: int = 1
    """More than one share their state in PostgreSQL."""
    follows_file: bool = False


SCENARIOS = {
    "events": Scenario(DHCP4),
    "pair": Scenario(DHCP4, monitors=2),
    "file": Scenario(DHCP4, follows_file=True),
    "events6": Scenario(DHCP6),
    "file6": Scenario(DHCP6, follows_file=True),
}


class World:
    """One scenario. Whatever was started is stopped by ``close``."""

    def __init__(self, name: str, directory: Path, rate: int, chance: random.Random) -> None:
        self.scenario, self.chance = SCENARIOS[name], chance
        self.family = self.scenario.family
        self.counts: collections.Counter[str] = collections.Counter()
        self.met = 0
        self.database = Database(directory, self.family)
        self.disk = Disk(directory / "discovery")
        self.file = LeaseFile(directory / "kea", self.family) if self.scenario.follows_file else None
        self.kea = Kea(directory / "kea", self.family, self._lease_database())
        self.monitors = [self._monitor(directory / f"monitor{number}") for number in range(self.scenario.monitors)]
        self.clients = Clients(directory, self.family, rate, chance.randrange(2**31))

    def _lease_database(self) -> dict[str, Any]:
        if self.file:
            return {"type": "memfile", "name": str(self.file.path), "lfc-interval": LFC_INTERVAL}
        # Kea goes on by itself, however long the database is away.
        recovery = {"on-fail": "serve-retry-continue", "max-reconnect-tries": 100000, "reconnect-wait-time": 100}
        return {"type": "postgresql", "name": DATABASE, "host": self.database.hosts, "user": "postgres", **recovery}

    def _monitor(self, directory: Path) -> Daemon:
        directory.mkdir()
        shared = self.scenario.monitors > 1
        state = {"type": "postgresql"} if shared else {"path": str(directory / "state.sqlite")}
        source = {"type": "memfile", "path": str(self.file.path)} if self.file else {"type": "events"}
        sinks = [
            {"type": "reservation", **self.family.reservation},
            {"type": "discovery", "directory": str(self.disk.directory)},
        ]
        document = {
            "database": {"host": self.database.hosts, "name": DATABASE},
            "source": source,
            "state": state,
            "subscriptions": [{"name": "default", "match": dict(self.family.match), "sinks": sinks}],
        }
        daemon = Daemon(directory, document)
        if shared and not self.database.rows("SELECT 1 FROM pg_tables WHERE schemaname = 'kea_lease_monitor'"):
            daemon.process.wait()
            assert daemon.ask("db", "init").returncode == 0, daemon.log()
            daemon.start()
        return daemon

    def kill(self) -> None:
        """One monitor, any moment after the last event of this test, and at once another in its place."""
        time.sleep(self.chance.uniform(0, LONGEST_LIFE))
        victim = self.chance.choice(self.monitors)
        for daemon in self.monitors:
            self.keep(daemon)
        victim.process.kill()
        victim.process.wait()
        victim.start()
        self.counts["killed"] += 1
        self.kea.keep()
        assert self.clients.go_on(), "perfdhcp ended"
        if self.file:
            self.file.look()

    def keep(self, daemon: Daemon) -> None:
        """As the unit does: who finds no state in PostgreSQL at its start ends with 1. None ends otherwise."""
        ended = daemon.process.poll()
        if ended is not None:
            last = daemon.log().splitlines()[-1]
            assert ended == 1, f"a monitor ended with {ended}: {last}"
            assert "error: the state" in last, f"a monitor ended: {last}"
            daemon.start()
            self.counts["without state"] += 1

    def disturb(self, what: str) -> None:
        acts: dict[str, Callable[[], Any]] = {
            "restarted": self.database.restart,
            "cut": self.database.cut,
            "promoted": self.database.promote,
            "full": self.fill,
            "freed": self.free,
        }
        acts[what]()
        self.counts[what] += 1

    def refusals(self) -> int:
        """How often a monitor met the full disk."""
        return sum(one.log().count("No space left") for one in self.monitors)

    def fill(self) -> None:
        self.met = self.refusals()
        self.disk.fill()

    def free(self) -> None:
        """Not before it was met: on a busy machine a monitor may have been killed each time before it wrote a file."""

        def met() -> bool:
            for daemon in self.monitors:
                self.keep(daemon)
            return self.refusals() > self.met

        until(met, "a monitor meets the full disk", PATIENCE)
        self.disk.free()

    def close(self) -> None:
        self.clients.close()
        for daemon in self.monitors:
            daemon.process.kill()
            daemon.process.wait()
        self.kea.stop()
        self.database.stop()
        self.disk.close()

    def leases(self) -> list[Lease]:
        return self.file.leases() if self.file else self.database.leases()

    def discovered(self) -> Iterator[Lease]:
        for path in self.disk.directory.iterdir():
            # A monitor that still writes renames its temporary file.
            with contextlib.suppress(FileNotFoundError):
                yield self.family.discovered(path)


def plan(kills: int, chance: random.Random) -> dict[int, list[str]]:
    """What happens before which kill.

    After a restart of PostgreSQL the monitor reads the last minute again, after a promotion everything, which would
    heal what a kill before it had lost. So these come in the first half, and in the second one nothing helps.
    """
    half = kills // 2
    moments: dict[int, list[str]] = collections.defaultdict(list)
    for _time in range(max(1, kills // 25)):
        moments[chance.randrange(half)].append("restarted")
    moments[chance.randrange(half)].append("promoted")
    for _time in range(max(2, kills // 6)):
        moments[chance.randrange(kills)].append("cut")
    for begin in (chance.randrange(max(1, half - 6)), chance.randrange(half, kills - 5)):
        moments[begin].append("full")
        moments[begin + chance.randrange(2, 6)].append("freed")
    return moments


def differences(name: str, found: list[Lease], leases: set[Lease]) -> list[str]:
    """Missing, wrong and doubled ones."""
    lines = [f"{name} missing: {one}" for one in sorted(leases - set(found))]
    lines += [f"{name} wrong: {one}" for one in sorted(set(found) - leases)]
    return lines + [f"{name} {times} times: {one}" for one, times in collections.Counter(found).items() if times > 1]


def judge(world: World, told: set[Lease]) -> list[str]:
    """What is not as it must be."""
    held = world.leases()
    leases = set(held)
    lines = [f"lease told to a client but not stored: {one}" for one in sorted(told - leases)]
    lines += differences("lease", held, leases)
    lines += differences("reservation", world.database.reservations(), leases)
    addresses = {(client, address) for client, address in leases if "/" not in address}
    lines += differences("discovery file", list(world.discovered()), addresses)
    return lines or dead_letters(world)


def dead_letters(world: World) -> list[str]:
    """What the monitor gave up. It costs a process, which on a busy machine takes time from the monitors."""
    letters = world.monitors[0].ask("dead-letters", "list", "--json").stdout.strip()
    return [f"dead letters: {letters}"] if letters != "[]" else []


def run(name: str, kills: int, rate: int, seed: int) -> str:
    """One scenario; the sentence about it. Raises SystemExit with all that is wrong."""
    chance = random.Random(f"{seed}/{name}")
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="crash") as directory:
        Path(directory).chmod(0o755)
        world = World(name, Path(directory), rate, chance)
        try:
            moments = plan(kills, chance)
            for number in range(kills):
                for what in moments[number]:
                    world.disturb(what)
                world.kill()
            wrong, told = end(world)
            starts, kinds = sum(one.log().count("Caught up") for one in world.monitors), world.counts
        except BaseException:
            print(f"seed {seed}, scenario {name}, {dict(world.counts)}", file=sys.stderr)
            raise
        finally:
            world.close()
    if wrong:
        shown = "\n".join(wrong[:40])
        raise SystemExit(f"seed {seed}, scenario {name}: {len(wrong)} faults after {dict(kinds)}\n{shown}")
    cleaned = f", lease file cleaned up {world.file.cleaned}" if world.file else ""
    return (
        f"{name:7} {len(told)} leases told to clients, all as they must be; monitor killed {kinds['killed']} times ("
        f"{starts} starts had caught up), PostgreSQL restarted {kinds['restarted']}, connections cut {kinds['cut']},"
        f" standby promoted {kinds['promoted']}, disk full {kinds['full']}{cleaned}; {time.monotonic() - begin:.0f} s"
    )


def end(world: World) -> tuple[list[str], set[Lease]]:
    """Nothing more happens; what is wrong once the monitors had their time, and what the clients were told."""
    world.disk.free()
    world.kea.keep()
    told = world.clients.stop()
    if world.file:
        rested(world.file)
    due = time.monotonic() + PATIENCE
    while (wrong := judge(world, told)) and time.monotonic() < due:
        time.sleep(0.5)
        for daemon in world.monitors:
            world.keep(daemon)
    assert told, "no client got a lease, so that nothing was tested"
    for daemon in world.monitors:
        daemon.stop()
    return list(dict.fromkeys([*(wrong or judge(world, told)), *dead_letters(world)])), told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50, help="of each scenario, at least 12")
    parser.add_argument("--rate", type=int, default=120, help="new clients each second")
    parser.add_argument("--scenario", choices=SCENARIOS, action="append")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    given = parser.parse_args()
    print(f"seed {given.seed}", flush=True)
    for name in given.scenario or SCENARIOS:
        print(run(name, given.kills, given.rate, given.seed), flush=True)


if __name__ == "__main__":
    main()
