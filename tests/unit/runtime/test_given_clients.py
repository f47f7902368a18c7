# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reservations given beforehand, with a real Kea: known clients only (docs/day-to-day.md), and machines that go."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest
import yaml
from support.by_command import image
from support.kea import DIRECTORIES
from support.modules import run_module
from support.monitor import PROGRAM, Daemon, document
from support.paths import ROOT, program_environment
from support.programs import need
from support.wait import until

from runtime.test_clients import DISCOVER, MAC, World
from runtime.world import Kea

pytestmark = pytest.mark.slow  # each test starts a Kea, and waits for answers that do not come

HWADDR = MAC.hex(":")
ADDRESS, NAME = "127.0.0.50", "bmc-given"


class NoSink:
    """The tests of this file use the module, or a monitor of its own process."""

    def close(self) -> None:
        pass


def pool_of_the_docs() -> dict[str, Any]:
    """Return the pool that the page for operators shows, with the addresses of this test."""
    text = (ROOT / "docs" / "day-to-day.md").read_text()
    example = text.split("<!-- tested: known clients -->\n```yaml\n")[1].split("```")[0]
    (subnet,) = yaml.safe_load(example)["kea_dhcp4_subnets"]
    (pool,) = subnet["pools"]
    return {**pool, "pool": "127.0.0.100 - 127.0.0.119"}


@pytest.fixture(params=["configuration", "database"])
def place(
    request: pytest.FixtureRequest, tmp_path: Path, kea: Kea, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[World, Callable[..., Any]]]:
    """Yield a Kea that serves known clients only, and the module."""
    for name in DIRECTORIES:
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.setenv("PATH", "/usr/bin:/usr/sbin:/bin:/sbin")
    database = {"type": "postgresql", "host": kea.cluster.socket, "name": kea.name, "user": "postgres"}
    settings = {"hosts-database": database} if request.param == "database" else {}
    world = World(tmp_path, NoSink(), {**settings, "subnet": {"pools": [pool_of_the_docs()]}})

    def reserve(**options: Any) -> dict[str, Any]:
        login = {"login_unix_socket": kea.cluster.socket, "login_db": kea.name}
        path = {"path": str(world.server.config), "kea_user": "root", "backup": False}
        found = run_module("kea_reservation", **login, **path, **options)
        assert not found["failed"], found
        assert found["kept_in"] == request.param
        if found["kept_in"] == "configuration":
            assert world.server.ask("config-reload")["result"] == 0
        return found

    try:
        world.start()
        world.client.socket.settimeout(1)
        yield world, reserve
    finally:
        world.close()


def test_unknown_clients_get_no_lease_and_known_ones_their_own(place: tuple[World, Callable[..., Any]]) -> None:
    world, reserve = place
    with pytest.raises(TimeoutError):
        world.client.ask(DISCOVER, {})
    reserve(hw_address=HWADDR, ip_address=ADDRESS, hostname=NAME)
    assert world.client.lease("own") == ADDRESS
    _address, answer = world.client.ask(DISCOVER, {12: b"own"})
    assert answer[12] == NAME.encode()


@pytest.mark.parametrize("place", ["database"], indirect=True)
def test_a_known_client_without_an_address_gets_one_of_the_pool(place: tuple[World, Callable[..., Any]]) -> None:
    world, reserve = place
    reserve(hw_address=HWADDR, hostname=NAME, subnet_id=1)
    assert world.client.lease("own") == "127.0.0.100"


def hook() -> dict[str, str]:
    (path,) = Path("/usr/lib").glob("*/kea/hooks/libdhcp_lease_cmds.so")
    return {"library": str(path)}


class NameReceiver:
    """What Kea takes for D2: it receives the changes of names."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(10)
        to = {"enable-updates": True, "server-ip": "127.0.0.1", "server-port": self._socket.getsockname()[1]}
        self.settings = {"dhcp-ddns": to, "ddns-qualifying-suffix": "lab.example."}

    def next(self) -> tuple[int, str, str]:
        """Return the next change: 0 to add or 1 to remove, the name and its address."""
        change = json.loads(self._socket.recv(65535)[2:])
        return change["change-type"], change["fqdn"], change["ip-address"]

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def d2() -> Iterator[NameReceiver]:
    receiver = NameReceiver()
    yield receiver
    receiver.close()


def test_a_machine_is_forgotten_with_its_lease_and_its_name(
    tmp_path: Path, kea: Kea, d2: NameReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The module calls the monitor's own command, which alone knows what it made. Kea removes the name."""
    for name in DIRECTORIES:
        monkeypatch.setenv(name, str(tmp_path))
    database = {"type": "postgresql", "host": kea.cluster.socket, "name": kea.name, "user": "postgres"}
    (tmp_path / "kea").mkdir()
    world = World(tmp_path / "kea", NoSink(), {"hosts-database": database, "hooks-libraries": [hook()], **d2.settings})
    leases = {"type": "memfile", "path": str(tmp_path / "kea" / "kea-leases4.csv")}
    options = {"host": kea.cluster.socket, "name": kea.name}
    daemon = None
    try:
        world.start()
        daemon = Daemon(tmp_path, document(tmp_path, leases, [{"type": "reservation"}], database=options))
        command = tmp_path / "bin" / "kea-lease-monitor"
        command.parent.mkdir()
        environment = f"PYTHONPATH={program_environment()['PYTHONPATH']}"
        command.write_text(f'#!/bin/sh\n{environment} exec {sys.executable} {PROGRAM} "$@" --config {daemon.config}\n')
        command.chmod(0o755)
        monkeypatch.setenv("PATH", f"{command.parent}:/usr/bin:/usr/sbin:/bin:/sbin")

        def absent(check: bool = False, **more: Any) -> dict[str, Any]:
            login = {"login_unix_socket": kea.cluster.socket, "login_db": kea.name}
            own = {"path": str(world.server.config), "hw_address": HWADDR, "subnet_id": 1, "state": "absent"}
            return run_module("kea_reservation", check, **login, **own, **more)

        address = world.client.lease("bmc")
        assert d2.next() == (0, "bmc.lab.example.", address)
        entry = tmp_path / "discovery" / f"{HWADDR.replace(':', '-')}.yml"
        until(lambda: entry.exists() and kea.reservations(), daemon.log, 60)
        refused = absent()
        assert refused["failed"]
        assert (
            f"{address} of subnet 1 is leased by this client: it would come back at its next renewal" in refused["msg"]
        )
        assert kea.reservations()
        checked = absent(check=True, lease=True)
        assert (checked["changed"], checked["leases"]) == (True, [address]), checked
        assert kea.reservations()
        gone = absent(lease=True)
        assert (gone["changed"], gone["leases"]) == (True, [address]), gone
        assert d2.next() == (1, "bmc.lab.example.", address)
        assert (gone["forgotten"][0].split()[0], kea.reservations(), entry.exists()) == (address, [], False)
        assert world.server.ask("lease4-get", **{"ip-address": address})["result"] == 3
        assert not absent(lease=True)["changed"]
    finally:
        if daemon:
            daemon.kill()
        world.close()


@pytest.mark.kea
@pytest.mark.parametrize("key", ["client-class", "client-classes"])
def test_kea_3_takes_the_pool_of_the_docs_under_both_keys(
    key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list is new in 2.7.3; an earlier Kea knows the one class only."""
    for name in (*DIRECTORIES, "KEA_LOG_FILE_DIR"):
        monkeypatch.setenv(name, str(tmp_path))
    tmp_path.chmod(0o750)
    pool = pool_of_the_docs()
    own = {key: [pool.pop("client-class")]} if key == "client-classes" else {}
    subnet = {"id": 1, "subnet": "127.0.0.0/8", "pools": [{**pool, **own}]}
    config = tmp_path / "kea.conf"
    leases = {"type": "memfile", "persist": False}
    settings = {"interfaces-config": {"interfaces": []}, "lease-database": leases, "subnet4": [subnet]}
    config.write_text(json.dumps({"Dhcp4": settings}))
    with image(tmp_path) as (program, _hooks):
        tested = subprocess.run([program, "-t", str(config)], capture_output=True, text=True, check=False)
        assert tested.returncode == 0, tested.stdout + tested.stderr
    earlier = subprocess.run([need("kea-dhcp4"), "-t", str(config)], capture_output=True, text=True, check=False)
    assert ("client-classes" in earlier.stdout + earlier.stderr) is (key == "client-classes")
