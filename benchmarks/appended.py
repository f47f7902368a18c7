# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long after a row was appended to the lease file the monitor has acted on it."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from pathlib import Path

from daemon import PROGRAM, READY

HEADER = "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context\n"
LONGEST = 0.03
"""Seconds between two rows at most."""


def appended(directory: Path, rows: int) -> list[float]:
    """Milliseconds from each write to the log line that says that its discovery file is written, and durable."""
    leases, discovery = directory / "kea-leases4.csv", directory / "discovery"
    discovery.mkdir()
    leases.write_text(HEADER)
    document = {
        "state": {"path": str(directory / "state.sqlite")},
        "source": {"type": "memfile", "path": str(leases)},
        "subscriptions": [{"name": "default", "sinks": [{"type": "discovery", "directory": str(discovery)}]}],
    }
    config = directory / "config.json"
    config.write_text(json.dumps(document))
    command = [sys.executable, str(PROGRAM), "--config", str(config)]
    found = []
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process, leases.open("a") as file:
        assert process.stderr
        try:
            for line in process.stderr:
                if READY in line:
                    break
            for number in range(1, rows + 1):
                hwaddr = f"02:bc:00:00:{number >> 8:02x}:{number & 255:02x}"
                time.sleep(random.uniform(0, LONGEST))
                file.write(f"10.0.{number >> 8}.{number & 255},{hwaddr},,3600,2000000000,1,0,0,bmc-{number},0,\n")
                begin = time.monotonic()
                file.flush()
                name = f"{hwaddr.replace(':', '-')}.yml"
                while name not in process.stderr.readline():
                    assert process.poll() is None, "the monitor ended"
                found.append((time.monotonic() - begin) * 1000)
        finally:
            process.terminate()
    return found
