# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""kea_reservations in file mode: variables, plan, module and the real kea-dhcp4 -t together."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.baremetal.kea.plugins.filter import plan as filters
from ansible_collections.baremetal.kea.plugins.plugin_utils import _reservation_plan
from support.modules import run_module

pytestmark = pytest.mark.kea

NAMES = {"config": "/kea.conf", "candidate": "/candidate.conf", "unit_addition": "/unit.d/kea.conf", "user": "_kea"}
DATABASE = {"host": "/run/postgresql", "port": 5432, "name": "kea", "user": "_kea"}
A, B = "02:00:00:00:00:0a", "02:00:00:00:00:0b"
HEADER = (
    "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context,pool_id\n"
)
SITE = """{ "Dhcp4": {
  "lease-database": { "type": "memfile", "name": "%s" },
  "subnet4": [ { "id": 1, "subnet": "192.0.2.0/24" } ], // words of the site
  "shared-networks": [ { "name": "n", "subnet4": [ { "id": 2, "subnet": "198.51.100.0/24" } ] } ] } }
"""


class Host:
    """A file-mode server, and what the play does with it."""

    def __init__(self, directory: Path) -> None:
        self.config = directory / "kea-dhcp4.conf"
        self.leases = directory / "leases.csv"
        self.config.write_text(SITE % self.leases)
        self.config.chmod(0o644)

    def deploy(
        self, *entries: dict[str, Any], check: bool = False, allow: bool = False, into_database: bool = False
    ) -> dict[str, Any]:
        seen = run_module("kea_info", path=str(self.config), gather=["server", "config", "subnets"])
        assert (
            _reservation_plan.problems(list(entries), {4: _reservation_plan.Subnets([], seen["subnets"])}, True) == []
        )
        asked = {
            "lease_database": "memfile",
            "hosts_database": "postgresql" if into_database else "none",
            "database": DATABASE,
            "interfaces": [],
            "reservations_directory": str(self.config.parent / "reservations") if into_database else "",
            "subnets": [],
            "shared_networks": [],
            "settings": {},
            "config_group": "",
            "exclusive": False,
            "reservations": filters.given_reservations(
                list(entries), {"subnets": [], "shared_networks": [], "seen": seen}, [4]
            ),
        }
        plan = filters.server_plan(asked, NAMES, seen, {})
        record = str(self.config.parent / "keys.json")
        options = {"path": str(self.config), "record": record, "backup": False, "allow_removals": allow}
        moved = plan["moved_reservations"]
        return run_module("kea_config", check, merge=plan["merge"], moved_reservations=moved, **options)


@pytest.fixture
def host(directory: Path) -> Host:
    return Host(directory)


def test_an_entry_is_reserved_and_goes_with_the_variable(host: Host) -> None:
    entries = [
        {"hw-address": A, "ip-address": "192.0.2.7", "hostname": "bmc-7"},
        {"client-id": "01:02", "ip-address": "198.51.100.7"},
        {"hw-address": B, "hostname": "rack-9", "subnet-id": 1},
    ]
    found = host.config.read_text()
    assert host.deploy(*entries, check=True)["changed"]
    assert host.config.read_text() == found
    assert host.deploy(*entries)["changed"]
    text = host.config.read_text()
    assert A in text
    assert "01:02" in text
    assert "rack-9" not in text, "the lease monitor reserves the leased address with this name"
    assert "// words of the site" in text
    assert not host.deploy(*entries)["changed"]
    assert host.deploy(entries[0])["changed"]
    assert "01:02" not in host.config.read_text()
    assert host.deploy()["changed"]
    assert A not in host.config.read_text()
    assert not host.deploy()["changed"]


def test_a_leased_address_is_not_removed_unasked(host: Host) -> None:
    host.deploy({"hw-address": A, "ip-address": "192.0.2.7"})
    host.leases.write_text(HEADER + f"192.0.2.7,{A},,3600,{int(time.time()) + 3600},1,0,0,,0,,0\n")
    for check in (True, False):
        refused = host.deploy(check=check)
        assert refused["failed"]
        assert f"reservation of {A} (192.0.2.7), 1 live leases" in refused["msg"]
    assert A in host.config.read_text()
    assert host.deploy(allow=True)["changed"]
    assert A not in host.config.read_text()


def test_a_leased_address_may_go_into_the_database(host: Host) -> None:
    """Another entry that goes in the same run is refused."""
    here, other = {"hw-address": A.upper(), "ip-address": "192.0.2.7"}, {"hw-address": B, "ip-address": "192.0.2.8"}
    host.deploy(here, other)
    row = f"{{}},,3600,{int(time.time()) + 3600},1,0,0,,0,,0\n"
    host.leases.write_text(HEADER + row.format(f"192.0.2.7,{A}") + row.format(f"192.0.2.8,{B}"))
    changed = {**here, "ip-address": "192.0.2.9"}
    for entries, lost in (([here], [B]), ([], [A, B]), ([changed, other], [A])):
        refused = host.deploy(*entries, into_database=True)
        assert [one for one in (A, B) if f"reservation of {one}" in refused["msg"].lower()] == lost
    assert host.deploy(here, other, into_database=True)["changed"]
    assert "192.0.2.7" not in host.config.read_text()


def test_kea_refuses_what_the_site_reserved_in_another_way(host: Host) -> None:
    host.config.write_text(
        host.config.read_text().replace(
            '"192.0.2.0/24"',
            '"192.0.2.0/24", "reservations": [{}]'.format(json.dumps({"duid": "01", "ip-address": "192.0.2.7"})),
        )
    )
    found = host.config.read_text()
    refused = host.deploy({"hw-address": A, "ip-address": "192.0.2.7"})
    assert refused["failed"]
    assert "192.0.2.7" in refused["msg"]
    assert host.config.read_text() == found
