# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Longest stall of a writer of hosts while the unique constraint is created, by ALTER TABLE or by the module."""

from __future__ import annotations

import argparse
import os
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator

import report
from postgres import KEA, Server, server

DATABASE = "constraint_of_hosts"
WRITERS = 8
PLAIN = """ALTER TABLE hosts ADD CONSTRAINT hosts_dhcp_identifier_subnet_unique
    UNIQUE (dhcp_identifier, dhcp_identifier_type, dhcp4_subnet_id)"""
FILL = """
INSERT INTO hosts (dhcp_identifier, dhcp_identifier_type, dhcp4_subnet_id, ipv4_address, hostname)
SELECT decode(lpad(to_hex(n), 12, '0'), 'hex'), 0, 1 + n % 100, 167772160 + n, 'bmc-' || n
FROM generate_series(1, {rows}) AS g (n);
ANALYZE hosts;
"""
# The lease monitor and Kea's host commands do the same: a new reservation, and a change of an existing one.
WRITE = """\\set n :n + 1
\\set id {rows} + 1 + :client_id * 10000000 + :n
\\set old random(1, {rows})
INSERT INTO hosts (dhcp_identifier, dhcp_identifier_type, dhcp4_subnet_id, ipv4_address, hostname)
VALUES (decode(lpad(to_hex(:id::bigint), 12, '0'), 'hex'), 0, 1, 1, 'new');
UPDATE hosts SET hostname = 'changed' WHERE host_id = :old;
"""
SETTLE = 3.0
"""Seconds of undisturbed writing, before the change and after it."""


class Writers:
    """pgbench with several writers, which records the time of every transaction."""

    def __init__(self, one: Server, rows: int) -> None:
        self._server = one
        self._script = WRITE.format(rows=rows)
        self._number = 0

    @contextmanager
    def running(self) -> Iterator[list[tuple[float, float]]]:
        """Run pgbench. Yield a list, filled on exit: begin and end of each transaction, in seconds since the epoch."""
        self._number += 1
        found: list[tuple[float, float]] = []
        with tempfile.TemporaryDirectory(dir="/var/tmp") as directory:
            script = Path(directory, "write.sql")
            script.write_text(self._script)
            command = [
                self._server.bin / "pgbench", "-n", "-M", "prepared", "-h", self._server.directory, "-U", KEA,
                "-f", script, "-c", str(WRITERS), "-j", "1", "-T", "3600", "-D", f"n={self._number * 1000000}",
                "--log", "--log-prefix", Path(directory, "log"), DATABASE,
            ]  # fmt: skip
            with subprocess.Popen([str(word) for word in command], stdout=subprocess.DEVNULL) as pgbench:
                try:
                    time.sleep(SETTLE)
                    yield found
                    time.sleep(SETTLE)
                finally:
                    pgbench.terminate()
            for log in Path(directory).glob("log*"):
                found.extend(transaction(line) for line in log.read_text().splitlines() if len(line.split()) >= 6)


def transaction(line: str) -> tuple[float, float]:
    """Return begin and end of a line in pgbench's log: client, number, latency in us, script, end in s and us."""
    fields = line.split()
    end = int(fields[4]) + int(fields[5]) / 1e6
    return end - int(fields[2]) / 1e6, end


def longest(transactions: list[tuple[float, float]], began: float, ended: float) -> float:
    """Return the duration, in milliseconds, of the longest transaction that ran between these two moments."""
    return 1000 * max(end - begin for begin, end in transactions if end >= began and begin <= ended)


def measure(rows: int) -> list[report.Row]:
    with server() as one:
        one.create(DATABASE)
        one.psql(DATABASE, FILL.format(rows=rows), user=KEA)
        report.progress(f"hosts has {rows} rows")
        writers = Writers(one, rows)
        with writers.running() as transactions:
            began = time.time()
            one.psql(DATABASE, PLAIN, user=KEA)
            ended = time.time()
        plain = (longest(transactions, began, ended), ended - began)
        before = longest(transactions, 0, began - 0.1)
        one.psql(DATABASE, "ALTER TABLE hosts DROP CONSTRAINT hosts_dhcp_identifier_subnet_unique")
        with writers.running() as transactions:
            began = time.time()
            result = one.module("kea_hosts_constraint", DATABASE)
            ended = time.time()
        assert result["changed"], result
        ours = (longest(transactions, began, ended), ended - began)
        assert not one.module("kea_hosts_constraint", DATABASE)["changed"]
    goal = report.Goal("< 100 ms", ours[0] < 100)
    return [
        report.Row("nothing, before", [f"{before:.0f} ms", "", ""], None),
        report.Row("plain ALTER TABLE", [f"{plain[0]:.0f} ms", f"{plain[1]:.1f} s", "1"], None),
        report.Row(
            "kea_hosts_constraint", [f"{ours[0]:.0f} ms", f"{ours[1]:.1f} s", f"1/{plain[0] / ours[0]:.0f}"], goal
        ),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=2_000_000)
    options = parser.parse_args()
    os.environ.setdefault("LC_ALL", "C.UTF-8")
    rows = measure(options.rows)
    title = f"The constraint: {options.rows:,} reservations, {WRITERS} writers"
    report.show(title, ("created by", "longest stall of a writer", "took", "stall, ratio", "goal"), rows)


if __name__ == "__main__":
    main()
