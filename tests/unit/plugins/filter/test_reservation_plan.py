# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The variable kea_reservations: checked before the first change, and where each entry goes."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.baremetal.kea.plugins.filter import plan as filters
from ansible_collections.baremetal.kea.plugins.plugin_utils import _reservation_plan

A, B = "02:00:00:00:00:0a", "02:00:00:00:00:0b"
FOUND = [
    {"id": 7, "subnet": "10.0.7.0/24", "file": "/etc/kea/kea-dhcp4.conf", "editable": True},
    {"id": 8, "subnet": "10.0.8.0/24", "file": None, "editable": False},
]
NAMED = [
    {"id": 9, "subnet": "10.0.9.0/24", "reservations": [{"hw-address": B, "ip-address": "10.0.9.9"}]},
    {"id": 6, "state": "absent"},
]


SUBNETS = _reservation_plan.Subnets(NAMED, FOUND)
SUBNETS6 = _reservation_plan.Subnets([{"id": 7, "subnet": "2001:db8:7::/64"}], [])


def asked(seen: dict[str, Any], named: list[Any], networks: list[Any] | None = None) -> dict[str, Any]:
    """Return what the variables say of one server, and what was seen of it."""
    return {"subnets": named, "shared_networks": networks or [], "seen": seen}


def problems(*entries: Any, in_files: bool = True) -> list[str]:
    return _reservation_plan.problems(list(entries), {4: SUBNETS, 6: SUBNETS6}, in_files)


@pytest.mark.parametrize(
    ("entry", "resolved"),
    [
        (
            {"hw-address": "02-00-00-00-00-0A", "ip-address": "10.0.7.5", "hostname": "bmc-5."},
            {"subnet-id": 7, "hw-address": A, "ip-address": "10.0.7.5", "hostname": "bmc-5"},
        ),
        (
            {"client-id": "0x01AB", "ip-address": "10.0.9.5"},
            {"subnet-id": 9, "client-id": "01:ab", "ip-address": "10.0.9.5"},
        ),
        ({"duid": "0001", "ip-address": "10.0.9.5"}, {"subnet-id": 9, "duid": "00:01", "ip-address": "10.0.9.5"}),
        ({"hw-address": A, "hostname": "x", "subnet-id": "7"}, {"subnet-id": 7, "hw-address": A, "hostname": "x"}),
    ],
)
def test_an_entry_finds_its_subnet(entry: dict[str, Any], resolved: dict[str, Any]) -> None:
    assert problems(entry) == []
    assert filters.given_reservations([entry], asked({"subnets": FOUND}, NAMED), [4]) == [resolved]


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        (["x"], "kea_reservations[0]: entry: a map is needed, not 'x'"),
        ([{"hw-address": A, "ip_address": "10.0.7.5"}], "kea_reservations[0]: ip_address: there is no such field"),
        ([{"ip-address": "10.0.7.5"}], "kea_reservations[0]: hw-address or client-id or duid: exactly one of them"),
        (
            [{"hw-address": A, "hostname": "x"}],
            "subnet-id: missing: without an ip-address it says which of 10.0.9.0/24",
        ),
        ([{"hw-address": A, "ip-address": "10.0.8.5"}], "subnet-id: subnet 8 is in no file that may be edited"),
        (
            [{"hw-address": B, "ip-address": "10.0.9.5"}],
            "hw-address: subnet 9 of kea_dhcp4_subnets names the same client",
        ),
        ([{"hw-address": A, "ip-address": "10.0.9.9"}], "ip-address: kea_dhcp4_subnets names 10.0.9.9 already"),
        (
            [{"hw-address": A, "ip-address": "10.0.7.5"}, {"hw-address": "2:0:0:0:0:A", "ip-address": "10.0.7.6"}],
            "kea_reservations[1]: hw-address: kea_reservations[0] names the same client",
        ),
        (
            [{"hw-address": A, "ip-address": "10.0.7.5"}, {"hw-address": B, "ip-address": "10.0.7.5"}],
            "kea_reservations[1]: ip-address: kea_reservations[0] names 10.0.7.5 already",
        ),
    ],
)
def test_one_sentence_names_the_entry_and_the_field(entries: list[Any], message: str) -> None:
    (sentence,) = problems(*entries)
    assert message in sentence


def test_an_entry_with_an_ipv6_address_is_for_the_dhcpv6_server() -> None:
    """Subnets of both servers may have the same id."""
    six = {"duid": "00-01-00", "ip-address": "2001:DB8:7::5"}
    four = {"hw-address": A, "ip-address": "10.0.7.5"}
    assert problems(four, six) == []
    wanted = [{"subnet-id": 7, "duid": "00:01:00", "ip-addresses": ["2001:db8:7::5"]}]
    assert filters.given_reservations([four, six], asked({"subnets": []}, SUBNETS6.named), [4, 6], 6) == wanted
    assert len(filters.given_reservations([four, six], asked({"subnets": FOUND}, NAMED), [4, 6])) == 1
    (by_client_id,) = problems({"client-id": "01", "ip-address": "2001:db8:7::5"})
    assert "a DHCPv6 client has none" in by_client_id
    (taken,) = problems(six, {**six, "duid": "00:02"})
    assert "kea_reservations[1]: ip-address: kea_reservations[0] names 2001:db8:7::5 already" in taken
    (without,) = _reservation_plan.problems([six], {4: SUBNETS}, True)
    assert without == "kea_reservations[0]: ip-address: 2001:DB8:7::5 needs the DHCPv6 server; add it to kea_families"
    (open_one,) = _reservation_plan.problems([{"hw-address": A, "hostname": "x"}], {6: SUBNETS6}, True)
    assert "an entry without one is for DHCPv4" in open_one


def test_a_database_needs_no_file() -> None:
    assert problems({"hw-address": A, "ip-address": "10.0.8.5"}, in_files=False) == []
    assert _reservation_plan.problems({"hw-address": A}, {}, False) == [
        "kea_reservations is a list of maps, not {'hw-address': '02:00:00:00:00:0a'}"
    ]


def test_the_monitor_learns_of_each_entry() -> None:
    given = [
        {"subnet-id": 7, "hw-address": A, "ip-address": "10.0.7.5", "hostname": "not needed"},
        {"subnet-id": 7, "client-id": "01", "ip-address": "10.0.7.6"},
        {"subnet-id": 7, "hw-address": B, "hostname": "rack-7"},
    ]
    assert filters.site_reservations(asked({}, []), given) == [
        {"subnet": 7, "kind": "hw-address", "identifier": A, "address": "10.0.7.5", "hostname": "not needed"},
        {"subnet": 7, "kind": "client-id", "identifier": "01", "address": "10.0.7.6", "hostname": ""},
        {"subnet": 7, "kind": "hw-address", "identifier": B, "address": "", "hostname": "rack-7", "name": "rack-7"},
    ]


def test_an_entry_may_be_in_a_shared_network() -> None:
    network = {"name": "net", "subnet4": [{"id": 5, "subnet": "10.0.5.0/24"}]}
    (entry,) = filters.given_reservations(
        [{"hw-address": A, "ip-address": "10.0.5.5"}], asked(SERVED, [], [network]), [4]
    )
    assert entry["subnet-id"] == 5


SERVED = {"subnets": FOUND, "config": {"untouched": False}}


@pytest.mark.parametrize(
    ("seen", "families"),
    [({}, [4]), (SERVED, [6])],
    ids=["no server was looked at", "of a family that is not deployed"],
)
def test_no_entry_is_resolved_where_none_can_be_used(seen: dict[str, Any], families: list[int]) -> None:
    entry = {"hw-address": A, "ip-address": "10.0.7.5"}
    assert filters.given_reservations([entry], asked(SERVED, NAMED), [4])
    assert filters.given_reservations([entry], asked(seen, NAMED), families) == []


def test_the_subnets_of_the_example_of_a_package_are_none() -> None:
    untouched = {**SERVED, "config": {"untouched": True}}
    with pytest.raises(Exception, match="ip-address"):
        filters.given_reservations([{"hw-address": A, "ip-address": "10.0.7.5"}], asked(untouched, NAMED), [4])
