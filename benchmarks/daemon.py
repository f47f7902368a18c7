# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The monitor as a process of its own, with its memory and processor time as the kernel reports them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Iterator, Sequence

from postgres import BenchmarkError, Server
from support.monitor import PROGRAM
from support.paths import program_environment

READY = "Caught up with the leases"
RESERVATION: dict[str, Any] = {"type": "reservation"}
EVENTS: dict[str, Any] = {"type": "events"}
PREPARE = """ALTER TABLE hosts ADD CONSTRAINT hosts_dhcp_identifier_subnet_unique
  UNIQUE (dhcp_identifier, dhcp_identifier_type, dhcp4_subnet_id);
GRANT SELECT ON lease4 TO monitor; GRANT SELECT, INSERT, UPDATE ON hosts TO monitor;
GRANT USAGE ON SEQUENCE hosts_host_id_seq TO monitor;
"""
"""What the monitor needs in Kea's database."""
WAIT = 120.0
"""Longest wait, in seconds, for steps that take a few seconds."""
SAMPLE = 0.1
"""Seconds between two samples of the memory."""


class Monitor:
    """Monitor process with state and log in a directory. A second one there continues from the first one's bookmark."""

    def __init__(self, directory: Path, document: dict[str, Any]) -> None:
        directory.mkdir(exist_ok=True)
        self._log = directory / "log"
        config = directory / "config.json"
        config.write_text(json.dumps({"state": {"path": str(directory / "state.sqlite")}, **document}))
        self.memory: list[tuple[float, float]] = []
        """Samples, ten a second: time by the system's clock, and MiB of resident memory."""
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, str(PROGRAM), "--config", str(config)], stderr=log, env=program_environment()
            )
        self._sampler = threading.Thread(target=self._sample)
        self._sampler.start()

    def ready(self, seconds: float) -> None:
        """Wait until the monitor has caught up. Raises BenchmarkError after so many seconds."""
        due = time.monotonic() + seconds
        while READY not in self.said():
            if self._process.poll() is not None or time.monotonic() > due:
                raise BenchmarkError(f"the monitor did not catch up in {seconds:.0f} s: {self.said()[-2000:]}")
            time.sleep(0.05)

    def said(self) -> str:
        """Return the last 4 KiB of the log."""
        with self._log.open("rb") as log:
            log.seek(max(0, self._log.stat().st_size - 4096))
            return log.read().decode(errors="replace")

    def processor(self) -> float:
        """Return the processor time that all threads have used, in seconds."""
        tasks = Path(f"/proc/{self._process.pid}/task").glob("*/schedstat")
        return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()
        self._sampler.join()

    def _sample(self) -> None:
        status = Path(f"/proc/{self._process.pid}/status")
        while self._process.poll() is None:
            found = re.search(r"VmRSS:\s+(\d+)", status.read_text())
            if found:
                self.memory.append((time.time(), int(found[1]) / 1024))
            time.sleep(SAMPLE)


@contextmanager
def monitor(directory: Path, document: dict[str, Any]) -> Iterator[Monitor]:
    one = Monitor(directory, document)
    try:
        yield one
    finally:
        one.stop()


def on_database(
    server: Server, database: str, source: dict[str, Any], sinks: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """Return the configuration of one subscription to a database."""
    return {
        "database": {"host": str(server.directory), "name": database, "user": "monitor"},
        "source": source,
        "subscriptions": [{"name": "default", "sinks": list(sinks)}],
    }
