# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole program as a process: both sources, signals, restarts."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest
import yaml

from runtime import RUNTIME
from runtime.world import Kea

HEADER = (
    "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context,pool_id\n"
)


def row(number: int, hostname: str = "") -> str:
    return f"10.0.0.{number},02:00:00:00:00:{number:02x},,3600,{int(time.time()) + 3600},1,0,0,{hostname},0,,0\n"


def until(condition: Callable[[], Any], what: str, seconds: float = 10.0) -> Any:
    """Wait for something to be seen; the only sleep of these tests, and bounded."""
    due = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < due, f"not seen within {seconds} s: {what}"
        time.sleep(0.005)
    return found


class Daemon:
    def __init__(self, directory: Path, document: dict[str, Any]) -> None:
        self.config = directory / "config.yml"
        self.config.write_text(yaml.safe_dump(document))
        self._log = directory / "log"
        self.start()

    def start(self, *arguments: str) -> None:
        command = [
            sys.executable,
            str(RUNTIME / "kea_lease_monitor.py"),
            *(arguments or ("--config", str(self.config))),
        ]
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(command, stderr=log)

    def log(self) -> str:
        return self._log.read_text()

    def said(self, text: str, seconds: float = 10.0) -> None:
        until(lambda: text in self.log(), f"{text!r} in:\n{self.log()}", seconds)

    def stop(self) -> None:
        self.process.terminate()
        assert self.process.wait(timeout=5) == 0, self.log()

    def ask(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(RUNTIME / "kea_lease_monitor.py"), *arguments, "--config", str(self.config)]
        return subprocess.run(command, capture_output=True, text=True, check=False)


def document(tmp_path: Path, source: dict[str, Any], sinks: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    (tmp_path / "discovery").mkdir()
    sinks = [*sinks, {"type": "discovery", "directory": str(tmp_path / "discovery")}]
    return {
        "source": source,
        "state": {"path": str(tmp_path / "state.sqlite")},
        "log_level": "DEBUG",
        "subscriptions": [{"name": "default", "match": {"subnets": [1]}, "sinks": sinks}],
        **more,
    }


@pytest.fixture
def file_daemon(tmp_path: Path) -> Iterator[Daemon]:
    (tmp_path / "leases").mkdir()
    (tmp_path / "reservations").mkdir()
    source = {"type": "memfile", "path": str(tmp_path / "leases" / "kea-leases4.csv")}
    sinks = [{"type": "reservation_file", "directory": str(tmp_path / "reservations")}]
    (tmp_path / "leases" / "kea-leases4.csv").write_text(HEADER + row(1, "first"))
    daemon = Daemon(tmp_path, document(tmp_path, source, sinks))
    yield daemon
    daemon.process.kill()
    daemon.process.wait()


@pytest.fixture
def events_daemon(tmp_path: Path, kea: Kea) -> Iterator[Daemon]:
    database = {"host": kea.cluster.socket, "name": kea.name}
    kea.lease("10.0.0.1", "02:00:00:00:00:01", "first")
    daemon = Daemon(tmp_path, document(tmp_path, {"type": "events"}, [{"type": "reservation"}], database=database))
    yield daemon
    daemon.process.kill()
    daemon.process.wait()


def test_file_mode_from_the_row_to_the_reservation(file_daemon: Daemon, tmp_path: Path) -> None:
    file_daemon.said("Caught up with the leases")
    with (tmp_path / "leases" / "kea-leases4.csv").open("a") as leases:
        leases.write(row(2, "second"))
    file_daemon.said("Static reservation created: address=10.0.0.2 hwaddr=02:00:00:00:00:02 subnet=1")
    hosts = json.loads("[" + (tmp_path / "reservations" / "subnet-1.json").read_text() + "]")
    assert [host["ip-address"] for host in hosts] == ["10.0.0.1", "10.0.0.2"]
    assert (tmp_path / "reservations" / ".apply-requested").exists()
    until((tmp_path / "discovery" / "02-00-00-00-00-02.yml").exists, "the discovery file")


def test_events_mode_from_the_commit_to_the_reservation(events_daemon: Daemon, kea: Kea, tmp_path: Path) -> None:
    events_daemon.said("Listening for database lease events")
    events_daemon.said("Caught up with the leases")
    kea.lease("10.0.0.2", "02:00:00:00:00:02", "second")
    events_daemon.said("Static reservation created: address=10.0.0.2 hwaddr=02:00:00:00:00:02 subnet=1")
    kea.rows("UPDATE lease4 SET hostname = 'renamed' WHERE hostname = 'second'")
    events_daemon.said("Static reservation updated: address=10.0.0.2")
    assert kea.reservations() == [
        ("020000000001", "10.0.0.1", "first", 1),
        ("020000000002", "10.0.0.2", "renamed", 1),
    ]
