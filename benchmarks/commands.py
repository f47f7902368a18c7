# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Time from a lease in Kea's lease file to its reservation in force in a running Kea 3.0, which takes it by command.

Kea is that of the host image of the newest suite, run on this machine. Its log tells when a reservation is in force.
"""

from __future__ import annotations

import argparse
import datetime
import json
import re
import sys
import time
from collections.abc import Iterator
from typing import NamedTuple

import report
from daemon import monitor
from postgres import BenchmarkError
from support import by_command
from support.by_command import WAIT, Site
from support.wait import until

LIFETIME = 3600
GOALS = {"p50": 10.0, "p99": 50.0}
"""Milliseconds."""
BACKLOG_GOAL = 1500
_ADDED = re.compile(r'^(\S+ \S+) INFO .*HOST_CMDS_RESERV_ADD_SUCCESS.*?"hw-address": "(06:[0-9a-f:]+)"', re.MULTILINE)


class Result(NamedTuple):
    """Delays in milliseconds, sorted, and reservations a second of a backlog."""

    delays: list[float]
    backlog: float

    def percentile(self, share: float) -> float:
        return self.delays[min(len(self.delays) - 1, int(len(self.delays) * share))]


def hwaddr(number: int) -> str:
    return f"06:00:00:{number >> 16:02x}:{number >> 8 & 255:02x}:{number & 255:02x}"


def row(number: int) -> str:
    address = f"10.{200 + (number >> 16)}.{number >> 8 & 255}.{number & 255}"
    return f"{address},{hwaddr(number)},,{LIFETIME},{int(time.time()) + LIFETIME},1,0,0,bmc-{number},0,\n"


def present(number: int) -> str:
    """Return a reservation that is there before."""
    address = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
    own = {"kea-lease-monitor": {"ip-address": address, "made": "123"}}
    mac = f"02:00:00:{number >> 16:02x}:{number >> 8 & 255:02x}:{number & 255:02x}"
    return json.dumps({"hw-address": mac, "ip-address": address, "user-context": own})


def in_force(site: Site) -> dict[str, float]:
    """Return when each reservation of the measurement was added, by Kea's log."""
    return {
        found[2]: datetime.datetime.strptime(found[1], "%Y-%m-%d %H:%M:%S.%f").timestamp()
        for found in _ADDED.finditer(site.server.log.read_text(errors="replace"))
    }


def await_count(site: Site, count: int) -> dict[str, float]:
    until(lambda: len(in_force(site)) >= count, lambda: f"{len(in_force(site))} of {count} in force", WAIT, 0.5)
    return in_force(site)


def measured(site: Site, leases: int, rate: float, backlog: int) -> Result:
    """Measure leases one by one at a rate, and then a backlog at once."""
    subscription = {"name": "default", "sinks": [site.sink()]}
    source = {"type": "memfile", "path": str(site.leases)}
    with monitor(site.directory / "monitor", {"source": source, "subscriptions": [subscription]}) as one:
        one.ready(WAIT)
        with site.leases.open("a") as file:
            file.write(row(0))
            file.flush()
            await_count(site, 1)
            sent = {}
            begin = time.time()
            for number in range(1, leases + 1):
                time.sleep(max(0.0, begin + number / rate - time.time()))
                sent[hwaddr(number)] = time.time()
                file.write(row(number))
                file.flush()
            found = await_count(site, leases + 1)
            delays = sorted((found[mac] - at) * 1000 for mac, at in sent.items())
            file.write("".join(row(number) for number in range(leases + 1, leases + 1 + backlog)))
        found = await_count(site, leases + 1 + backlog)
    later = sorted(at for mac, at in found.items() if mac not in sent and mac != hwaddr(0))
    return Result(delays, (len(later) - 1) / (later[-1] - later[0]))


def lines(reservations: int, found: Result) -> Iterator[report.Row]:
    """Yield the rows of the table for so many reservations that were there before."""
    for name, share in (("p50", 0.5), ("p99", 0.99)):
        value = found.percentile(share)
        goal = report.Goal(f"< {GOALS[name]:.0f} ms", value < GOALS[name])
        yield report.Row(f"lease to in force, {name}, beside {reservations}", [f"{value:.1f} ms"], goal)
    goal = report.Goal(f"≥ {BACKLOG_GOAL}/s", found.backlog >= BACKLOG_GOAL)
    yield report.Row(f"a backlog, beside {reservations}", [f"{found.backlog:.0f}/s"], goal)


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--reservations", type=int, nargs="*", default=[0, 100_000], help="there before")
    options.add_argument("--leases", type=int, default=2000)
    options.add_argument("--rate", type=float, default=100, help="leases a second")
    options.add_argument("--backlog", type=int, default=5000)
    chosen = options.parse_args()
    rows: list[report.Row] = []
    for reservations in chosen.reservations:
        report.progress(f"beside {reservations} reservations")
        with by_command.served([present(256 + number) for number in range(reservations)]) as site:
            site.start_applier()
            until(site.is_applied, site.said, WAIT, 0.1)
            rows += lines(reservations, measured(site, chosen.leases, chosen.rate, chosen.backlog))
    report.show("Reservations by command, Kea 3.0", ["", "measured", "goal"], rows)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BenchmarkError as error:
        sys.exit(f"{error}")
