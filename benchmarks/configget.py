# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long a real Kea serves no client while it answers config-get: it does so in the thread that serves clients."""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import report
from support.kea import KeaServer
from support.wait import until

COUNTS = (1_000, 10_000, 100_000)
COMMANDS = ("config-get", "statistic-get-all", "status-get")
"""The first is for one answer in a run; the others are what the programs on a host send again and again."""
PER_SUBNET = 500
SECONDS = 900
"""For Kea to load its configuration."""


class Answer(NamedTuple):
    """What one answer took, in seconds."""

    elapsed: float
    processor: float
    """Time of the processor in Kea's process. Other load of the machine does not lengthen it."""


def subnet(number: int, reservations: int) -> dict[str, object]:
    high, low = divmod(number, 128)
    prefix = f"10.{high}.{low * 2}.0/23"
    hosts = [
        {
            "hw-address": f"02:00:{number >> 8:02x}:{number & 255:02x}:{host >> 8:02x}:{host & 255:02x}",
            "ip-address": f"10.{high}.{low * 2 + (host >> 8)}.{host & 255}",
            "hostname": f"bmc-{number}-{host}",
        }
        for host in range(1, reservations + 1)
    ]
    return {"id": number + 1, "subnet": prefix, "reservations": hosts}


def configure(server: KeaServer, count: int) -> None:
    """Write a configuration with so many reservations, in subnets of 500."""
    server.configure(
        {
            "interfaces-config": {"interfaces": []},
            "lease-database": {"type": "memfile", "persist": False},
            "loggers": [{"name": "kea-dhcp4", "severity": "ERROR", "output_options": [{"output": "stderr"}]}],
            "subnet4": [subnet(number, PER_SUBNET) for number in range(count // PER_SUBNET)],
        }
    )


def processor(pid: int) -> float:
    """Return the seconds that a process has had of the processor."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / float(os.sysconf("SC_CLK_TCK"))


def answer(server: KeaServer, command: str) -> Answer:
    assert server.process
    before, start = processor(server.process.pid), time.monotonic()
    # On a busy machine Kea may give the connection up in the middle of the answer. It took its time all the same.
    with contextlib.suppress(ValueError):
        assert server.ask(command)["result"] == 0
    return Answer(time.monotonic() - start, processor(server.process.pid) - before)


def measured(count: int, rounds: int) -> list[report.Row]:
    """Return a row for each command, with the median of all rounds."""
    rows = []
    with tempfile.TemporaryDirectory() as directory:
        server = KeaServer(Path(directory))
        configure(server, count)
        server.launch("-p", "10067")
        try:
            until(server.answers, f"Kea's answer with {count} reservations", SECONDS, 0.5)
            for command in COMMANDS:
                report.progress(f"{count} reservations: {command}")
                answers = [answer(server, command) for _round in range(rounds)]
                elapsed = statistics.median(one.elapsed for one in answers)
                busy = statistics.median(one.processor for one in answers)
                rows.append(report.Row(f"{count:,}", [command, f"{elapsed:.3f}", f"{busy:.2f}"], None))
        finally:
            server.stop()
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--counts", type=int, nargs="+", default=COUNTS)
    options = parser.parse_args()
    rows = [row for count in options.counts for row in measured(count, options.rounds)]
    head = ["reservations", "command", "answered after, s", "Kea's time of the processor, s", ""]
    report.show("Commands that Kea answers instead of clients", head, rows)


if __name__ == "__main__":
    main()
