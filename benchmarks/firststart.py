# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The first start in file mode beside a lease file that is full: time and memory of the monitor and of the applier.

The monitor has the sinks of a deployment: reservations in a file, and an inventory file for each client. Kea is that of
the host image of the newest suite, run on this machine, and takes the reservations by command.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import report
from daemon import monitor
from postgres import BenchmarkError
from support import by_command
from support.by_command import HEADER, WAIT, Site
from support.wait import until

LIFETIME = 86400
RATE_GOAL, MEMORY_GOAL = 10_000, 80
"""Leases a second and MiB, of the monitor."""
SLOWEST = 50
"""Leases a second below which a start counts as failed."""


class Result(NamedTuple):
    """Seconds until the monitor had caught up and until Kea had all reservations, and MiB of memory."""

    caught_up: float
    processor: float
    """Seconds of the processor that the monitor took: other load of the machine does not lengthen these much."""
    in_force: float | None
    quarter: float
    most: float
    applier: float | None


def write_leases(path: Path, count: int) -> None:
    """Write a lease file, in the order of addresses and with hardware addresses in none."""
    end = int(time.time()) + LIFETIME
    with path.open("w") as file:
        file.write(HEADER)
        for number in range(256, 256 + count):
            mixed = number * 2654435761 & 0xFFFFFFFF
            mac = ":".join(f"{mixed >> shift & 255:02x}" for shift in (24, 16, 8, 0))
            address = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
            file.write(f"{address},02:00:{mac},,{LIFETIME},{end},1,0,0,bmc-{number},0,\n")


def in_force(site: Site) -> int:
    """Return how many reservations Kea has, by the applier's report."""
    try:
        status = json.loads((site.reported / "status.json").read_text())
    except FileNotFoundError:
        return 0
    return sum(subnet["in_force"] for subnet in status["subnets"].values())


def most_memory(pid: int) -> float:
    """Return the MiB that a process had resident at most."""
    found = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


def first_start(leases: int, with_inventory: bool, with_kea: bool) -> Result:
    """Measure one start. Without ``with_kea`` no applier runs."""
    with by_command.served() as site:
        write_leases(site.leases, leases)
        if with_kea:
            site.start_applier()
            until(site.is_applied, site.said, WAIT, 0.1)
        sinks: list[dict[str, Any]] = [site.sink()]
        if with_inventory:
            (site.directory / "discovery").mkdir()
            sinks.append({"type": "discovery", "directory": str(site.directory / "discovery")})
        document = {
            "source": {"type": "memfile", "path": str(site.leases)},
            "subscriptions": [{"name": "default", "sinks": sinks}],
        }
        begin, began_at, longest = time.monotonic(), time.time(), WAIT + leases / SLOWEST
        with monitor(site.directory / "monitor", document) as one:
            one.ready(longest)
            caught_up = time.monotonic() - begin
            memory, processor = list(one.memory), one.processor()
            applied = None
            if with_kea:
                until(lambda: in_force(site) == leases, lambda: f"{in_force(site)} in force: {site.said()}", longest, 1)
                applied = time.monotonic() - begin
        assert not with_kea or site.process, "the applier runs"
        peak = most_memory(site.process.pid) if site.process else None
    quarter = next(mebibytes for moment, mebibytes in memory if moment >= began_at + caught_up / 4)
    return Result(caught_up, processor, applied, quarter, max(mebibytes for _moment, mebibytes in memory), peak)


def row(name: str, leases: int, found: Result) -> report.Row:
    """Return the row of a start. Memory is flat if it grows by less than a tenth after the first quarter."""
    rate = leases / found.caught_up
    reached = rate >= RATE_GOAL and found.most < MEMORY_GOAL and found.most < found.quarter * 1.1
    goal = report.Goal(f"≥ {RATE_GOAL:,}/s, < {MEMORY_GOAL} MiB and flat", reached)
    cells = [
        f"{found.caught_up:.1f} s ({rate:,.0f}/s)",
        f"{found.processor / leases * 1e6:.0f} µs",
        f"{found.quarter:.0f} / {found.most:.0f}",
        f"{found.in_force:.0f} s" if found.in_force else "",
        f"{found.applier:.0f}" if found.applier else "",
    ]
    return report.Row(name, [f"{leases:,}", *cells], goal)


def measured(counts: Sequence[int], inventory_most: int, kea_most: int) -> list[report.Row]:
    rows: list[report.Row] = []
    for leases in counts:
        kinds = [("reservations only", False)]
        if leases <= inventory_most:
            kinds.insert(0, ("reservations and inventory files", True))
        for name, with_inventory in kinds:
            # The applier does the same in both.
            found = first_start(leases, with_inventory, leases <= kea_most and not with_inventory)
            report.progress(f"{leases} leases, {name}: {found}")
            rows.append(row(name, leases, found))
    return rows


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--leases", type=int, nargs="*", default=[100_000, 1_000_000])
    options.add_argument("--inventory-most", type=int, default=100_000, help="leases up to which files are written")
    options.add_argument("--kea-most", type=int, default=1_000_000, help="leases up to which Kea and the applier run")
    chosen = options.parse_args()
    head = [
        "",
        "leases",
        "monitor caught up",
        "processor for a lease",
        "its MiB at a quarter / most",
        "all in force",
        "applier's MiB",
        "goal",
    ]
    report.show("First start in file mode", head, measured(chosen.leases, chosen.inventory_most, chosen.kea_most))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BenchmarkError as error:
        sys.exit(f"{error}")
