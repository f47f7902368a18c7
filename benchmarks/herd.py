# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A herd after a power cut: real Kea under twice the load that it can serve, alone and with the collection in place.

Kea, perfdhcp, PostgreSQL and the monitor share this machine.
"""

from __future__ import annotations

import argparse
import enum
import statistics
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Callable, Iterator, NamedTuple

import report
from daemon import EVENTS, PREPARE, RESERVATION, WAIT, monitor, on_database
from kea import ask, database, network, on_cable
from postgres import BenchmarkError, Server, server
from support.programs import run
from trigger import EMPTY
from variants import NONE, OURS, prepare

GRANTED = 0.97
"""Least share of the rate that Kea has in the same configuration without the collection."""

FEW = 500
"""New clients a second that any Kea serves."""
SERVED = 0.9
"""Share of the clients below which a Kea has more of them than it can serve."""


PRESENT = 10_000
OTHERS = f"""
INSERT INTO hosts (dhcp_identifier, dhcp_identifier_type, dhcp4_subnet_id, ipv4_address)
SELECT decode('0600' || lpad(to_hex(n), 8, '0'), 'hex'), 0, 1, 174063616 + n
  FROM generate_series(1, {PRESENT}) AS g (n);
ANALYZE hosts;
"""
"""Reservations of other machines, as on any site. Of an empty table PostgreSQL reads all, also once it has rows, until
it has analysed it.
"""


class Place(enum.Enum):
    """What Kea works with."""

    ALONE = enum.auto()
    """No reservations."""
    CONFIGURED = enum.auto()
    """The mode's configuration: with a database of reservations, Kea looks for that of each client."""
    COLLECTION = enum.auto()
    """The same with the trigger and the monitor."""


class Mode(NamedTuple):
    """A mode of the collection. ``leases_in_database``: Kea's leases are in PostgreSQL as well."""

    name: str
    leases_in_database: bool
    sink: str

    @property
    def has_database(self) -> bool:
        """Return whether reservations are in PostgreSQL."""
        return self.sink == "reservation"


MODES = (
    Mode("events", True, "reservation"),
    Mode("database", False, "reservation"),
    Mode("file, written", False, "reservation_file"),
)
"""In file mode until the monitor wrote the reservation; bench-commands measures how Kea 3.0 takes it from there."""


class Result(NamedTuple):
    """Of one herd."""

    granted: float
    """Leases a second."""
    drained: float
    """Seconds from the end of the herd to the last reservation."""


class Bench:
    """A network, and a PostgreSQL server with a database with the trigger and one without."""

    def __init__(self, one: Server, holder: str, seconds: float) -> None:
        self.server, self.holder, self.seconds = one, holder, seconds
        for variant in (NONE, OURS):
            prepare(one, variant)
            one.psql(variant, PREPARE)

    def empty(self, variant: str) -> None:
        events = "TRUNCATE kea_events.lease_event;" if variant == OURS else ""
        self.server.psql(variant, f"{EMPTY} TRUNCATE hosts CASCADE; {events} {OTHERS}")
        self.server.psql(variant, "CHECKPOINT")

    def herd(self, mode: Mode, offered: int, place: Place) -> Result:
        """Have a herd ask Kea. With the monitor, wait for the last reservation."""
        with_monitor = place is Place.COLLECTION
        variant = OURS if mode.leases_in_database and with_monitor else NONE
        self.empty(variant)
        with tempfile.TemporaryDirectory(dir=self.server.directory) as name, ExitStack() as stack:
            directory = Path(name)
            directory.chmod(0o755)
            leases = directory / "kea-leases4.csv"
            leases.touch()
            entry = database(self.server, variant)
            in_file = {"type": "memfile", "name": str(leases), "lfc-interval": 0}
            hosts = entry if place is not Place.ALONE and mode.has_database else None
            stack.enter_context(on_cable(directory, "herd", entry if mode.leases_in_database else in_file, hosts))
            reserved = stack.enter_context(self._monitor(mode, variant, directory)) if with_monitor else None
            granted = ask(self.holder, offered, self.seconds)
            ended = time.monotonic()
            if reserved:
                await_count(reserved, granted)
            return Result(granted / self.seconds, time.monotonic() - ended)

    @contextmanager
    def _monitor(self, mode: Mode, variant: str, directory: Path) -> Iterator[Callable[[], int]]:
        """Run the monitor with its usual sinks. Yield what counts the reservations."""
        written = directory / "written"
        for made in (written, directory / "discovery"):
            made.mkdir()
        in_file = {"type": "reservation_file", "directory": str(written)}
        sinks = [
            in_file if mode.sink == "reservation_file" else RESERVATION,
            {"type": "discovery", "directory": str(directory / "discovery")},
        ]
        source: dict[str, Any] = {"type": "memfile", "path": str(directory / "kea-leases4.csv")}
        document = on_database(self.server, variant, EVENTS if mode.leases_in_database else source, sinks)
        with monitor(directory / "monitor", document) as one:
            one.ready(WAIT)
            if not mode.has_database:
                yield lambda: sum(path.read_bytes().count(b"hw-address") for path in written.glob("*"))
            else:
                yield lambda: int(self.server.psql(variant, "SELECT count(*) FROM hosts")) - PRESENT


def await_count(count: Callable[[], int], wanted: int) -> None:
    """Wait for so many reservations. Raises BenchmarkError."""
    due = time.monotonic() + WAIT
    while (found := count()) < wanted:
        if time.monotonic() > due:
            raise BenchmarkError(f"{found} of {wanted} reservations after {WAIT:.0f} s")
        time.sleep(0.05)


def too_many(bench: Bench, mode: Mode) -> int:
    """Return twice the rate that Kea can serve in the mode's configuration."""
    offered = FEW
    while (granted := bench.herd(mode, offered, Place.CONFIGURED).granted) > SERVED * offered:
        offered *= 2
    return round(2 * granted)


def row(bench: Bench, mode: Mode, rounds: int) -> report.Row:
    """Measure a mode, alone and with the collection in turn."""
    offered = too_many(bench, mode)
    found: dict[Place, list[Result]] = {place: [] for place in Place}
    for _number in range(rounds):
        for place, results in found.items():
            results.append(bench.herd(mode, offered, place))
            report.progress(f"{mode.name}, {place.name}: {results[-1].granted:.0f}/s, {results[-1].drained:.1f} s")
    ours, configured = found[Place.COLLECTION], found[Place.CONFIGURED]
    ratio = statistics.median(one.granted / other.granted for one, other in zip(ours, configured))
    drained, worst = (choose(one.drained for one in ours) for choose in (statistics.median, max))
    rates = [f"{statistics.median(one.granted for one in results):.0f}/s" for results in found.values()]
    rates[-1] += f" ({ratio:.2f})"
    goal = report.Goal(f"≥ {GRANTED}", ratio >= GRANTED)
    waits = f"{drained:.1f} s (worst {worst:.1f} s)"
    return report.Row(mode.name, [str(offered), *rates, waits], goal)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=6, help="seconds of each herd")
    options = parser.parse_args()
    with server(track_commit_timestamp="on") as one, network() as holder:
        bench = Bench(one, holder, options.seconds)
        rows = [row(bench, mode, options.rounds) for mode in MODES]
    head = (
        "mode",
        "offered/s",
        "Kea alone",
        "in this configuration",
        "with the collection",
        "last reservation after",
        "goal",
    )
    report.show(f"A herd: Kea {run('kea-dhcp4', '-v').strip()}", head, rows)


if __name__ == "__main__":
    main()
