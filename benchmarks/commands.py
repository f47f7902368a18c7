# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Time from a lease in Kea's lease file to its reservation in force in a running Kea 3.0, which takes it by command.

Kea is that of the host image of the newest suite, run on this machine. Its log tells when a reservation is in force.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import report
from appended import HEADER
from daemon import monitor
from postgres import BenchmarkError
from support.kea import DIRECTORIES, KeaServer
from support.monitor import PROGRAM
from support.paths import LAB, program_environment
from support.programs import run
from support.suites import NEWEST
from support.wait import until

LIFETIME = 3600
GOALS = {"p50": 10.0, "p99": 50.0}
"""Milliseconds."""
BACKLOG_GOAL = 1500
WAIT = 600.0
_ADDED = re.compile(r'^(\S+ \S+) INFO .*HOST_CMDS_RESERV_ADD_SUCCESS.*?"hw-address": "(06:[0-9a-f:]+)"', re.MULTILINE)


class Result(NamedTuple):
    """Delays in milliseconds, sorted, and reservations a second of a backlog."""

    delays: list[float]
    backlog: float

    def percentile(self, share: float) -> float:
        return self.delays[min(len(self.delays) - 1, int(len(self.delays) * share))]


@contextmanager
def image(directory: Path) -> Iterator[tuple[str, Path]]:
    """Yield a program that runs the image's Kea with the image's libraries, and the directory of its hooks."""
    name = run(str(LAB / "lab"), "image", f"{NEWEST}-kea").split()[-1]
    root = Path(run("podman", "image", "mount", name).strip())
    (libraries,) = (root / "usr/lib").glob("*-linux-gnu")
    (loader,) = (root / "lib64").glob("ld-linux*")
    script = directory / "kea-dhcp4"
    script.write_text(f'#!/bin/sh\nexec {loader} --library-path {libraries} {root}/usr/sbin/kea-dhcp4 "$@"\n')
    script.chmod(0o755)
    try:
        yield str(script), libraries / "kea" / "hooks"
    finally:
        run("podman", "image", "unmount", name)


def hwaddr(number: int) -> str:
    return f"06:00:00:{number >> 16:02x}:{number >> 8 & 255:02x}:{number & 255:02x}"


def row(number: int) -> str:
    address = f"10.{200 + (number >> 16)}.{number >> 8 & 255}.{number & 255}"
    return f"{address},{hwaddr(number)},,{LIFETIME},{int(time.time()) + LIFETIME},1,0,0,bmc-{number},0,\n"


def present(number: int) -> str:
    """Return a reservation that is there before."""
    address = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
    own = {"kea-lease-monitor": {"ip-address": address, "made": "123"}}
    mac = f"02:00:00:{number >> 16:02x}:{number >> 8 & 255:02x}:{number & 255:02x}"
    return json.dumps({"hw-address": mac, "ip-address": address, "user-context": own})


class Site:
    """A directory with Kea, the applier and the monitor in file mode."""

    def __init__(self, directory: Path, program: str, hooks: Path, reservations: int) -> None:
        self.directory, self.program = directory, program
        self.leases = directory / "kea-leases4.csv"
        self.leases.write_text(HEADER)
        # Kea's own lease file stays empty: it would read the rows of the measurement when it starts.
        own = directory / "own.csv"
        own.write_text("")
        self.written, self.applied, self.reported = (directory / name for name in ("written", "applied", "report"))
        text = "".join(f"{present(256 + number)},\n" for number in range(reservations)).rstrip(",\n")
        for place in (self.written, self.applied, self.reported):
            place.mkdir()
        for place in (self.written, self.applied):
            (place / "subnet-1.json").write_text(f"{text}\n" if text else "")
        self.server = KeaServer(directory, program=program)
        directory.chmod(0o750)
        self.server.config.write_text(
            json.dumps(
                {
                    "Dhcp4": {
                        "interfaces-config": {"interfaces": []},
                        "control-socket": {"socket-type": "unix", "socket-name": str(self.server.socket)},
                        "lease-database": {"type": "memfile", "name": str(own), "lfc-interval": 0},
                        "hooks-libraries": [{"library": f"{hooks}/libdhcp_host_cmds.so"}],
                        "loggers": [
                            {"name": "kea-dhcp4", "severity": "INFO", "output-options": [{"output": "stderr"}]},
                            # As deployed; the lines of the hook, which a deployment silences too, are what is measured.
                            {"name": "kea-dhcp4.commands", "severity": "WARN"},
                        ],
                        "subnet4": [{"id": 1, "subnet": "10.0.0.0/8", "reservations": ["INCLUDED"]}],
                    }
                }
            ).replace('"INCLUDED"', f'<?include "{self.applied}/subnet-1.json"?>')
        )

    def flags(self) -> list[str]:
        places = {"directory": self.written, "report": self.reported, "included": self.applied}
        kea = {"kea-program": self.program, "kea-config": self.server.config, "control-socket": self.server.socket}
        more = {"lease-file": self.directory / "own.csv", "pools": self.directory / "pools.json", "min-interval": 0}
        return [f"--{name}={value}" for name, value in {**kea, **places, **more}.items()]

    @contextmanager
    def applier(self) -> Iterator[None]:
        command = [sys.executable, str(PROGRAM), "apply-reservations", "--follow", *self.flags()]
        environment = {**os.environ, **program_environment()}
        with (self.directory / "applier.log").open("wb") as log:
            process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            until(self._is_applied, lambda: (self.directory / "applier.log").read_text()[-2000:], WAIT, 0.1)
            yield
        finally:
            process.kill()
            process.wait()

    def _is_applied(self) -> bool:
        try:
            return not json.loads((self.reported / "status.json").read_text())["error"]
        except FileNotFoundError:
            return False

    def in_force(self) -> dict[str, float]:
        """Return when each reservation of the measurement was added, by Kea's log."""
        return {
            found[2]: datetime.datetime.strptime(found[1], "%Y-%m-%d %H:%M:%S.%f").timestamp()
            for found in _ADDED.finditer(self.server.log.read_text(errors="replace"))
        }

    def await_count(self, count: int) -> dict[str, float]:
        until(lambda: len(self.in_force()) >= count, lambda: f"{len(self.in_force())} of {count} in force", WAIT, 0.5)
        return self.in_force()


def measured(site: Site, leases: int, rate: float, backlog: int) -> Result:
    """Measure leases one by one at a rate, and then a backlog at once."""
    subscription = {
        "name": "default",
        "sinks": [{"type": "reservation_file", "directory": str(site.written), "report": str(site.reported)}],
    }
    source = {"type": "memfile", "path": str(site.leases)}
    with monitor(site.directory / "monitor", {"source": source, "subscriptions": [subscription]}) as one:
        one.ready(WAIT)
        with site.leases.open("a") as file:
            file.write(row(0))
            file.flush()
            site.await_count(1)
            sent = {}
            begin = time.time()
            for number in range(1, leases + 1):
                time.sleep(max(0.0, begin + number / rate - time.time()))
                sent[hwaddr(number)] = time.time()
                file.write(row(number))
                file.flush()
            found = site.await_count(leases + 1)
            delays = sorted((found[mac] - at) * 1000 for mac, at in sent.items())
            file.write("".join(row(number) for number in range(leases + 1, leases + 1 + backlog)))
        found = site.await_count(leases + 1 + backlog)
    later = sorted(at for mac, at in found.items() if mac not in sent and mac != hwaddr(0))
    return Result(delays, (len(later) - 1) / (later[-1] - later[0]))


def lines(reservations: int, found: Result) -> Iterator[report.Row]:
    """Yield the rows of the table for so many reservations that were there before."""
    for name, share in (("p50", 0.5), ("p99", 0.99)):
        value = found.percentile(share)
        goal = report.Goal(f"< {GOALS[name]:.0f} ms", value < GOALS[name])
        yield report.Row(f"lease to in force, {name}, beside {reservations}", [f"{value:.1f} ms"], goal)
    goal = report.Goal(f"≥ {BACKLOG_GOAL}/s", found.backlog >= BACKLOG_GOAL)
    yield report.Row(f"a backlog, beside {reservations}", [f"{found.backlog:.0f}/s"], goal)


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--reservations", type=int, nargs="*", default=[0, 100_000], help="there before")
    options.add_argument("--leases", type=int, default=2000)
    options.add_argument("--rate", type=float, default=100, help="leases a second")
    options.add_argument("--backlog", type=int, default=5000)
    chosen = options.parse_args()
    rows: list[report.Row] = []
    for reservations in chosen.reservations:
        report.progress(f"beside {reservations} reservations")
        with tempfile.TemporaryDirectory() as name:
            directory = Path(name)
            os.environ.update(dict.fromkeys((*DIRECTORIES, "KEA_LOG_FILE_DIR"), name))
            with image(directory) as (program, hooks):
                os.environ["KEA_HOOKS_PATH"] = str(hooks)
                site = Site(directory, program, hooks, reservations)
                site.server.launch("-p", "10070")
                try:
                    with site.applier():
                        rows += lines(reservations, measured(site, chosen.leases, chosen.rate, chosen.backlog))
                finally:
                    site.server.stop()
    report.show("Reservations by command, Kea 3.0", ["", "measured", "goal"], rows)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BenchmarkError as error:
        sys.exit(f"{error}")
