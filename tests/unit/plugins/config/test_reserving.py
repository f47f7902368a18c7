# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""B13: the settings under which reservations of the lease monitor do nothing, wherever they stand."""

from __future__ import annotations

import json
import os
import pwd
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.baremetal.kea.plugins.module_utils._config import reserving
from site_helpers import Site
from support.modules import run_module

MODES = ("all", "out-of-pool", "global", "disabled")


def config(top: dict[str, Any], network: dict[str, Any], subnet: dict[str, Any]) -> dict[str, Any]:
    pools = [{"pool": "10.0.7.10-10.0.7.20"}]
    one = {"id": 7, "subnet": "10.0.7.0/24", "pools": pools, **subnet}
    other = {"id": 8, "subnet": "10.0.8.0/24"}
    shared = {"name": "hall-a", "subnet4": [one], **network}
    return {"Dhcp4": {"subnet4": [other], "shared-networks": [shared], **top}}


def facts(directory: Path, *settings: dict[str, Any]) -> list[dict[str, Any]]:
    site = Site(directory / "kea-dhcp4.conf")
    site.path.write_text(json.dumps(config(*settings)))
    os.chown(site.path, 0, pwd.getpwnam("_kea").pw_gid)
    assert site.accepted()
    found: list[dict[str, Any]] = run_module("kea_info", path=str(site.path), gather=["subnets"])["subnets"]
    return sorted(found, key=lambda one: one["id"])


@pytest.mark.kea
@pytest.mark.parametrize(
    ("top", "network", "subnet", "obstacle"),
    [
        ({}, {}, {}, ""),
        ({"reservation-mode": "all"}, {}, {}, ""),
        ({"reservations-global": True}, {}, {}, ""),
        ({"reservation-mode": "disabled"}, {}, {}, "reservation-mode: disabled in Dhcp4"),
        ({"reservation-mode": "global"}, {}, {}, "reservation-mode: global in Dhcp4"),
        ({"reservation-mode": "out-of-pool"}, {}, {}, "reservation-mode: out-of-pool in Dhcp4"),
        ({"reservation-mode": "disabled"}, {}, {"reservation-mode": "all"}, ""),
        ({"reservation-mode": "disabled"}, {"reservations-in-subnet": True}, {}, ""),
        ({}, {"reservations-in-subnet": False}, {}, "reservations-in-subnet: false in shared network hall-a"),
        ({}, {"reservations-in-subnet": False}, {"reservations-in-subnet": True}, ""),
        ({}, {}, {"reservations-out-of-pool": True}, "reservations-out-of-pool: true in subnet 10.0.7.0/24 (id 7)"),
        ({"reservations-out-of-pool": True}, {}, {}, "reservations-out-of-pool: true in Dhcp4"),
        ({"reservations-out-of-pool": True}, {"reservations-out-of-pool": False}, {}, ""),
        (
            {"host-reservation-identifiers": ["client-id"]}, {}, {},
            "host-reservation-identifiers without hw-address in Dhcp4",
        ),
        ({"host-reservation-identifiers": ["flex-id", "hw-address"]}, {}, {}, ""),
    ],
)  # fmt: skip
def test_the_obstacle_is_named_with_its_place(
    directory: Path, top: dict[str, Any], network: dict[str, Any], subnet: dict[str, Any], obstacle: str
) -> None:
    assert facts(directory, top, network, subnet)[0]["reservation_obstacle"] == obstacle


@pytest.mark.kea
def test_a_subnet_without_pools_has_no_address_in_a_pool(directory: Path) -> None:
    found = facts(directory, {"reservations-out-of-pool": True}, {}, {})
    assert [bool(one["reservation_obstacle"]) for one in found] == [True, False]


@pytest.mark.kea
def test_reservations_outside_all_subnets_are_the_sites_where_the_subnet_uses_them(directory: Path) -> None:
    """B12."""
    hosts = [{"hw-address": "2:0:0:0:0:A", "ip-address": "10.0.7.11"}, {"client-id": "0102", "hostname": "rack7"}]
    found = facts(directory, {"reservations": hosts}, {"reservations-global": True}, {})
    assert found[0]["site_reservations"] == [
        {"kind": "hw-address", "identifier": "02:00:00:00:00:0a", "address": "10.0.7.11", "hostname": ""},
        {"kind": "client-id", "identifier": "01:02", "address": "", "hostname": "rack7"},
    ]
    assert found[1]["site_reservations"] == []


@pytest.mark.kea
def test_the_reservations_of_the_site_are_told_without_kea(directory: Path) -> None:
    inside = {"flex-id": "0102", "ip-address": "10.0.7.12"}
    settings = {"reservations": [{"duid": "01:02:03", "hostname": "rack7"}]}
    facts(directory, settings, {"reservations-global": True}, {"reservations": [inside]})
    path = str(directory / "kea-dhcp4.conf")
    found = run_module("kea_info", path=path, gather=["reservations"])["reservations"]
    assert found["global_subnets"] == [7]
    assert found["site"] == [
        {"subnet": 7, "kind": "flex-id", "identifier": "01:02", "address": "10.0.7.12", "hostname": ""},
        {"subnet": 7, "kind": "duid", "identifier": "01:02:03", "address": "", "hostname": "rack7"},
    ]


@pytest.mark.kea
def test_subnets_are_left_out_that_cannot_include_managed_reservations(directory: Path, tmp_path: Path) -> None:
    """An included file elsewhere may not be edited. A person may have added the include there."""
    managed = f'<?include "{directory}/applied/subnet-8.json"?>'
    subnets = {
        7: '{ "id": 7, "subnet": "10.0.7.0/24" }',
        8: f'{{ "id": 8, "subnet": "10.0.8.0/24", "reservations": [ {managed} ] }}',
    }
    for number, text in subnets.items():
        (tmp_path / f"{number}.json").write_text(text)
    includes = ", ".join(f'<?include "{tmp_path / f"{number}.json"}"?>' for number in subnets)
    path = directory / "kea-dhcp4.conf"
    path.write_text(f'{{ "Dhcp4": {{ "subnet4": [ {{ "id": 1, "subnet": "10.0.1.0/24" }}, {includes} ] }} }}')
    found = run_module("kea_info", path=str(path), gather=["subnets", "reservations"])
    assert {one["id"]: one["left_out"] for one in found["subnets"]} == {1: False, 7: True, 8: False}
    assert found["reservations"]["defined_subnets"] == [1, 7, 8]
    assert found["reservations"]["left_out_subnets"] == [7]


@pytest.mark.kea
def test_reservations_of_included_files_are_the_sites_and_managed_ones_are_not(directory: Path) -> None:
    files = {"site.json": "02:00:00:00:00:01", "applied/subnet-8.json": "02:00:00:00:00:02"}
    (directory / "applied").mkdir()
    for name, hwaddr in files.items():
        (directory / name).write_text(json.dumps({"hw-address": hwaddr, "hostname": "a"}))
    includes = ", ".join(f'<?include "{directory / name}"?>' for name in files)
    path = directory / "kea-dhcp4.conf"
    subnet = f'{{ "id": 8, "subnet": "10.0.8.0/24", "reservations": [ {includes} ] }}'
    path.write_text(f'{{ "Dhcp4": {{ "subnet4": [ {subnet} ] }} }}')
    assert Site(path).accepted()
    found = run_module("kea_info", path=str(path), gather=["reservations"])["reservations"]
    assert [one["identifier"] for one in found["site"]] == ["02:00:00:00:00:01"]


@pytest.mark.parametrize("mode", MODES)
def test_the_flags_of_a_mode_agree_with_the_mode(mode: str) -> None:
    """As Kea 2.2 translates them."""
    by_mode = [reserving.Scope("here", {"reservation-mode": mode})]
    is_global, in_subnet, out_of_pool = {
        "all": (False, True, False), "out-of-pool": (False, True, True),
        "global": (True, False, False), "disabled": (False, False, False),
    }[mode]  # fmt: skip
    flags = {
        "reservations-global": is_global, "reservations-in-subnet": in_subnet, "reservations-out-of-pool": out_of_pool,
    }  # fmt: skip
    by_flags = [reserving.Scope("here", flags)]
    assert bool(reserving.obstacle(by_mode, True)) == bool(reserving.obstacle(by_flags, True))
    assert reserving.uses_global(by_mode) == reserving.uses_global(by_flags)


def test_dhcpv6_needs_the_duid() -> None:
    scopes = [reserving.Scope("Dhcp6", {"host-reservation-identifiers": ["hw-address"]})]
    assert reserving.obstacle(scopes, True, 6) == "host-reservation-identifiers without duid in Dhcp6"
    assert not reserving.obstacle(scopes, True, 4)
