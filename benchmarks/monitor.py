# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The monitor compared with a bare LISTEN loop, polling and the document's loop: latency, catch-up, memory, idling."""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import loops
import plot
import report
from appended import appended
from daemon import EVENTS, PREPARE, RESERVATION, WAIT, Monitor, monitor, on_database
from postgres import CONNECTIONS, BenchmarkError, Server, server
from report import percentile
from trigger import COLUMNS, EMPTY, FIRST_ADDRESS, INSERT, VALUES
from variants import DOCUMENT, NONE, OURS, VARIANTS, prepare

RATES = (100, 1000)
POLLING: dict[str, Any] = {"type": "polling", "interval": 1}
"""With the shortest interval; the default is 5 s."""
BETWEEN = """SELECT (extract(epoch FROM pg_xact_commit_timestamp(hosts.xmin))
  - extract(epoch FROM pg_xact_commit_timestamp(lease4.xmin))) * 1000
FROM lease4 JOIN hosts ON hosts.ipv4_address = lease4.address"""
SPAN = """SELECT extract(epoch FROM min(at)), extract(epoch FROM max(at)), count(*)
FROM (SELECT pg_xact_commit_timestamp(xmin) AS at FROM hosts) AS commits"""
BACKLOG = f"""INSERT INTO lease4 ({COLUMNS})
SELECT {VALUES.replace(":address", "address").replace(":subnet", "1 + mod(address, 100)")}
FROM generate_series({FIRST_ADDRESS + 1}::bigint + {{done}}, {FIRST_ADDRESS} + {{count}}) AS g (address);
"""
TOGETHER = 1000
"""Leases of a backlog in one transaction. In longer ones, Kea's own statistics make each lease slower."""
SLOWEST = 1000
"""Leases per second below which a catch-up counts as failed."""


class Catchup(NamedTuple):
    """Rate of a catch-up, and MiB of memory: at a quarter of the leases, at the end, and the maximum."""

    rate: float
    quarter: float
    end: float
    most: float


class Bench:
    """PostgreSQL server with a database for each variant, and a directory for states and files."""

    def __init__(self, one: Server, directory: Path) -> None:
        self.server, self.directory = one, directory
        for variant in VARIANTS:
            prepare(one, variant)
            one.psql(variant, PREPARE)

    def empty(self, variant: str) -> None:
        more = "TRUNCATE kea_events.lease_event;" if variant == OURS else ""
        self.server.psql(variant, f"{EMPTY} TRUNCATE hosts CASCADE; {more}")
        self.server.psql(variant, "CHECKPOINT")

    def room(self) -> Path:
        return Path(tempfile.mkdtemp(dir=self.directory))

    def number(self, variant: str, statement: str) -> float:
        return float(self.server.psql(variant, statement) or 0)

    def grant(self, variant: str, rate: int, seconds: float) -> None:
        """Grant ``rate`` new leases a second, at pgbench's random moments, over several connections as Kea does."""
        options = ("-T", f"{seconds:.0f}", "-R", str(rate), "-D", "n=0")
        self.server.pgbench(variant, INSERT, CONNECTIONS, *options)

    def fill(self, variant: str, leases: int) -> None:
        """Insert so many leases at once."""
        portions = [(done, min(done + TOGETHER, leases)) for done in range(0, leases, TOGETHER)]
        self.server.psql(variant, "".join(BACKLOG.format(done=done, count=count) for done, count in portions))

    def reserved(self, variant: str) -> list[float]:
        """Wait for every reservation. Return the milliseconds between the commits of each lease and its reservation."""
        leases = self.number(variant, "SELECT count(*) FROM lease4")
        self.until(variant, "SELECT count(*) FROM hosts", leases)
        return [float(line) for line in self.server.psql(variant, BETWEEN).split()]

    def span(self, variant: str, leases: int) -> tuple[float, float]:
        """Return the times of the first and the last reservation. Raises BenchmarkError unless there are ``leases``."""
        begin, end, count = self.server.psql(variant, SPAN).strip().split("|")
        if int(count) != leases:
            raise BenchmarkError(f"{count} reservations of {leases} leases")
        return float(begin), float(end)

    def until(self, variant: str, statement: str, wanted: float) -> None:
        due = time.monotonic() + WAIT
        while (found := self.number(variant, statement)) != wanted:
            if time.monotonic() > due:
                raise BenchmarkError(f"{variant}: {found:.0f} of {wanted:.0f} after {WAIT:.0f} s")
            time.sleep(0.1)


def latencies(bench: Bench, rate: int, seconds: float) -> dict[str, list[float]]:
    """Measure each variant. Return the milliseconds of each lease, by variant."""
    found: dict[str, list[float]] = {}
    heard: dict[int, float] = {}
    bench.empty(DOCUMENT)
    with loops.bare(bench.server, heard):
        bench.grant(DOCUMENT, rate, seconds)
        time.sleep(0.5)  # for the last ones
    commits = bench.server.psql(
        DOCUMENT, "SELECT address, extract(epoch FROM pg_xact_commit_timestamp(xmin)) FROM lease4"
    )
    known = dict(line.split("|") for line in commits.split())
    found["bare LISTEN, no reservation"] = [(heard[int(key)] - float(at)) * 1000 for key, at in known.items()]
    bench.empty(DOCUMENT)
    with loops.one_by_one(bench.server):
        bench.grant(DOCUMENT, rate, seconds)
        found["the document's, one by one"] = bench.reserved(DOCUMENT)
    for name, variant, source in (("polling each second", NONE, POLLING), ("events", OURS, EVENTS)):
        bench.empty(variant)
        document = on_database(bench.server, variant, source, [RESERVATION])
        with monitor(bench.room(), document) as one:
            one.ready(WAIT)
            bench.grant(variant, rate, seconds)
            found[name] = bench.reserved(variant)
    return found


def latency_row(rate: int, name: str, values: list[float]) -> report.Row:
    middle, most = percentile(values, 0.50), percentile(values, 0.99)
    goal = report.Goal("p50 < 5 ms, p99 < 20 ms", middle < 5 and most < 20) if name == "events" else None
    report.progress(f"{rate}/s, {name}: {middle:.1f} / {most:.1f} ms")
    return report.Row(f"{rate}/s, {name}", [f"{len(values):,}", f"{middle:.1f} ms", f"{most:.1f} ms"], goal)


def away(bench: Bench, leases: int, sinks: list[dict[str, Any]]) -> Path:
    """Run a monitor until it has caught up, stop it, and insert ``leases`` leases. Return the monitor's directory."""
    bench.empty(OURS)
    room = bench.room()
    with monitor(room, on_database(bench.server, OURS, EVENTS, sinks)) as one:
        one.ready(WAIT)
    bench.fill(OURS, leases)
    return room


def caught_up(bench: Bench, room: Path, leases: int, sinks: list[dict[str, Any]]) -> Catchup:
    """Run a monitor in this directory until it has acted upon all leases."""
    with monitor(room, on_database(bench.server, OURS, EVENTS, sinks)) as one:
        one.ready(WAIT + leases / SLOWEST)
        memory = list(one.memory)
    begin, end = bench.span(OURS, leases)
    quarter = next(mebibytes for moment, mebibytes in memory if moment >= begin + (end - begin) / 4)
    most = max(mebibytes for _moment, mebibytes in memory)
    report.progress(f"catch-up: {leases / (end - begin):.0f}/s, {most:.0f} MiB")
    return Catchup(leases / (end - begin), quarter, memory[-1][1], most)


def document_backlog(bench: Bench, leases: int) -> float:
    """Return the rate of the document's loop while it listens. It never sees leases from before it listens."""
    bench.empty(DOCUMENT)
    with loops.one_by_one(bench.server):
        bench.fill(DOCUMENT, leases)
        bench.until(DOCUMENT, "SELECT count(*) FROM hosts", leases)
    begin, end = bench.span(DOCUMENT, leases)
    return leases / (end - begin)


def catchup_row(name: str, leases: int, found: Catchup, least: int) -> report.Row:
    """Return the row of a catch-up. Memory is flat if it grows by less than a tenth after the first quarter."""
    flat = found.most < found.quarter * 1.1
    goal = report.Goal(f"≥ {least:,}/s, < 60 MiB and flat", found.rate >= least and found.most < 60 and flat)
    memory = f"{found.quarter:.0f} / {found.end:.0f} / {found.most:.0f}"
    return report.Row(name, [f"{leases:,}", f"{found.rate:,.0f}/s", memory], goal)


def catch_up(bench: Bench, leases: int) -> list[report.Row]:
    few, with_files = 5000, max(leases // 20, 1000)
    rows = [report.Row("the document's, one by one", [f"{few:,}", f"{document_backlog(bench, few):,.0f}/s", ""], None)]
    found = caught_up(bench, away(bench, leases, [RESERVATION]), leases, [RESERVATION])
    rows.append(catchup_row("event rows", leases, found, 10_000))
    bench.server.psql(OURS, "TRUNCATE hosts CASCADE; TRUNCATE kea_events.lease_event; CHECKPOINT")
    found = caught_up(bench, bench.room(), leases, [RESERVATION])
    rows.append(catchup_row("all leases read", leases, found, 10_000))
    both = [RESERVATION, {"type": "discovery", "directory": str(bench.room())}]
    found = caught_up(bench, away(bench, with_files, both), with_files, both)
    return [*rows, catchup_row("event rows, with discovery files", with_files, found, 5_000)]


def idle(bench: Bench, seconds: float) -> list[report.Row]:
    """Measure the share of a processor while nothing happens, for both sources at once to save time."""
    bench.empty(OURS)
    leases = bench.room() / "kea-leases4.csv"
    leases.touch()
    tail = {"source": {"type": "memfile", "path": str(leases)}}
    files = [{"type": "discovery", "directory": str(bench.room())}]
    following = {**tail, "subscriptions": [{"name": "default", "sinks": files}]}
    listening = on_database(bench.server, OURS, EVENTS, [RESERVATION])
    with monitor(bench.room(), listening) as events, monitor(bench.room(), following) as tailing:
        both = {"events": events, "lease file": tailing}
        for one in both.values():
            one.ready(WAIT)
        time.sleep(3)  # the bookmarks of the start are settled, the first heartbeats written
        before = {name: one.processor() for name, one in both.items()}
        time.sleep(seconds)
        return [idle_row(name, one, before[name], seconds) for name, one in both.items()]


def idle_row(name: str, one: Monitor, before: float, seconds: float) -> report.Row:
    share = (one.processor() - before) / seconds
    return report.Row(name, [f"{share:.3%}", f"{one.memory[-1][1]:.0f} MiB"], report.Goal("< 0.1 %", share < 0.001))


def noticed(bench: Bench, rows: int) -> list[report.Row]:
    found, _took = appended(bench.room(), rows, "discovery", 0)
    middle = statistics.median(found)
    texts = [f"{len(found):,}", f"{middle:.1f} ms", f"{percentile(found, 0.99):.1f} ms", ""]
    return [
        report.Row("row appended to discovery file", texts, report.Goal("p50 < 5 ms", middle < 5)),
        *(hosts_row(bench, rows // 5, present) for present in (1_000, 10_000)),
    ]


def hosts_row(bench: Bench, rows: int, present: int) -> report.Row:
    """Measure rows with ``present`` other hosts in the reservation file."""
    found, took = appended(bench.room(), rows, "reservation_file", present)
    times = [f"{statistics.median(found):.1f} ms", f"{percentile(found, 0.99):.1f} ms", f"{took:.1f} s"]
    return report.Row(f"row appended to reservation file, beside {present:,} hosts", [f"{len(found):,}", *times], None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=6, help="seconds of each measurement of latency")
    parser.add_argument("--backlog", type=int, default=1_000_000, help="leases to catch up with")
    parser.add_argument("--rows", type=int, default=500, help="rows to append to the lease file")
    parser.add_argument("--idle", type=float, default=30, help="seconds of each measurement without work")
    parser.add_argument("--plot", help="file for the picture, .svg or .png")
    parser.add_argument("--values", help="file for the latencies, in JSON")
    given = parser.parse_args()
    with server(track_commit_timestamp="on") as one, tempfile.TemporaryDirectory(dir="/var/tmp") as directory:
        bench = Bench(one, Path(directory))
        measured = {rate: latencies(bench, rate, given.seconds) for rate in RATES}
        rows = [latency_row(rate, name, values) for rate, found in measured.items() for name, values in found.items()]
        caught = catch_up(bench, given.backlog)
        followed = noticed(bench, given.rows)
        idling = idle(bench, given.idle)
    if given.plot:
        plot.latencies(given.plot, measured)
    if given.values:
        Path(given.values).write_text(json.dumps(measured))
    report.show("The monitor: from the lease to its reservation", ("", "leases", "p50", "p99", "goal"), rows)
    head = ("", "leases", "reservations", "MiB at a quarter / end / most", "goal")
    report.show("The monitor: catching up", head, caught)
    report.show("The monitor: a lease file", ("", "rows", "p50", "p99", "all before", "goal"), followed)
    report.show("The monitor: doing nothing", ("", "of a processor", "memory", "goal"), idling)


if __name__ == "__main__":
    main()
