# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Time from a row appended to the lease file until the monitor has acted on it."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from pathlib import Path

from daemon import READY
from support.monitor import PROGRAM

HEADER = "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context\n"
LONGEST = 0.03
"""Longest time between two rows, in seconds."""


def row(number: int) -> str:
    octets = f"{number >> 8:02x}:{number & 255:02x}"
    return f"10.0.{number >> 8}.{number & 255},02:bc:00:00:{octets},,3600,2000000000,1,0,0,bmc-{number},0,\n"


def appended(directory: Path, rows: int, sink: str, present: int) -> tuple[list[float], float]:
    """Measure each row from its write to the log line that says that its effect is durable, in milliseconds.

    Also return the seconds that the monitor took for the rows that were ``present`` at its start.
    """
    leases, output = directory / "kea-leases4.csv", directory / "output"
    output.mkdir()
    leases.write_text(HEADER + "".join(map(row, range(1, present + 1))))
    document = {
        "state": {"path": str(directory / "state.sqlite")},
        "source": {"type": "memfile", "path": str(leases)},
        "subscriptions": [{"name": "default", "sinks": [{"type": sink, "directory": str(output)}]}],
    }
    config = directory / "config.json"
    config.write_text(json.dumps(document))
    command = [sys.executable, str(PROGRAM), "--config", str(config)]
    found = []
    begin = time.monotonic()
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process, leases.open("a") as file:
        assert process.stderr
        try:
            for line in process.stderr:
                if READY in line:
                    break
            took = time.monotonic() - begin
            for number in range(present + 1, present + rows + 1):
                time.sleep(random.uniform(0, LONGEST))
                file.write(row(number))
                begin = time.monotonic()
                file.flush()
                named = row(number).split(",")[1]
                while named not in process.stderr.readline().replace("-", ":"):
                    assert process.poll() is None, "the monitor exited"
                found.append((time.monotonic() - begin) * 1000)
        finally:
            process.terminate()
    return found, took
