# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cost of a trigger on lease4: pgbench on Kea's real schema with 100 subnets, with each variant in turn.

The loads without waiting for the disk (synchronous_commit=off) show the processor time alone: on a shared disk the
noise is as large as the effect.
"""

from __future__ import annotations

import argparse
import re
import statistics
from contextlib import contextmanager
from typing import Iterator, NamedTuple

import report
from postgres import KEA, Server, server
from variants import DOCUMENT, NONE, OURS, VARIANTS, WAKE_UP, listener, prepare

SUBNETS = 100
FIRST_ADDRESS = 10 << 24
RENEWED = 20_000  # rows, each renewed many times
WAL_SAMPLE = 2_000  # leases
# Every column that the statements of the installed Kea (2.2) name.
COLUMNS = (
    "address, hwaddr, client_id, valid_lifetime, expire, subnet_id, fqdn_fwd, fqdn_rev, hostname, state, user_context"
)
VALUES = (
    ":address, decode(lpad(to_hex(:address::bigint), 12, '0'), 'hex'), '', 3600, now() + interval '1 hour', :subnet,"
    " false, false, 'bmc-' || :address::text, 0, ''"
)
INSERT = f"""\\set n :n + 1
\\set address {FIRST_ADDRESS} + :client_id * 1000000 + :n
\\set subnet random(1, {SUBNETS})
INSERT INTO lease4 ({COLUMNS}) VALUES ({VALUES});
"""
RENEW = f"""\\set n :n + 1
\\set address {FIRST_ADDRESS} + 1 + mod(:client_id * 997 + :n, {RENEWED})
\\set subnet 1 + mod(:address, {SUBNETS})
UPDATE lease4 SET ({COLUMNS}) = ROW({VALUES}) WHERE address = :address;
"""
FILL = f"""INSERT INTO lease4 ({COLUMNS})
SELECT {VALUES.replace(":address", "address").replace(":subnet", f"1 + mod(address, {SUBNETS})")}
FROM generate_series({FIRST_ADDRESS + 1}::bigint, {FIRST_ADDRESS + RENEWED}) AS g (address);
"""
# Create the rows of Kea's statistics first: two first leases of a subnet at once are an error in Kea's own trigger.
EMPTY = f"""TRUNCATE lease4, lease4_stat, lease4_stat_by_client_class;
INSERT INTO lease4_stat SELECT subnet, 0, 0 FROM generate_series(1, {SUBNETS}) AS g (subnet);
"""


class Load(NamedTuple):
    """Script for so many connections. ``goal``: least share of the rate without a trigger; 0 for no goal.

    ``durable``: whether each commit waits for the disk.
    """

    name: str
    script: str
    connections: int
    goal: float
    durable: bool = True

    @property
    def title(self) -> str:
        """Return the first cell of the load's row."""
        return f"{self.name}, {self.connections} connections" + ("" if self.durable else ", no disk")


LOADS = (
    Load("new leases", INSERT, 1, 0),
    Load("new leases", INSERT, 8, 0.90),
    Load("new leases", INSERT, 32, 0.90),
    Load("renewals", RENEW, 8, 0.90),
    Load("renewals", RENEW, 32, 0.90),
    Load("new leases", INSERT, 8, 0.88, durable=False),
    Load("renewals", RENEW, 8, 0.93, durable=False),
)


def empty(one: Server, variant: str) -> None:
    one.psql(variant, EMPTY + ("TRUNCATE kea_events.lease_event;\n" if variant == OURS else ""))


@contextmanager
def reader(one: Server, variant: str) -> Iterator[None]:
    """Listen to the variant. For ours, also hold the lock that the monitor holds while so many leases arrive."""
    with listener(one, variant), one.session(variant, "monitor") as cursor:
        if variant == OURS:
            cursor.execute(f"SELECT pg_advisory_lock({WAKE_UP})")
        yield


def rate(one: Server, variant: str, load: Load, seconds: float) -> float:
    """Measure a load and return its transactions per second."""
    empty(one, variant)
    if load.script == RENEW:
        one.psql(variant, FILL)
    one.psql(variant, f'ALTER ROLE "{KEA}" SET synchronous_commit = {"on" if load.durable else "off"}')
    one.psql(variant, "CHECKPOINT; VACUUM lease4")
    with reader(one, variant):
        printed = one.pgbench(variant, load.script, load.connections, "-T", f"{seconds:.0f}", "-D", "n=0")
    return rate_of(printed)


def rate_of(printed: str) -> float:
    """Return the transactions per second that pgbench printed."""
    found = re.search(r"tps = ([\d.]+)", printed)
    assert found, printed
    return float(found[1])


def wal(one: Server, variant: str, script: str) -> float:
    """Return the WAL bytes per transaction, after a first run, so that no page is written for the first time."""
    empty(one, variant)
    one.psql(variant, FILL)
    one.pgbench(variant, script, 1, "-t", str(WAL_SAMPLE), "-D", "n=500000")
    before = one.psql(variant, "SELECT pg_current_wal_insert_lsn()").strip()
    one.pgbench(variant, script, 1, "-t", str(WAL_SAMPLE), "-D", "n=700000")
    return float(one.psql(variant, f"SELECT pg_current_wal_insert_lsn() - '{before}'")) / WAL_SAMPLE


def measure(rounds: int, seconds: float) -> list[report.Row]:
    rates: dict[tuple[Load, str], list[float]] = {(load, variant): [] for load in LOADS for variant in VARIANTS}
    with server() as one:
        for variant in VARIANTS:
            prepare(one, variant)
        for load in LOADS:
            for number in range(rounds):
                # Change the order in each round, so that a disk that slows down hurts all variants alike.
                for variant in VARIANTS[number % 3 :] + VARIANTS[: number % 3]:
                    rates[load, variant].append(rate(one, variant, load, seconds))
                    report.progress(f"{load.title}, {variant}: {rates[load, variant][-1]:.0f}/s")
        written = {
            (kind, variant): wal(one, variant, script)
            for kind, script in (("new lease", INSERT), ("renewal", RENEW))
            for variant in VARIANTS
        }
        counter = "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM kea_events.lease_event_lost"
        lost = int(one.psql(OURS, counter))
    rows = [rate_row(load, {variant: rates[load, variant] for variant in VARIANTS}) for load in LOADS]
    rows += [
        wal_row(kind, {variant: written[kind, variant] for variant in VARIANTS}) for kind in ("new lease", "renewal")
    ]
    inserted = sum(sum(rates[load, OURS]) for load in LOADS if load.script == INSERT) * seconds
    # An event is lost if its table takes longer than lock_timeout to grow. Many losses would make the rates worthless.
    goal = report.Goal("≤ 1 in 10,000", lost <= inserted / 10_000)
    return [*rows, report.Row("events lost, and counted", ["", "", f"{lost} of {inserted:.0f}"], goal)]


def rate_row(load: Load, rates: dict[str, list[float]]) -> report.Row:
    middle = {variant: statistics.median(values) for variant, values in rates.items()}
    # Take the ratio of each round, because what disturbs a round disturbs all variants in it.
    ratios = {
        variant: statistics.median(mine / none for mine, none in zip(rates[variant], rates[NONE], strict=True))
        for variant in (DOCUMENT, OURS)
    }
    goal = report.Goal(f"≥ {load.goal:.2f}", ratios[OURS] >= load.goal) if load.goal else None
    texts = [f"{middle[NONE]:.0f}/s", *(f"{middle[one]:.0f}/s ({ratios[one]:.2f})" for one in (DOCUMENT, OURS))]
    return report.Row(load.title, texts, goal)


def wal_row(kind: str, written: dict[str, float]) -> report.Row:
    more = {variant: written[variant] - written[NONE] for variant in (DOCUMENT, OURS)}
    limit = 320 if kind == "new lease" else 10  # the size of a commit record and its page varies
    texts = [f"{written[NONE]:.0f} B", *(f"{written[one]:.0f} B ({more[one]:+.0f})" for one in (DOCUMENT, OURS))]
    goal = report.Goal("≤ +320 B" if kind == "new lease" else "none more", more[OURS] <= limit)
    return report.Row(f"WAL for each {kind}", texts, goal)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2, help="seconds of each measurement")
    options = parser.parse_args()
    rows = measure(options.rounds, options.seconds)
    report.show("The trigger: pgbench", ("", "no trigger", "the document's", "ours", "goal"), rows)


if __name__ == "__main__":
    main()
