# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Kea with a monitor that has every sink, in one directory: where the packets of the fuzzer go."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Iterator

from _kea import host_maps
from exchanges import Clients
from families import Family
from support.kea import KeaServer
from support.modules import run_module
from support.monitor import PROGRAM, Daemon
from support.paths import KEA_SCHEMA, program_environment
from support.postgres import Cluster, running
from support.programs import need
from support.receiver import Receiver
from support.wait import until

DATABASE, ROLE = "kea", "kea-lease-monitor"
PATIENCE = 300.0
"""Seconds for what takes a few: fuzzing runs beside tests that load the machine."""
_KEEP = "import sys; open(sys.argv[1], 'ab').write(sys.stdin.buffer.read() + b'\\n')"
"""The command of the sink ``exec``."""


class Site:
    """Kea, its applier, PostgreSQL, a web server and the monitor."""

    def __init__(self, directory: Path, cluster: Cluster, family: Family) -> None:
        """Start all of them but the applier, which is run when it is asked for."""
        self.directory, self.family = directory, family
        for name in ("kea", "written", "applied", "report", "discovery", "monitor"):
            (directory / name).mkdir()
        self.discovery, self.written, self.applied = (directory / name for name in ("discovery", "written", "applied"))
        self.executed = directory / "executed"
        for subnet in self.family.relays.values():
            (self.applied / f"subnet-{subnet}.json").write_text("")
        self.server = KeaServer(directory / "kea", family.number)
        self.leases = self.server.directory / f"kea-leases{family.number}.csv"
        self._cluster = cluster
        self.clients = Clients(family)
        self._configure()
        self.server.launch("-p", str(family.server[1]), "-P", str(family.client[1]))
        until(self.server.answers, lambda: f"Kea's answer: {self.server.log.read_text()[-2000:]}", PATIENCE)
        self.receiver = Receiver()
        self.monitor = Daemon(directory / "monitor", self._document())
        self.monitor.said("Caught up", PATIENCE)

    def _configure(self) -> None:
        """Kea filters names in the second subnet only."""
        name = f"kea-dhcp{self.family.number}"
        subnets = [
            {
                **self.family.subnet(number),
                "id": number,
                "relay": {"ip-addresses": [relay]},
                "hostname-char-set": "" if number == 1 else "[^A-Za-z0-9.-]",
                "reservations": [f"INCLUDED-{number}"],
            }
            for relay, number in self.family.relays.items()
        ]
        self.server.configure(
            {
                **self.family.settings,
                "lease-database": {"type": "memfile", "name": str(self.leases), "lfc-interval": 0},
                "valid-lifetime": 3600,
                "store-extended-info": True,
                "ddns-send-updates": False,
                "loggers": [{"name": name, "severity": "WARN", "output_options": [{"output": "stderr"}]}],
                f"subnet{self.family.number}": subnets,
            }
        )
        text = self.server.config.read_text()
        for number in self.family.relays.values():
            text = text.replace(f'"INCLUDED-{number}"', f'<?include "{self.applied}/subnet-{number}.json"?>')
        self.server.config.write_text(text)

    def _document(self) -> dict[str, Any]:
        """Return the configuration of the monitor. A sink ``webhook`` is the last one and tells what is settled."""
        told = [{"type": "webhook", "url": self.receiver.url.replace("events", name)} for name in ("files", "rows")]
        reservation = {"hostname": "reserve", **self.family.reservation}
        files: list[dict[str, Any]] = [
            {
                "type": "reservation_file",
                "directory": str(self.written),
                "report": str(self.directory / "report"),
                **reservation,
            },
            {"type": "discovery", "directory": str(self.discovery)},
        ]
        rows = [{"type": "reservation", **reservation}]
        command = {"type": "exec", "command": [sys.executable, "-c", _KEEP, str(self.executed)]}
        match = {"families": [self.family.number]}
        return {
            "database": {"host": self._cluster.socket, "name": DATABASE, "user": ROLE},
            "source": {"type": "memfile", "path": str(self.leases)},
            "state": {"path": str(self.directory / "monitor" / "state.sqlite")},
            "log_level": "DEBUG",
            "subscriptions": [
                {"name": "files", "match": match, "sinks": [*files, told[0]]},
                {"name": "rows", "match": match, "sinks": [*rows, command, told[1]]},
            ],
        }

    def events(self, subscription: str) -> list[Any]:
        """Return what the web server was told by this subscription."""
        return [
            event
            for request in list(self.receiver.requests)
            if request.path == f"/{subscription}"
            for event in request.document["events"]
        ]

    def apply(self) -> subprocess.CompletedProcess[str]:
        """Run the applier once."""
        places = {"directory": self.written, "report": self.directory / "report", "included": self.applied}
        kea = {
            "kea-program": need(f"kea-dhcp{self.family.number}"),
            "kea-config": self.server.config,
            "control-socket": self.server.socket,
            "lease-file": self.leases,
            "pools": self.directory / "report" / "pools.json",
            "min-interval": 0,
        }
        flags = [f"--{name}={value}" for name, value in {**kea, **places}.items()]
        environment = program_environment(**self.server.environment())
        command = [sys.executable, str(PROGRAM), "apply-reservations", *flags]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    def in_force(self) -> set[str]:
        """Return each address and prefix that Kea has reserved."""
        answer = self.server.ask("config-get")
        assert answer["result"] == 0, answer
        number = self.family.number
        subnets = answer["arguments"][f"Dhcp{number}"][f"subnet{number}"]
        hosts = [host for subnet in subnets for host in subnet["reservations"]]
        claimed = [one for host in hosts for one in (*host_maps.addresses_of(host), *host_maps.prefixes_of(host))]
        return {one.partition("/")[0] for one in claimed}

    def documents(self) -> list[Any]:
        """Return what the sink ``exec`` gave its command. Raises ValueError."""
        return [json.loads(line) for line in self.executed.read_bytes().splitlines()]

    def rows(self) -> list[str]:
        """Return the reserved addresses and prefixes in the database."""
        return self._cluster.sql(self.family.reserved, DATABASE).split()

    def close(self) -> None:
        self.monitor.kill()
        self.receiver.close()
        self.server.stop()
        self.clients.close()


def _prepare(cluster: Cluster, family: Family) -> None:
    """Create Kea's tables with our constraint, and the monitor's role with its rights only."""
    cluster.administer(f"CREATE DATABASE {DATABASE}")
    cluster.administer(f'CREATE ROLE "{ROLE}" LOGIN')
    cluster.load(KEA_SCHEMA, DATABASE)
    login: dict[str, Any] = {**cluster.login, "login_db": DATABASE}
    options: dict[str, dict[str, Any]] = {
        "kea_hosts_constraint": {},
        "kea_database_rights": {"monitor": ROLE, "dhcp6": family.number == 6},
    }
    for name, more in options.items():
        result = run_module(name, **login, **more)
        assert not result["failed"], result


@contextmanager
def site(family: Family) -> Iterator[Site]:
    """Yield a new site."""
    # Five levels deep: a name that escapes its directory by ".." stays within what is removed.
    with running(Cluster()) as cluster, TemporaryDirectory(prefix="kea-fuzz-") as name:
        directory = Path(name, "1", "2", "3", "4", "5")
        directory.mkdir(parents=True)
        _prepare(cluster, family)
        found = Site(directory, cluster, family)
        try:
            yield found
        finally:
            found.close()
