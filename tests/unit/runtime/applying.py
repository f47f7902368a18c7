# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A directory with a real Kea that includes reservation files, for the tests of the applier."""

from __future__ import annotations

import json
import os
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest
from _kea.control import send
from kea_lease_monitor.kea.applier import approved, hosts, report
from kea_lease_monitor.kea.applier.confirming import Confirming
from kea_lease_monitor.kea.applier.leased import Leases
from kea_lease_monitor.kea.applier.report import Places
from kea_lease_monitor.kea.control import Apply
from kea_lease_monitor.settings import MonitorSettings
from kea_lease_monitor.sinks.reservations.file import Options, ReservationFileSink
from support.kea import DIRECTORIES, KeaServer, serving
from support.programs import need

from runtime.builders import HEADER, row

SITE = "10.0.0.200"
"""Address of the reservation in Kea's own configuration."""
FOR_EVER = 2**32 - 1
"""Lifetime of a lease that never ends."""
PEERS = (("one", 18041, "primary"), ("two", 18042, "standby"))


def one(number: int, **more: Any) -> str:
    """Return a reservation as the monitor writes it."""
    return json.dumps({"hw-address": f"02:00:00:00:00:{number:02x}", "ip-address": f"10.0.0.{number}", **more})


class Host:
    """A directory with all files that Kea needs. Kea listens on no interface."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.program = need("kea-dhcp4")
        self.later = 0
        self.passed = 0.0
        """Seconds that have passed beside those of the machine."""
        self.slept: list[float] = []
        self.asleep: Callable[[], None] = lambda: None
        self.leases = path / "kea-leases4.csv"
        # Of each client that ``one`` names.
        self.leases.write_text(HEADER + "".join(row(number, valid=FOR_EVER) for number in range(1, 200)))
        self.places = Places(str(path / "written"), str(path / "report"))
        self.written, self.applied, self.report = path / "written", path / "applied", path / "report"
        for directory in (self.written, self.applied, self.report):
            directory.mkdir()
        (self.applied / "subnet-1.json").write_text("")
        self.write("")

    def write(self, more: str) -> None:
        include = f'<?include "{self.path}/applied/subnet-1.json"?>'
        (self.path / "kea.conf").write_text(
            f"""{{"Dhcp4": {{ {more}
            "interfaces-config": {{"interfaces": []}},
            "control-socket": {{"socket-type": "unix", "socket-name": "{self.path}/socket"}},
            "lease-database": {{"type": "memfile", "name": "{self.leases}", "lfc-interval": 0}},
            "loggers": [{{"name": "kea-dhcp4", "severity": "WARN", "output_options": [{{"output": "stderr"}}]}}],
            "subnet4": [{{"id": 1, "subnet": "10.0.0.0/24", "pools": [{{"pool": "10.0.0.1 - 10.0.0.99"}}],
                         "reservations": [ {{"hw-address": "02:ff:ff:ff:ff:ff", "ip-address": "10.0.0.200"}},
                                           {include} ]}}] }} }}"""
        )

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.asleep()

    def apply(self) -> None:
        """Apply a day later, as ``apply_by``, with a program that has just started."""
        self.apply_by(self.later_program())

    def apply_by(self, program: Apply) -> None:
        """Apply a day later: the interval is over, and Kea has read whatever a test wrote into its configuration."""
        self.later += 86400
        program.run()

    def later_program(self) -> Apply:
        """Return the program of the applier for ``apply_by``."""
        return self._program(lambda: time.time() + self.later)

    def program_at(self, now: float) -> Apply:
        """Return the program of the applier at a time, in epoch seconds."""
        return self._program(lambda: now)

    def running_program(self) -> Apply:
        """Return the program of the applier as it runs, with the time of the machine."""
        return self._program(time.time)

    def _program(self, now: Callable[[], float]) -> Apply:
        return Apply(
            program=self.program,
            config=str(self.path / "kea.conf"),
            control_socket=str(self.path / "socket"),
            lease_file=str(self.leases),
            confirming=Confirming(self.places.report, Leases(str(self.leases), self.sleep, time.monotonic)),
            places=self.places,
            included=str(self.applied),
            min_interval=60,
            sleep=self.sleep,
            now=now,
            monotonic=lambda: time.monotonic() + self.passed,
        )

    def include(self, content: str, subnet: int = 1) -> None:
        """Write the monitor's file as a person does, who approves what it has."""
        self.approve(content, subnet)
        self.plant(content, subnet)

    def approve(self, content: str, subnet: int = 1) -> None:
        """Approve the reservations in the content of a file."""
        with suppress(ValueError):
            found = hosts.read(subnet, content.encode("utf-8", "surrogateescape"), {}).hosts
            approved.add(self.places.report, [claim for host in found for claim in host.claims])

    def plant(self, content: str, subnet: int = 1) -> None:
        """Write the monitor's file as a hostile process may."""
        (self.written / f"subnet-{subnet}.json").write_bytes(content.encode("utf-8", "surrogateescape"))

    def sink(self) -> ReservationFileSink:
        """Return the sink of the monitor."""
        return ReservationFileSink(Options(*self.places))

    def refused(self) -> dict[str, str]:
        """Return the reason of each refused reservation, by its identifier."""
        return {one.host.partition(" ")[2]: one.reason for one in report.read_refused(self.places.report).refused}

    def be_half_of_a_pair(self) -> None:
        """Make the running Kea half of a pair whose other server does not answer."""
        peers = [{"name": name, "url": f"http://127.0.0.1:{port}/", "role": role} for name, port, role in PEERS]
        relationship = {"this-server-name": "one", "mode": "hot-standby", "peers": peers}
        directory = next(Path("/usr/lib").glob("*/kea/hooks"))
        hooks = [
            {"library": f"{directory}/libdhcp_lease_cmds.so"},
            {"library": f"{directory}/libdhcp_ha.so", "parameters": {"high-availability": [relationship]}},
        ]
        self.write(f'"hooks-libraries": {json.dumps(hooks)},')
        self.reload()

    def reload(self) -> None:
        """Reload Kea as a play does."""
        assert send(str(self.path / "socket"), "config-reload", 10.0).result == 0

    def known(self) -> list[str]:
        answer = send(str(self.path / "socket"), "config-get", 10.0)
        return sorted(host["ip-address"] for host in answer.arguments["Dhcp4"]["subnet4"][0]["reservations"])

    def lifetime(self) -> int:
        """Return the lifetime of leases that is in force, in seconds."""
        return int(send(str(self.path / "socket"), "config-get", 10.0).arguments["Dhcp4"]["valid-lifetime"])

    def an_hour_passes(self) -> None:
        """Make what Kea includes an hour older."""
        past = time.time() - 3600
        for path in self.applied.glob("subnet-*.json"):
            os.utime(path, (past, past))


@contextmanager
def host_served(path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    """Make the files in a directory, and have a real Kea serve with them."""
    for name in DIRECTORIES:
        monkeypatch.setenv(name, str(path))
    path.chmod(0o750)
    host = Host(path)
    with serving(KeaServer(path)):
        yield host


def settings(host: Host, subnets: list[int]) -> MonitorSettings:
    """Return the settings of a monitor with this host's directories."""
    return MonitorSettings.parse(
        {
            "source": {"type": "memfile", "path": str(host.leases)},
            "state": {"type": "sqlite", "path": str(host.path / "state.sqlite")},
            "subscriptions": [
                {
                    "name": "default",
                    "match": {"subnets": subnets},
                    "sinks": [
                        {
                            "type": "reservation_file",
                            "directory": host.places.written,
                            "report": host.places.report,
                        }
                    ],
                }
            ],
        }
    )
