# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The crash test of reservations by command: Kea 3.0 and the applier are killed (-9) while leases arrive.

Afterwards each lease has its reservation in the running Kea and in the files that Kea reads when it starts, none twice
and none wrong; a Kea that is started without the applier has all of them, too. The monitor is killed as well, and
clients change their names: its file then has the last name of each. All chance comes of the seed.
"""

from __future__ import annotations

import argparse
import collections
import json
import random
import time

from _kea import host_maps, reservation_files
from support import by_command
from support.by_command import Site
from support.host_lists import counting
from support.monitor import Daemon
from support.wait import until

LIFETIME = 3600
LONGEST_LIFE = 1.5
"""Seconds between two kills. A start takes a third of that, so that some kills meet one."""
MONITOR_TOO = 1 / 3
"""Which part of the kills meets the monitor as well."""
PAUSE = 0.02
"""Seconds between two rows of leases."""
BURST = 8
"""Leases in a row, at most."""
PAGE = 1000


def lease(number: int) -> tuple[str, str]:
    """Return hardware address and address of a lease."""
    return f"06:00:00:00:{number >> 8:02x}:{number & 255:02x}", f"10.1.{number >> 8}.{number & 255}"


def row(number: int, name: str) -> str:
    mac, address = lease(number)
    return f"{address},{mac},,{LIFETIME},{int(time.time()) + LIFETIME},1,0,0,{name},0,\n"


class Load:
    """Leases that arrive at random moments."""

    def __init__(self, site: Site, chance: random.Random) -> None:
        self._site, self._chance = site, chance
        self.names: list[str] = []
        """The last name of each client."""

    def last(self, seconds: float) -> None:
        """Let leases arrive for so long."""
        due = time.monotonic() + seconds
        with self._site.leases.open("a") as file:
            while time.monotonic() < due:
                for _lease in range(self._chance.randrange(BURST)):
                    self.names.append(f"bmc-{len(self.names)}")
                    file.write(row(len(self.names) - 1, self.names[-1]))
                if self.names:
                    number = self._chance.randrange(len(self.names))
                    self.names[number] += "x"
                    file.write(row(number, self.names[number]))
                file.flush()
                time.sleep(PAUSE)

    def wanted(self) -> list[tuple[str, str]]:
        return sorted(map(lease, range(len(self.names))))

    def named(self) -> dict[str, str]:
        """Return the name of each client by its hardware address."""
        return {lease(number)[0]: name for number, name in enumerate(self.names)}


def running(site: Site) -> list[tuple[str, str]]:
    """Return what the running Kea has, sorted."""
    arguments = {"subnet-id": 1, "limit": PAGE, "from": 0, "source-index": 0, "operation-target": "memory"}
    found: list[tuple[str, str]] = []
    while True:
        answer = site.server.ask("reservation-get-page", **arguments)
        if answer["result"] == 3:
            return sorted(found)
        found += [(one["hw-address"], one["ip-address"]) for one in answer["arguments"]["hosts"]]
        arguments.update(answer["arguments"]["next"])


def in_files(site: Site) -> list[tuple[str, str]]:
    """Return what Kea would have after a start, sorted."""
    text = reservation_files.text(str(site.applied / "subnet-1.json"))
    return sorted((one["hw-address"], one["ip-address"]) for one in json.loads(f"[{text}]"))


def names_written(site: Site) -> dict[str, str]:
    """Return the name that the monitor's file has for each client."""
    hosts = counting(site.written / "subnet-1.json")
    return {host["hw-address"]: host["user-context"][host_maps.MARK]["name"] for host in hosts}


def kill(site: Site, what: str) -> None:
    """Kill Kea, the applier or both, and start them again."""
    if what != "Kea":
        site.kill_applier()
    if what != "applier":
        assert site.server.process, "Kea runs"
        site.server.process.kill()
        site.server.process.wait()
        site.start()
    if what != "Kea":
        site.start_applier()


def crash(kills: int, chance: random.Random) -> str:
    """Kill so many times, and return what happened. Raise AssertionError if a reservation is lost or wrong."""
    counts: collections.Counter[str] = collections.Counter()
    with by_command.served() as site:
        directory = site.directory / "monitor"
        directory.mkdir()
        document = {
            "state": {"path": str(directory / "state.sqlite")},
            "source": {"type": "memfile", "path": str(site.leases)},
            "subscriptions": [{"name": "default", "sinks": [site.sink()]}],
        }
        monitor, load = Daemon(directory, document), Load(site, chance)
        try:
            site.start_applier()
            monitor.said("Caught up")
            for _kill in range(kills):
                load.last(chance.uniform(0, LONGEST_LIFE))
                if chance.random() < MONITOR_TOO:
                    monitor.kill()
                    monitor.start()
                    counts["monitor"] += 1
                what = chance.choice(("Kea", "applier", "both"))
                kill(site, what)
                counts[what] += 1
            load.last(LONGEST_LIFE)
            wanted = load.wanted()
            until(lambda: running(site) == wanted, lambda: told(site, wanted), by_command.WAIT, 1)
            until(lambda: in_files(site) == wanted, lambda: told(site, wanted), by_command.WAIT, 1)
            until(lambda: names_written(site) == load.named(), "the last name of each client", by_command.WAIT, 1)
            site.kill_applier()
            kill(site, "Kea")
            assert running(site) == wanted, "a Kea that starts alone"
        finally:
            monitor.kill()
    assert wanted, "no lease came, so that nothing was tested"
    return f"commands {len(wanted)} leases, all in force and in the files; killed: {dict(counts)}"


def told(site: Site, wanted: list[tuple[str, str]]) -> str:
    """Say what is not as it must be."""
    lines = []
    for name, found in (("in force", running(site)), ("in the files", in_files(site))):
        missing, wrong = sorted(set(wanted) - set(found)), sorted(set(found) - set(wanted))
        lines.append(f"{name}: {len(found)}; {len(missing)} missing {missing[:3]}, {len(wrong)} wrong {wrong[:3]}")
    return "\n".join([*lines, site.said()])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    given = parser.parse_args()
    print(f"seed {given.seed}", flush=True)
    begin = time.monotonic()
    print(f"{crash(given.kills, random.Random(given.seed))}; {time.monotonic() - begin:.0f} s", flush=True)


if __name__ == "__main__":
    main()
