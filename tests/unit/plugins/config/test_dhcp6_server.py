# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The DHCPv6 server: the facts of a host, the plan of the role and the module together, with the real kea-dhcp6."""

from __future__ import annotations

import json
import os
import pwd
import time
from pathlib import Path
from typing import Any

import pytest
from _kea.lease_csv import header_line
from ansible_collections.baremetal.kea.plugins.filter import plan as filters
from ansible_collections.baremetal.kea.plugins.module_utils._config.document import Document
from ansible_collections.baremetal.kea.plugins.module_utils._config.subnets import subnets_of
from support.modules import run_module

pytestmark = pytest.mark.kea

EXAMPLE = Path("/etc/kea/kea-dhcp6.conf")
NAMES = {"config": "/kea.conf", "candidate": "/candidate.conf", "unit_addition": "/unit.d/kea.conf", "user": "_kea"}
POOL = {"pool": "2001:db8:1::10 - 2001:db8:1::ff"}
SUBNET = {"id": 1, "subnet": "2001:db8:1::/64", "interface": "lo", "pools": [POOL]}
OTHER = {"id": 2, "subnet": "2001:db8:2::/64", "pools": [{"pool": "2001:db8:2::/80"}]}
ONE, TWO = "00:03:00:01:02:00:00:00:00:01", "00:03:00:01:02:00:00:00:00:02"


class Server:
    """A copy of Debian's example in a directory of Kea's user, and what the role does with it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.path = directory / "kea-dhcp6.conf"
        self.leases = directory / "kea-leases6.csv"
        self.path.write_bytes(EXAMPLE.read_bytes())
        os.chown(self.path, 0, pwd.getpwnam("_kea").pw_gid)
        self.path.chmod(0o640)
        self.applied = directory / "reservations6.d" / "applied"
        self.applied.mkdir(parents=True)
        os.chown(self.applied, pwd.getpwnam("_kea").pw_uid, -1)

    def deploy(self, *subnets: Any, first: bool = False, allow: bool = False, **variables: Any) -> dict[str, Any]:
        """Return the result of kea_config, which has kea-dhcp6 test the configuration."""
        seen = run_module("kea_info", path=str(self.path), gather=["server", "config", "subnets"])
        seen["config"]["untouched"] = first
        leases = {"lease-database": {"type": "memfile", "name": str(self.leases)}}
        asked = {
            "family": 6,
            "lease_database": "memfile",
            "hosts_database": "none",
            "database": {"host": "/run", "port": 5432, "name": "kea", "user": "_kea", "password": "", "ssl_mode": ""},
            "config_group": "",
            "reservations_directory": str(self.applied.parent),
            "interfaces": ["lo"],
            "subnets": list(subnets),
            "shared_networks": [],
            "settings": leases,
            "exclusive": False,
            **variables,
        }
        plan = filters.server_plan(asked, NAMES, seen, {})
        for number in plan["subnet_ids"]:
            (self.applied / f"subnet-{number}.json").touch()
        options = {name: plan[name] for name in ("settings", "absent", "databases", "merge", "included")}
        record = {"record": str(self.directory / "record.json"), "backup": False, "allow_removals": allow}
        return run_module("kea_config", path=str(self.path), complete_reservations=True, **record, **options)

    def lease(self, address: str, duid: str, subnet: int = 1, lease_type: int = 0) -> None:
        if not self.leases.exists():
            self.leases.write_text(header_line(6) + "\n")
        row = f"{address},{duid},3600,{int(time.time()) + 3600},{subnet},1800,{lease_type},1,128,0,0,,,0,,,\n"
        with self.leases.open("a") as file:
            file.write(row)

    def config(self) -> dict[str, Any]:
        found: dict[str, Any] = Document(self.path.read_text()).get(("Dhcp6",))
        return found

    def reservations(self, number: int = 1) -> list[Any]:
        """Those that are no includes."""
        found = subnets_of(Document(self.path.read_text()), "Dhcp6")
        return next(one.reservations for one in found if one.id == number)


@pytest.fixture
def server(directory: Path) -> Server:
    return Server(directory)


def test_nothing_of_debians_example_is_served(server: Server) -> None:
    result = server.deploy(SUBNET, first=True)
    assert (result["failed"], result["changed"]) == (False, True), result
    config = server.config()
    assert not {"preferred-lifetime", "renew-timer", "option-data"} & set(config)
    assert [one["subnet"] for one in config["subnet6"]] == ["2001:db8:1::/64"]
    assert config["interfaces-config"]["interfaces"] == ["lo"]
    assert str(server.applied) in server.path.read_text()
    again = server.deploy(SUBNET)
    assert not again["changed"], again["diff"]


def test_a_configuration_that_kea_refuses_is_not_written(server: Server) -> None:
    before = server.path.read_bytes()
    result = server.deploy({**SUBNET, "pools": [{"pool": "2001:db8:9::/80"}]}, first=True)
    assert result["failed"]
    assert "Kea refuses" in result["msg"]
    assert server.path.read_bytes() == before


def test_a_subnet_with_live_leases_goes_only_if_that_is_allowed(server: Server) -> None:
    """What the play wrote goes without a word as long as no client has a lease there."""
    gone = {**OTHER, "state": "absent"}
    first = server.deploy(SUBNET, OTHER, first=True)
    assert first["failed"] is False, first
    removed = server.deploy(SUBNET, gone)
    assert removed["failed"] is False, removed
    assert [one["id"] for one in server.config()["subnet6"]] == [1]
    server.deploy(SUBNET, OTHER)
    server.lease("2001:db8:2::5", ONE, 2)
    refused = server.deploy(SUBNET, gone)
    assert "2001:db8:2::/64 (id 2)" in refused["msg"]
    assert "1 live leases" in refused["msg"]
    allowed = server.deploy(SUBNET, gone, allow=True)
    assert allowed["failed"] is False, allowed
    assert [one["id"] for one in server.config()["subnet6"]] == [1]


def test_an_entry_is_reserved_and_goes_with_the_variable(server: Server) -> None:
    entry = {"duid": ONE, "ip-address": "2001:db8:1::7", "hostname": "given"}
    given = filters.given_reservations(
        [entry], {"subnets": [SUBNET], "shared_networks": [], "seen": {"subnets": []}}, [6], 6
    )
    server.deploy(SUBNET, first=True, reservations=given)
    assert server.reservations() == [{"duid": ONE, "ip-addresses": ["2001:db8:1::7"], "hostname": "given"}]
    assert not server.deploy(SUBNET, reservations=given)["changed"]
    server.lease("2001:db8:1::7", ONE)
    refused = server.deploy(SUBNET)
    assert f"reservation of {ONE} (2001:db8:1::7), 1 live leases" in refused["msg"]
    assert server.deploy(SUBNET, allow=True)["failed"] is False
    assert server.reservations() == []


def test_a_reservation_without_an_address_gets_that_of_its_client(server: Server) -> None:
    subnet = {**SUBNET, "reservations": [{"duid": ONE.upper(), "hostname": "one"}, {"duid": TWO, "hostname": "two"}]}
    server.lease("2001:db8:1::20", ONE)
    server.lease("2001:db8:1:1::", TWO, lease_type=2)
    result = server.deploy(subnet, first=True)
    assert result["failed"] is False, result
    assert [one.get("ip-addresses") for one in server.reservations()] == [["2001:db8:1::20"], None]


def test_managed_reservations_give_way_to_those_of_the_site(server: Server) -> None:
    server.deploy(SUBNET, first=True)
    hosts = [
        {"duid": ONE, "ip-addresses": ["2001:db8:1::20", "2001:db8:1::21"]},
        {"duid": TWO, "ip-addresses": ["2001:db8:1::22"]},
    ]
    included = server.applied / "subnet-1.json"
    included.write_text(",\n".join(map(json.dumps, hosts)) + "\n")
    own = {"duid": "00:01:00", "ip-addresses": ["2001:db8:1::21"]}
    result = server.deploy({**SUBNET, "reservations": [own]})
    assert result["failed"] is False, result
    assert TWO in included.read_text()
    assert ONE not in included.read_text()


def test_the_facts_of_the_subnets_and_of_the_site(server: Server) -> None:
    own = {"duid": ONE, "ip-addresses": ["2001:db8:1::20", "2001:DB8:1::0:21"]}
    server.deploy({**SUBNET, "reservations": [own]}, first=True)
    server.lease("2001:db8:1::20", ONE)
    facts = run_module("kea_info", path=str(server.path), gather=["subnets", "reservations"])
    (subnet,) = facts["subnets"]
    assert (subnet["leases"], subnet["reservation_obstacle"]) == (1, "")
    found = facts["reservations"]["site"]
    assert [(one["kind"], one["identifier"], one["address"]) for one in found] == [
        ("duid", ONE, "2001:db8:1::20"),
        ("duid", ONE, "2001:db8:1::21"),
    ]
