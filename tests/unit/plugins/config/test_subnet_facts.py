# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The facts of kea_info about subnets."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.baremetal.kea.plugins.module_utils._config.document import Document
from ansible_collections.baremetal.kea.plugins.module_utils._config.subnets import numbered, subnets_of
from ansible_collections.baremetal.kea.plugins.module_utils._server import config, served
from site_helpers import SITES, Site, install, site_of
from support.modules import run_module

pytestmark = pytest.mark.kea


def facts(site: Site) -> list[dict[str, Any]]:
    result = run_module("kea_info", path=str(site.path), gather=["subnets"])
    assert not result["failed"], result
    found: list[dict[str, Any]] = result["subnets"]
    return found


def test_subnets_of_shared_networks_are_told_with_their_place_and_counts(directory: Path) -> None:
    site = site_of("shared", directory, {"10.10.0.101": 7, "10.10.0.102": 7, "10.11.0.4": 9})
    found = facts(site)
    assert [(one["id"], one["shared_network"], one["leases"], one["reservations"]) for one in found] == [
        (7, "hall-a", 2, 1), (8, "hall-a", 0, 0), (9, "hall-b", 1, 0),
    ]  # fmt: skip
    assert found[0]["pools"] == ["10.10.0.100-10.10.0.150"]
    lines = site.path.read_text().splitlines()
    assert all(f'"id": {one["id"]}' in lines[one["line"] - 1] for one in found)
    assert all((one["file"], one["editable"], one["served"]) == (str(site.path), True, None) for one in found)


def test_subnets_of_included_files_are_told_by_file_and_line(directory: Path) -> None:
    site = install(next(one for one in SITES if "includes" in one.name), directory)
    places = {one["id"]: (Path(one["file"]).name, one["line"]) for one in facts(site)}
    assert places == {1: ("kea-dhcp4.conf", 8), 2: ("subnets.json", 1), 3: ("subnets.json", 4)}
    told = run_module("kea_info", path=str(site.path), gather=["config"])["config"]
    assert sorted(Path(one).name for one in told["included"]) == [
        "loggers.json", "options.json", "subnets.json", "timers.json",
    ]  # fmt: skip


def test_relays_reservation_settings_and_missing_ids_are_told(directory: Path) -> None:
    flex = facts(install(next(one for one in SITES if "flex" in one.name), directory))
    assert (flex[0]["relay"], flex[0]["reservations"]) == (["10.50.0.1", "10.50.0.2"], 3)
    databases = facts(install(next(one for one in SITES if "databases" in one.name), directory))
    assert databases[0]["reservation_settings"] == {"reservation-mode": "out-of-pool"}
    numbers = facts(install(next(one for one in SITES if "no-ids" in one.name), directory))
    assert [(one["id"], one["has_id"]) for one in numbers] == [(2, False), (3, False), (1, False)]


def test_relays_of_a_shared_network_are_those_of_its_subnets(directory: Path) -> None:
    own = {"ip-addresses": ["10.0.2.9"]}
    inside = [
        {"id": 1, "subnet": "10.0.1.0/24"},
        {"id": 2, "subnet": "10.0.2.0/24", "relay": own},
        {"id": 3, "subnet": "10.0.3.0/24", "relay": {"ip-addresses": []}},
    ]
    network = {"name": "hall", "relay": {"ip-address": "10.0.0.9"}, "subnet4": inside}
    whole = {"shared-networks": [network], "subnet4": [{"id": 4, "subnet": "10.0.4.0/24"}]}
    site = Site(directory / "kea-dhcp4.conf")
    site.path.write_text(json.dumps({"Dhcp4": whole}))
    expected = {1: ["10.0.0.9"], 2: ["10.0.2.9"], 3: ["10.0.0.9"], 4: []}
    assert {one["id"]: one["relay"] for one in facts(site)} == expected
    assert {one.id: one.relays for one in served.subnets_in(whole, "Dhcp4")} == expected


def test_pools_of_prefixes_are_told(directory: Path) -> None:
    pool = {"prefix": "2001:db8:100::", "prefix-len": 40, "delegated-len": 56}
    subnets = [{"id": 1, "subnet": "2001:db8:1::/64", "pd-pools": [pool]}, {"id": 2, "subnet": "2001:db8:2::/64"}]
    site = Site(directory / "kea-dhcp6.conf")
    site.path.write_text(json.dumps({"Dhcp6": {"subnet6": subnets}}))
    assert [one["pd_pools"] for one in facts(site)] == [[{"prefix": "2001:db8:100::/40", "delegated_len": 56}], []]


@pytest.mark.parametrize(
    ("ids", "known", "expected"),
    [
        ([None, None, None], {}, [1, 2, 3]),
        # Kea started before the first one was added.
        ([None, None, None], {1: 1, 2: 2}, [3, 1, 2]),
        ([None, None, None], {1: 1, 2: 4, 9: 2}, [3, 1, 4]),
        ([None, 1, 2], {}, [3]),
        ([0, 1, None], {2: 2}, [3, 2]),
    ],
)
def test_no_subnet_gets_the_id_of_another(ids: list[int | None], known: dict[int, int], expected: list[int]) -> None:
    subnets = [
        {"subnet": f"10.0.{number}.0/24", **({} if id_ is None else {"id": id_})} for number, id_ in enumerate(ids)
    ]
    found = subnets_of(Document(json.dumps({"Dhcp4": {"subnet4": subnets}})), "Dhcp4")
    told = {f"10.0.{number}.0/24": id_ for number, id_ in known.items()}
    assert list(numbered(found, told).values()) == expected


def test_a_subnet_is_editable_only_where_its_reservations_are(directory: Path, tmp_path: Path) -> None:
    """An edit refuses a value of a file that it may not change."""
    outside, inside = tmp_path / "hosts.json", directory / "hosts.json"
    for path in (outside, inside):
        path.write_text('[ { "hw-address": "02:00:00:00:00:01", "hostname": "a" } ]')
    site = Site(directory / "kea-dhcp4.conf")
    subnets = [
        f'{{ "id": {number}, "subnet": "10.0.{number}.0/24", "reservations": <?include "{path}"?> }}'
        for number, path in enumerate((outside, inside), 1)
    ]
    site.path.write_text(
        f'{{ "Dhcp4": {{ "subnet4": [ {", ".join(subnets)}, {{ "id": 3, "subnet": "10.0.3.0/24" }} ] }} }}'
    )
    assert {one["id"]: one["editable"] for one in facts(site)} == {1: False, 2: True, 3: True}


def test_a_file_that_only_root_may_read_is_no_part_of_keas_configuration(directory: Path) -> None:
    """Kea's user may name it in its configuration, and reads the text that Kea tests."""
    included = directory / "root.json"
    included.write_text("[]")
    os.chown(included, 0, 0)
    path = directory / "kea-dhcp4.conf"
    path.write_text(f'{{ "Dhcp4": {{ "subnet4": <?include "{included}"?> }} }}')
    path.chmod(0o640)
    for mode, found in ((0o600, []), (0o640, [str(included)])):
        included.chmod(mode)
        assert config.included(str(path)) == found
    included.chmod(0o600)
    os.chown(path, 0, 0)
    path.chmod(0o600)
    assert config.included(str(path)) == [str(included)]


def test_managed_reservations_are_counted_and_their_files_named(directory: Path) -> None:
    site = install(next(one for one in SITES if "one-line" in one.name), directory)
    applied = directory / "applied"
    applied.mkdir()
    managed = applied / "subnet-2.json"
    managed.write_text('{"hw-address": "02:00:00:00:00:09", "ip-address": "10.9.1.9"}\n')
    result = site.merge(merge={"subnet4": [{"id": 2, "reservations": [{"<?include?>": str(managed)}]}]})
    assert not result["failed"] or "Permission" in result["msg"], result
    found = facts(site)[1]
    assert (found["reservations"], found["reservation_files"]) == (1, [str(managed)])


def test_a_configuration_that_cannot_be_read_has_no_subnets(directory: Path) -> None:
    (directory / "kea-dhcp4.conf").write_text("{")
    assert facts(Site(directory / "kea-dhcp4.conf")) == []
    assert facts(Site(directory / "missing.conf")) == []
