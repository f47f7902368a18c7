# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clients that ask a real Kea by DHCP: renamed ones, and two on one hardware address."""

from __future__ import annotations

import os
import random
import socket
import struct
from pathlib import Path
from typing import Any, Iterator

import pytest
import yaml
from _kea import host_maps
from kea_lease_monitor import refusals
from kea_lease_monitor.batch import Delivery, Reason
from kea_lease_monitor.clock import Clock
from kea_lease_monitor.sinks.discovery import DiscoverySink
from kea_lease_monitor.sinks.discovery import Options as DiscoveryOptions
from kea_lease_monitor.sinks.reservations.database import ReservationSink
from kea_lease_monitor.sinks.reservations.file import Options, ReservationFileSink
from kea_lease_monitor.sources.memfile.source import MemfileSource
from support.kea import DIRECTORIES, KeaServer
from support.wait import until

from runtime.contracts import drained
from runtime.world import Kea

SERVER = 12067 + 2 * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
RELAY = SERVER + 1
DISCOVER, OFFER, REQUEST, ACK = 1, 2, 3, 5
MAC = bytes([2, 0, 0, 0, 0, 1])


class Client:
    """A DHCP client that stands in for its own relay."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", RELAY))
        self.socket.settimeout(5)

    def ask(self, kind: int, options: dict[int, bytes], address: bytes = bytes(4)) -> tuple[bytes, dict[int, bytes]]:
        """Return the address and the options of the answer."""
        number = random.getrandbits(32)
        giaddr = socket.inet_aton("127.0.0.1")
        header = struct.pack("!BBBBIHH4s4s4s4s", 1, 1, 6, 1, number, 0, 0, address, bytes(4), bytes(4), giaddr)
        given = {53: bytes([kind]), **{code: value for code, value in options.items() if value}}
        encoded = b"".join(bytes([code, len(value)]) + value for code, value in given.items())
        packet = header + MAC.ljust(16, b"\0") + bytes(192) + b"\x63\x82\x53\x63" + encoded + b"\xff"
        self.socket.sendto(packet, ("127.0.0.1", SERVER))
        while True:
            answer = self.socket.recv(65535)
            if struct.unpack("!I", answer[4:8])[0] == number:
                return answer[16:20], parsed(answer[240:])

    def lease(self, name: str, client_id: bytes = b"") -> str:
        """Boot: ask for an address. Return it."""
        own = {12: name.encode(), 61: client_id}
        offered, found = self.ask(DISCOVER, own)
        address, answer = self.ask(REQUEST, {**own, 50: offered, 54: found[54]})
        assert answer[53][0] == ACK
        return socket.inet_ntoa(address)

    def renew(self, address: str, name: str) -> None:
        _address, answer = self.ask(REQUEST, {12: name.encode()}, socket.inet_aton(address))
        assert answer[53][0] == ACK


def parsed(rest: bytes) -> dict[int, bytes]:
    options = {}
    while rest and rest[0] != 255:
        options[rest[0]] = rest[2 : 2 + rest[1]]
        rest = rest[2 + rest[1] :]
    return options


class World:
    """A Kea with its leases in a file, and a monitor's parts that act when the test says so."""

    def __init__(self, directory: Path, sink: Any, settings: dict[str, Any]) -> None:
        self.sink = sink
        self.written, self.included = directory / "subnet-1.json", directory / "included.json"
        self.inventory = directory / "discovery"
        self.inventory.mkdir()
        self.discovery = DiscoverySink(DiscoveryOptions(str(self.inventory), "bmc_targets", None))
        self.server = KeaServer(directory)
        leases = directory / "kea-leases4.csv"
        subnet: dict[str, Any] = {"id": 1, "subnet": "127.0.0.0/8", "pools": [{"pool": "127.0.0.100 - 127.0.0.119"}]}
        self.server.configure(
            {
                "interfaces-config": {"interfaces": ["lo"], "dhcp-socket-type": "udp"},
                "lease-database": {"type": "memfile", "name": str(leases), "lfc-interval": 0},
                "subnet4": [{**subnet, **settings.pop("subnet", {})}],
                **settings,
            }
        )
        text = self.server.config.read_text()
        self.server.config.write_text(text.replace('"INCLUDED"', f'<?include "{self.included}"?>'))
        self.source = MemfileSource(str(leases), Clock())
        self.client = Client()

    def start(self) -> None:
        self.server.launch("-p", str(SERVER), "-P", str(RELAY))
        until(self.server.answers, self.server.log.read_text)
        self.position = drained(self.source, self.source.start(True))[1]

    def act(self) -> Delivery:
        """Read what happened and act on it, as the pipeline does."""
        events, self.position = drained(self.source, self.position)
        delivery = refusals.deliver(self.sink, events)
        assert isinstance(delivery, Delivery)
        seconds = [each.event for each in delivery.rejected if each.reason is Reason.SECOND_LEASE]
        self.discovery.deliver([event for event in events if event not in seconds])
        self.included.write_bytes(host_maps.compacted(self.written.read_bytes()))
        assert self.server.ask("config-reload")["result"] == 0
        return delivery

    def host(self) -> Any:
        (path,) = self.inventory.glob("*.yml")
        (found,) = yaml.safe_load(path.read_text())["bmc_targets"]["hosts"].values()
        return found

    def close(self) -> None:
        self.server.stop()
        self.source.close()
        self.sink.close()
        self.client.socket.close()


@pytest.fixture(params=["file", "database"])
def world(
    request: pytest.FixtureRequest, tmp_path: Path, kea: Kea, monkeypatch: pytest.MonkeyPatch, link: Any
) -> Iterator[World]:
    for name in DIRECTORIES:
        monkeypatch.setenv(name, str(tmp_path))
    for name in ("subnet-1.json", "included.json"):
        (tmp_path / name).write_text("")
    if request.param == "file":
        settings: dict[str, Any] = {"subnet": {"reservations": ["INCLUDED"]}}
        world = World(tmp_path, ReservationFileSink(Options(str(tmp_path), str(tmp_path))), settings)
    else:
        database = {"type": "postgresql", "host": kea.cluster.socket, "name": kea.name, "user": "postgres"}
        world = World(tmp_path, ReservationSink(link()), {"hosts-database": database})
    try:
        world.start()
        yield world
    finally:
        world.close()


def test_a_client_that_is_renamed_twice_has_its_new_name_after_the_next_renewal(world: World) -> None:
    address = world.client.lease("attacker-was-here")
    assert world.act().created == 1
    for name in ("bmc-rack7", "bmc-rack8"):
        world.client.renew(address, name)
        assert world.act().updated == 1
        assert (world.host()["bmc_hostname"], world.host()["ansible_host"]) == (name, address)
    assert world.client.lease("bmc-rack9") == address
    assert world.act().updated == 1
    assert world.host()["bmc_hostname"] == "bmc-rack9"


def test_another_client_identifier_takes_no_address_away(world: World) -> None:
    home = world.client.lease("victim", b"\x01" + MAC)
    assert world.act().created == 1
    for number in range(3):
        other = world.client.lease("spoofer", b"evil" + bytes([number]))
        assert other != home
        (rejection,) = world.act().rejected
        assert rejection.reason is Reason.SECOND_LEASE
        assert world.client.lease("victim", b"\x01" + MAC) == home
        assert world.act().rejected == ()
        assert world.host()["ansible_host"] == home
