# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Leases per second of a real, multi-threaded Kea under perfdhcp, with each variant of the trigger in turn."""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Iterator

import report
from postgres import KEA, BenchmarkError, Server, server
from support.kea import KeaServer
from support.programs import run
from support.wait import until
from variants import DOCUMENT, NONE, OURS, VARIANTS, listener, prepare

SERVER, CLIENTS = "kbench0", "kbench1"
NETWORK = "10.99.0"
THREADS = 4
GOAL = 0.97
EMPTY = "TRUNCATE lease4, lease4_stat, lease4_stat_by_client_class"


@contextmanager
def network() -> Iterator[str]:
    """Create a virtual cable with one end in a network namespace of its own. Yield the process ID of that namespace."""
    with subprocess.Popen(["unshare", "--net", "sleep", "infinity"]) as holder:
        try:
            mine, other = os.stat("/proc/self/ns/net").st_ino, f"/proc/{holder.pid}/ns/net"
            while os.stat(other).st_ino == mine:
                time.sleep(0.01)
            inside = ("nsenter", "--net", "-t", str(holder.pid))
            run("ip", "link", "add", SERVER, "type", "veth", "peer", "name", CLIENTS)
            run("ip", "link", "set", CLIENTS, "netns", str(holder.pid))
            run("ip", "address", "add", f"{NETWORK}.1/24", "dev", SERVER)
            run("ip", "link", "set", SERVER, "up")
            run(*inside, "ip", "address", "add", f"{NETWORK}.2/24", "dev", CLIENTS)
            run(*inside, "ip", "link", "set", CLIENTS, "up")
            yield str(holder.pid)
        finally:
            run("ip", "link", "delete", SERVER, check=False)
            holder.kill()


@contextmanager
def kea(one: Server, variant: str) -> Iterator[None]:
    """Run Kea on the cable, with its leases in the variant's database."""
    # It shares the directory with PostgreSQL, which has to enter it.
    Path(one.directory).chmod(0o755)
    with on_cable(Path(one.directory), variant, database(one, variant)):
        yield


def database(one: Server, variant: str) -> dict[str, Any]:
    """Return the variant's database as Kea's configuration names it."""
    return {"type": "postgresql", "name": variant, "host": one.directory, "user": KEA}


@contextmanager
def on_cable(directory: Path, name: str, leases: dict[str, Any], hosts: dict[str, Any] | None = None) -> Iterator[None]:
    """Run Kea on the cable, with this lease-database, and with ``hosts`` as its database of reservations."""
    server = KeaServer(directory, config=directory / f"{name}.conf", socket=directory / f"{name}.sock")
    server.configure(
        {
            "interfaces-config": {"interfaces": [SERVER], "dhcp-socket-type": "udp"},
            "multi-threading": {"enable-multi-threading": True, "thread-pool-size": THREADS, "packet-queue-size": 28},
            "lease-database": leases,
            **({"hosts-databases": [hosts]} if hosts else {}),
            "subnet4": [{"id": 1, "subnet": "10.96.0.0/12", "pools": [{"pool": "10.100.0.0 - 10.110.255.255"}]}],
            "loggers": [{"name": "kea-dhcp4", "severity": "ERROR", "output_options": [{"output": "stderr"}]}],
        }
    )
    server.launch()
    try:
        until(lambda: server.answers() or not server.runs(), "Kea's answer", 20)
        if not server.runs():
            raise BenchmarkError(f"Kea exited: {server.log.read_text()}")
        yield
    finally:
        server.stop()


def leases(one: Server, variant: str, holder: str, offered: int, seconds: float) -> float:
    """Return the acknowledged leases per second while ``offered`` clients begin each second."""
    one.psql(variant, EMPTY + ("; TRUNCATE kea_events.lease_event" if variant == OURS else ""))
    one.psql(variant, "CHECKPOINT")
    with kea(one, variant), listener(one, variant):
        granted = ask(holder, offered, seconds)
    if variant == OURS:
        events = int(one.psql(OURS, "SELECT count(*) FROM kea_events.lease_event WHERE op = 'I'"))
        stored = int(one.psql(OURS, "SELECT count(*) FROM lease4"))
        assert events == stored, f"{stored} leases, {events} events"
    return granted / seconds


def ask(holder: str, offered: int, seconds: float) -> int:
    """Return how many leases Kea acknowledges while ``offered`` clients begin each second."""
    printed = run(
        "nsenter", "--net", "-t", holder, "perfdhcp", "-4", "-l", CLIENTS, "-r", str(offered), "-R", "1000000",
        "-p", f"{seconds:.0f}", "-W", "500000", f"{NETWORK}.1", check=False,
    )  # fmt: skip
    found = re.search(r"REQUEST-ACK.*?received packets: (\d+)", printed, re.DOTALL)
    if not found:
        raise BenchmarkError(f"perfdhcp: {printed}")
    return int(found[1])


def measure(rounds: int, seconds: float, offered: int) -> report.Row:
    rates: dict[str, list[float]] = {variant: [] for variant in VARIANTS}
    with server() as one, network() as holder:
        for variant in VARIANTS:
            prepare(one, variant)
        for number in range(rounds):
            for variant in VARIANTS[number % 3 :] + VARIANTS[: number % 3]:
                rates[variant].append(leases(one, variant, holder, offered, seconds))
                report.progress(f"Kea, {variant}: {rates[variant][-1]:.0f} leases/s")
    ratios = {
        variant: statistics.median(mine / none for mine, none in zip(rates[variant], rates[NONE], strict=True))
        for variant in (DOCUMENT, OURS)
    }
    middle = {variant: statistics.median(values) for variant, values in rates.items()}
    texts = [f"{middle[NONE]:.0f}/s", *(f"{middle[one]:.0f}/s ({ratios[one]:.2f})" for one in (DOCUMENT, OURS))]
    return report.Row(f"real Kea, {THREADS} threads", texts, report.Goal(f"≥ {GOAL}", ratios[OURS] >= GOAL))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4, help="seconds of each measurement")
    parser.add_argument(
        "--offered", type=int, default=1500, help="clients that begin each second; at 1500, two cores serve about all"
    )
    options = parser.parse_args()
    row = measure(options.rounds, options.seconds, options.offered)
    version = run("kea-dhcp4", "-v").strip()
    report.show(f"The trigger: Kea {version}", ("", "no trigger", "the document's", "ours", "goal"), [row])


if __name__ == "__main__":
    main()
