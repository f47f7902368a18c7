# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Kea with a monitor that has every sink, in one directory: where the packets of the fuzzer go."""

from __future__ import annotations

import json
import select
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Iterator, NamedTuple, Sequence

import packets
from packets import ACK, DECLINE, OFFER, RELEASE, REQUEST, Answer
from support.kea import KeaServer
from support.modules import run_module
from support.monitor import PROGRAM, Daemon
from support.paths import KEA_SCHEMA, program_environment
from support.postgres import Cluster, running
from support.programs import need
from support.receiver import Receiver
from support.wait import until

SERVER_PORT, CLIENT_PORT = 20267, 20268
"""Not those of DHCP and of other tests, so that they can run at the same time."""
RELAYS = {"127.0.0.1": 1, "127.0.0.2": 2}
"""Addresses of relays, each with the subnet that it serves. Kea filters names in the second subnet only."""
DATABASE, ROLE = "kea", "kea-lease-monitor"
PATIENCE = 300.0
"""Seconds for what takes a few: fuzzing runs beside tests that load the machine."""
_WINDOW = 50
"""Packets that are under way at once: Kea's socket holds them."""
_SILENCE = 0.1
"""Seconds without an answer after which Kea answers no more: to most of the rest it never will."""

_KEEP = "import sys; open(sys.argv[1], 'ab').write(sys.stdin.buffer.read() + b'\\n')"
"""The command of the sink ``exec``."""


class Lease(NamedTuple):
    """What a client was told."""

    packet: bytes
    relay: str
    answer: Answer

    @property
    def address(self) -> str:
        return socket.inet_ntoa(self.answer.address)


class Site:
    """Kea, its applier, PostgreSQL, a web server and the monitor."""

    def __init__(self, directory: Path, cluster: Cluster) -> None:
        """Start all of them but the applier, which is run when it is asked for."""
        self.directory = directory
        for name in ("kea", "written", "applied", "report", "discovery", "monitor"):
            (directory / name).mkdir()
        self.discovery, self.written, self.applied = (directory / name for name in ("discovery", "written", "applied"))
        self.executed = directory / "executed"
        for subnet in RELAYS.values():
            (self.applied / f"subnet-{subnet}.json").write_text("")
        self.server = KeaServer(directory / "kea")
        self.leases = self.server.directory / "kea-leases4.csv"
        self._cluster = cluster
        self._transaction = 0
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("", CLIENT_PORT))
        self._configure()
        self.server.launch("-p", str(SERVER_PORT), "-P", str(CLIENT_PORT))
        until(self.server.answers, lambda: f"Kea's answer: {self.server.log.read_text()[-2000:]}", PATIENCE)
        self.receiver = Receiver()
        self.monitor = Daemon(directory / "monitor", self._document())
        self.monitor.said("Caught up", PATIENCE)

    def _configure(self) -> None:
        subnets = []
        for relay, number in RELAYS.items():
            subnets.append(
                {
                    "id": number,
                    "subnet": f"10.{number}.0.0/16",
                    "pools": [{"pool": f"10.{number}.0.1 - 10.{number}.255.254"}],
                    "relay": {"ip-addresses": [relay]},
                    "hostname-char-set": "" if number == 1 else "[^A-Za-z0-9.-]",
                    "reservations": [f"INCLUDED-{number}"],
                }
            )
        self.server.configure(
            {
                "interfaces-config": {"interfaces": ["lo"], "dhcp-socket-type": "udp"},
                "lease-database": {"type": "memfile", "name": str(self.leases), "lfc-interval": 0},
                "valid-lifetime": 3600,
                "store-extended-info": True,
                "ddns-send-updates": False,
                "loggers": [{"name": "kea-dhcp4", "severity": "WARN", "output_options": [{"output": "stderr"}]}],
                "subnet4": subnets,
            }
        )
        text = self.server.config.read_text()
        for number in RELAYS.values():
            text = text.replace(f'"INCLUDED-{number}"', f'<?include "{self.applied}/subnet-{number}.json"?>')
        self.server.config.write_text(text)

    def _document(self) -> dict[str, Any]:
        """Return the configuration of the monitor. A sink ``webhook`` is the last one and tells what is settled."""
        told = [{"type": "webhook", "url": self.receiver.url.replace("events", name)} for name in ("files", "rows")]
        files: list[dict[str, Any]] = [
            {
                "type": "reservation_file",
                "directory": str(self.written),
                "report": str(self.directory / "report"),
                "hostname": "reserve",
            },
            {"type": "discovery", "directory": str(self.discovery)},
        ]
        command = {"type": "exec", "command": [sys.executable, "-c", _KEEP, str(self.executed)]}
        return {
            "database": {"host": self._cluster.socket, "name": DATABASE, "user": ROLE},
            "source": {"type": "memfile", "path": str(self.leases)},
            "state": {"path": str(self.directory / "monitor" / "state.sqlite")},
            "log_level": "DEBUG",
            "subscriptions": [
                {"name": "files", "sinks": [*files, told[0]]},
                {"name": "rows", "sinks": [{"type": "reservation", "hostname": "reserve"}, command, told[1]]},
            ],
        }

    def serve(self, inputs: Sequence[bytes], relay: str) -> list[Lease]:
        """Run the exchange of each packet's client by this relay. Return what was acknowledged."""
        found: list[Lease] = []
        for begin in range(0, len(inputs), _WINDOW):
            window = inputs[begin : begin + _WINDOW]
            offered = self._answered([(one, None) for one in window], packets.DISCOVER, relay)
            asked = [(one, answer) for one, answer in offered if answer.kind == OFFER]
            acknowledged = self._answered(asked, REQUEST, relay)
            found += [Lease(one, relay, answer) for one, answer in acknowledged if answer.kind == ACK]
        return found

    def end(self, lease: Lease, declined: bool) -> None:
        """Release the lease, or say that its address is in use. The server does not answer."""
        self._send(lease.packet, DECLINE if declined else RELEASE, lease.relay, lease.answer)

    def _answered(
        self, asked: Sequence[tuple[bytes, Answer | None]], kind: int, relay: str
    ) -> list[tuple[bytes, Answer]]:
        numbers = {self._send(packet, kind, relay, before): packet for packet, before in asked}
        found: list[tuple[bytes, Answer]] = []
        while len(found) < len(asked) and select.select([self._socket], [], [], _SILENCE)[0]:
            answer = packets.parse(self._socket.recv(4096))
            if answer.transaction in numbers:
                found.append((numbers.pop(answer.transaction), answer))
        return found

    def _send(self, packet: bytes, kind: int, relay: str, answer: Answer | None) -> int:
        self._transaction += 1
        message = packets.sent(packet, kind, self._transaction, socket.inet_aton(relay), answer)
        self._socket.sendto(message, ("127.0.0.1", SERVER_PORT))
        return self._transaction

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
            "kea-program": need("kea-dhcp4"),
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

    def in_force(self) -> set[tuple[str, str]]:
        """Return hardware address and address of each reservation that Kea has."""
        answer = self.server.ask("config-get")
        assert answer["result"] == 0, answer
        subnets = answer["arguments"]["Dhcp4"]["subnet4"]
        return {
            (one.get("hw-address", ""), one.get("ip-address", ""))
            for subnet in subnets
            for one in subnet["reservations"]
        }

    def documents(self) -> list[Any]:
        """Return what the sink ``exec`` gave its command. Raises ValueError."""
        return [json.loads(line) for line in self.executed.read_bytes().splitlines()]

    def rows(self) -> list[str]:
        """Return the reserved addresses in the database."""
        statement = "SELECT host('0.0.0.0'::inet + ipv4_address) FROM hosts"
        return self._cluster.sql(statement, DATABASE).split()

    def close(self) -> None:
        self.monitor.kill()
        self.receiver.close()
        self.server.stop()
        self._socket.close()


def _prepare(cluster: Cluster) -> None:
    """Create Kea's tables with our constraint, and the monitor's role with its rights only."""
    cluster.administer(f"CREATE DATABASE {DATABASE}")
    cluster.administer(f'CREATE ROLE "{ROLE}" LOGIN')
    cluster.load(KEA_SCHEMA, DATABASE)
    login: dict[str, Any] = {**cluster.login, "login_db": DATABASE}
    options: dict[str, dict[str, Any]] = {"kea_hosts_constraint": {}, "kea_database_rights": {"monitor": ROLE}}
    for name, more in options.items():
        result = run_module(name, **login, **more)
        assert not result["failed"], result


@contextmanager
def site() -> Iterator[Site]:
    """Yield a new site."""
    # Five levels deep: a name that escapes its directory by ".." stays within what is removed.
    with running(Cluster()) as cluster, TemporaryDirectory(prefix="kea-fuzz-") as name:
        directory = Path(name, "1", "2", "3", "4", "5")
        directory.mkdir(parents=True)
        _prepare(cluster)
        found = Site(directory, cluster)
        try:
            yield found
        finally:
            found.close()
