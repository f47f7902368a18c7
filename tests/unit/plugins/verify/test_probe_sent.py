# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lease that kea_probe sends through a real Kea, its database and a real monitor, in a network of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from support.kea import KeaServer
from support.modules import run_module
from support.monitor import Daemon
from support.network import INTERFACE, network
from support.postgres import Cluster, postgres_cluster
from support.programs import need
from support.wait import until

pytestmark = [pytest.mark.kea, pytest.mark.postgres, pytest.mark.slow]

RUN = """
import json, sys
from support.modules import run_module
print(json.dumps(run_module("kea_probe", **json.load(sys.stdin))))
"""
SETTINGS: dict[int, dict[str, Any]] = {
    4: {"subnet4": [{"id": 7, "subnet": "192.0.2.0/24", "pools": [{"pool": "192.0.2.100 - 192.0.2.199"}]}]},
    6: {
        "server-id": {"type": "EN", "identifier": "aa", "persist": False},
        "subnet6": [
            # As for clients on the link of the interface.
            {"id": 7, "subnet": "2001:db8:7::/64", "interface": INTERFACE, "pools": [{"pool": "2001:db8:7::/80"}]}
        ],
    },
}
SUBNETS = {4: "192.0.2.0/24", 6: "2001:db8:7::/64"}
FIRST = {4: "192.0.2.100", 6: "2001:db8:7::"}


class Site(NamedTuple):
    """Kea, its database and a monitor. ``within`` are the words before a command that run it in their network."""

    cluster: Cluster
    directory: Path
    within: tuple[str, ...]

    @property
    def discovery(self) -> Path:
        return self.directory / "discovery"

    def database(self, **more: Any) -> dict[str, Any]:
        return {"host": self.cluster.socket, "port": self.cluster.port, "name": "kea", "user": "postgres", **more}

    @contextmanager
    def kea(self, family: int, **settings: Any) -> Iterator[None]:
        """Run Kea on its own ports."""
        script = self.directory / "kea"
        script.write_text(f'#!/bin/sh\nexec {" ".join(self.within)} {need(f"kea-dhcp{family}")} "$@"\n')
        script.chmod(0o755)
        config = self.directory / f"kea-dhcp{family}.conf"
        server = KeaServer(self.directory, family, config=config, program=str(script))
        leases = {"lease-database": self.database(type="postgresql")}
        server.configure({"interfaces-config": {"interfaces": [INTERFACE]}, **SETTINGS[family], **leases, **settings})
        try:
            server.launch()
            until(server.answers, lambda: f"Kea's answer: {server.log.read_text()[-2000:]}", 20)
            yield
        finally:
            server.stop()

    @contextmanager
    def monitor(self) -> Iterator[None]:
        document = {
            "database": self.database(),
            "source": {"type": "events"},
            "state": {"path": str(self.directory / "state.sqlite")},
            "subscriptions": [
                {
                    "name": "all",
                    "match": {"hwaddr_prefixes": ["02:4b:45:41"]},
                    "sinks": [
                        {"type": "reservation"},
                        {"type": "discovery", "directory": str(self.discovery)},
                    ],
                }
            ],
        }
        daemon = Daemon(self.directory, document)
        try:
            daemon.said("Caught up")
            yield
        finally:
            daemon.stop()

    def probe(self, family: int, **options: Any) -> dict[str, Any]:
        """Return what kea_probe returns, run in the network."""
        given = {
            "path": str(self.directory / f"kea-dhcp{family}.conf"),
            "subnet": SUBNETS[family],
            "discovery": str(self.discovery),
            **self.cluster.login,
            **options,
        }
        command = [*self.within, sys.executable, "-c", RUN]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        asked = json.dumps(given)
        done = subprocess.run(command, input=asked, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)["probe"]
        return found

    def traces(self) -> list[str]:
        """Return the tables that have rows, and the files that the monitor wrote."""
        tables = ("lease4", "lease6", "hosts", "ipv6_reservations", "kea_events.lease_event")
        left = [table for table in tables if self.cluster.sql(f"SELECT count(*) FROM {table}", "kea") != "0"]
        return left + os.listdir(self.discovery)


@pytest.fixture(scope="module")
def server() -> Iterator[Cluster]:
    with postgres_cluster() as running:
        running.sql("CREATE DATABASE kea")
        assert run_module("kea_schema", **running.login)["changed"]
        assert run_module("kea_hosts_constraint", **running.login)["changed"]
        assert run_module("kea_lease_notify", lease6=True, **running.login)["changed"]
        yield running


@pytest.fixture
def site(server: Cluster, tmp_path: Path) -> Iterator[Site]:
    with network() as within:
        found = Site(server, tmp_path, within)
        found.discovery.mkdir()
        yield found


@pytest.mark.parametrize("family", [4, 6])
def test_a_lease_is_sent_through_and_leaves_no_trace(site: Site, family: int) -> None:
    with site.kea(family), site.monitor():
        found = site.probe(family)
    assert (found["error"], found["address"]) == ("", FIRST[family])
    assert list(found["seconds"]) == ["lease", "reservation", "discovery file"]
    # Kea itself may have removed the released lease.
    assert set(found["removed"]) - {"lease"} == {"reservation", "event", "discovery file"}
    assert site.traces() == []


def test_a_dhcpv6_client_that_kea_knows_by_its_duid_alone_leaves_no_trace(site: Site) -> None:
    with site.kea(6, **{"mac-sources": ["duid"]}), site.monitor():
        found = site.probe(6)
    assert (found["error"], found["address"]) == ("", FIRST[6])
    assert "discovery file" in found["removed"]
    assert site.traces() == []


@pytest.mark.parametrize("family", [4, 6])
def test_a_lease_without_a_monitor_is_reported_and_removed(site: Site, family: int) -> None:
    with site.kea(family):
        found = site.probe(family, timeout=1)
    assert found["error"] == f"the lease {FIRST[family]} has no reservation after 1 s"
    assert list(found["seconds"]) == ["lease"]
    assert set(found["removed"]) <= {"lease", "event"}
    assert site.traces() == []


def test_a_dhcpv6_server_that_does_not_run(site: Site) -> None:
    with site.kea(6):
        pass
    assert site.probe(6, timeout=1)["error"] == "Kea did not answer a SOLICIT within 1 s"


def test_a_dhcpv6_subnet_that_kea_does_not_serve(site: Site) -> None:
    with site.kea(6):
        found = site.probe(6, subnet="2001:db8:8::/64")
    assert found["error"].startswith("Kea assigns no address: Server could not select subnet")
    assert (found["address"], found["removed"]) == (None, [])
