# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""DHCPv6 leases: from the lease to its reservation, and the cost of the trigger on lease6."""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import report
from daemon import EVENTS, RESERVATION, WAIT, monitor, on_database
from postgres import CONNECTIONS, KEA, BenchmarkError, Server, server
from report import percentile
from trigger import rate_of
from variants import NONE, OURS, WAKE_UP, listener

RATES = (100, 1000)
SUBNETS = 100
FIRST = 1 << 16
"""So that no part of an address is 0: Kea would write it otherwise."""
RENEWED = 20_000
"""Rows, each renewed many times."""
# Every column that the statements of the installed Kea (2.2) name.
COLUMNS = (
    "address, duid, valid_lifetime, expire, subnet_id, pref_lifetime, lease_type, iaid, prefix_len, fqdn_fwd, fqdn_rev,"
    " hostname, hwaddr, hwtype, hwaddr_source, state, user_context"
)
# pgbench takes a colon for a variable, in a text, too.
ADDRESS = r"E'2001\x3adb8\x3a' || to_hex(:number::int / 65536) || E'\x3a\x3a' || to_hex(:number::int % 65536)"
VALUES = (
    f"{ADDRESS},"
    " decode('0001' || lpad(to_hex(:number::bigint), 16, '0'), 'hex'), 3600, now() + interval '1 hour', :subnet, 1800,"
    " 0, 1, 128, false, false, 'bmc-' || :number::text, '', 0, 0, 0, ''"
)
INSERT = f"""\\set n :n + 1
\\set number {FIRST} + :client_id * 1000000 + :n
\\set subnet random(1, {SUBNETS})
INSERT INTO lease6 ({COLUMNS}) VALUES ({VALUES});
"""
RENEW = f"""\\set n :n + 1
\\set number {FIRST} + mod(:client_id * 997 + :n, {RENEWED})
\\set subnet 1 + mod(:number, {SUBNETS})
UPDATE lease6 SET ({COLUMNS}) = ROW({VALUES}) WHERE address = {ADDRESS};
"""
FILL = f"""INSERT INTO lease6 ({COLUMNS})
SELECT {VALUES.replace(":number", "number").replace(":subnet", f"1 + mod(number, {SUBNETS})")}
FROM generate_series({FIRST}, {FIRST + RENEWED}) AS g (number);
"""
EMPTY = f"""TRUNCATE lease6, lease6_stat; TRUNCATE hosts CASCADE;
INSERT INTO lease6_stat SELECT subnet, kind, state, 0
FROM generate_series(1, {SUBNETS}) AS g (subnet), unnest(ARRAY[0, 2]) AS k (kind), unnest(ARRAY[0, 1]) AS s (state);
"""
BETWEEN = """SELECT (extract(epoch FROM pg_xact_commit_timestamp(r.xmin))
  - extract(epoch FROM pg_xact_commit_timestamp(l.xmin))) * 1000
FROM lease6 AS l JOIN ipv6_reservations AS r ON r.address::text = l.address"""


class Load(NamedTuple):
    """Script of pgbench, and the least share of the rate without a trigger."""

    name: str
    script: str
    goal: float


LOADS = (Load("new leases", INSERT, 0.88), Load("renewals", RENEW, 0.93))


def prepare(one: Server) -> None:
    """Create a database without a trigger, and one with that of both tables and the monitor's rights."""
    one.create(NONE)
    one.create(OURS)
    one.module("kea_lease_notify", OURS, readers=["monitor"], lease6=True)
    one.module("kea_hosts_constraint", OURS)
    one.module("kea_database_rights", OURS, monitor="monitor", dhcp6=True, public_connect=True)


def empty(one: Server, variant: str) -> None:
    one.psql(variant, EMPTY + ("TRUNCATE kea_events.lease_event;\n" if variant == OURS else ""))


def latencies(one: Server, directory: Path, rate: int, seconds: float) -> list[float]:
    """Return the milliseconds from each lease to its reservation."""
    empty(one, OURS)
    with monitor(Path(tempfile.mkdtemp(dir=directory)), on_database(one, OURS, EVENTS, [RESERVATION])) as running:
        running.ready(WAIT)
        one.pgbench(OURS, INSERT, CONNECTIONS, "-T", f"{seconds:.0f}", "-R", str(rate), "-D", "n=0")
        leases, due = int(one.psql(OURS, "SELECT count(*) FROM lease6")), time.monotonic() + WAIT
        while len(found := one.psql(OURS, BETWEEN).split()) < leases:
            if time.monotonic() > due:
                raise BenchmarkError(f"{len(found)} reservations of {leases} leases after {WAIT:.0f} s")
            time.sleep(0.1)
    return [float(line) for line in found]


def latency_row(rate: int, values: list[float]) -> report.Row:
    middle, most = percentile(values, 0.50), percentile(values, 0.99)
    goal = report.Goal("p50 < 5 ms, p99 < 20 ms", middle < 5 and most < 20)
    return report.Row(f"{rate}/s, events", [f"{len(values):,}", f"{middle:.1f} ms", f"{most:.1f} ms"], goal)


def measured(one: Server, variant: str, load: Load, seconds: float) -> float:
    """Return the transactions a second, without waiting for the disk, beside a reader that is awake."""
    empty(one, variant)
    if load.script == RENEW:
        one.psql(variant, FILL)
    one.psql(variant, f'ALTER ROLE "{KEA}" SET synchronous_commit = off; CHECKPOINT')
    with listener(one, variant), one.session(variant, "monitor") as cursor:
        if variant == OURS:
            cursor.execute(f"SELECT pg_advisory_lock({WAKE_UP})")
        return rate_of(one.pgbench(variant, load.script, CONNECTIONS, "-T", f"{seconds:.0f}", "-D", "n=0"))


def trigger_row(one: Server, load: Load, rounds: int, seconds: float) -> report.Row:
    """Compare in turns. The ratio of each round counts, because what disturbs a round disturbs both."""
    pairs = []
    for number in range(rounds):
        order = (NONE, OURS) if number % 2 else (OURS, NONE)
        found = {variant: measured(one, variant, load, seconds) for variant in order}
        pairs.append((found[NONE], found[OURS]))
        report.progress(f"{load.name}: {pairs[-1][0]:.0f}/s, {pairs[-1][1]:.0f}/s")
    ratio = statistics.median(ours / none for none, ours in pairs)
    none, ours = (statistics.median(column) for column in zip(*pairs, strict=True))
    goal = report.Goal(f"≥ {load.goal:.2f}", ratio >= load.goal)
    return report.Row(f"{load.name}, {CONNECTIONS} connections", [f"{none:.0f}/s", f"{ours:.0f}/s ({ratio:.2f})"], goal)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=6, help="seconds of each measurement of latency")
    parser.add_argument("--rounds", type=int, default=5, help="of the trigger, of two seconds each")
    given = parser.parse_args()
    with server(track_commit_timestamp="on") as one, tempfile.TemporaryDirectory(dir="/var/tmp") as directory:
        prepare(one)
        rows = [latency_row(rate, latencies(one, Path(directory), rate, given.seconds)) for rate in RATES]
        costs = [trigger_row(one, load, given.rounds, 2) for load in LOADS]
    report.show("DHCPv6: from the lease to its reservation", ("", "leases", "p50", "p99", "goal"), rows)
    report.show("DHCPv6: the trigger, no disk", ("", "no trigger", "ours", "goal"), costs)


if __name__ == "__main__":
    main()
