# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The subnets of the variables against those of the server."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.baremetal.kea.plugins.plugin_utils import _subnet_check

FOUND = [
    {
        "id": 7,
        "subnet": "10.0.7.0/24",
        "leases": 3,
        "leases_source": "file",
        "file": "/etc/kea/kea-dhcp4.conf",
        "line": 12,
    },
    {"id": 8, "subnet": "10.0.8.0/24", "leases": 0, "leases_source": "file", "file": None, "line": None},
    {"id": 9, "subnet": "10.0.9.0/24", "leases": None, "leases_source": None, "file": "/etc/kea/more.json", "line": 1},
]


def problems(**variables: Any) -> list[str]:
    return compared(FOUND, **variables)


def compared(found: list[dict[str, Any]], **variables: Any) -> list[str]:
    defaults = {
        "subnets": [], "shared_networks": [], "settings": {}, "subscriptions": [{"name": "all"}], "exclusive": False,
        "allow_removals": False, "allow_ineffective": False, "in_files": True,
    }  # fmt: skip
    return _subnet_check.problems(_subnet_check.asked({**defaults, **variables}), found)


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"subnets": [{"id": 7}, {"subnet": "10.0.8.9/24"}, {"id": 10, "subnet": "10.0.10.0/24"}]},
        {"subnets": [{"id": 10, "subnet": "10.0.8.0/24"}]},
        {"subnets": [{"id": 10, "subnet": "10.0.7.0/24"}], "allow_removals": True},
        {"subnets": [{"id": 99, "state": "absent"}]},
        {"subscriptions": [{"name": "a"}, {"name": "b", "match": {"subnets": [7, 9]}}]},
        {"subnets": [{"id": 7, "reservations": {"<?include?>": "/x"}}], "in_files": False},
    ],
)
def test_what_fits(variables: dict[str, Any]) -> None:
    assert problems(**variables) == []


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"subnets": [{"pools": []}]}, "needs an id and a subnet"),
        ({"subnets": [{"id": 30}]}, "(id 30) is new on this server, so it needs both"),
        ({"subnets": [{"id": 0, "subnet": "10.8.0.0/24"}]}, "needs both an id other than 0 and a subnet (its prefix)"),
        ({"subnets": [{"id": 7}, {"id": 7}]}, "is named twice"),
        ({"subnets": [{"id": 7}], "shared_networks": [{"name": "a", "subnet4": [{"id": 7}]}]}, "is named twice"),
        (
            {"subnets": [{"id": 7, "subnet": "10.1.0.0/24"}]},
            "takes the id of 10.0.7.0/24 (/etc/kea/kea-dhcp4.conf, line 12)",
        ),
        ({"subnets": [{"id": 1, "subnet": "10.0.7.0/24"}]}, "has the id 7 on this server"),
        ({"subnets": [{"id": 1, "subnet": "10.0.9.0/24"}]}, "an unknown number of live leases"),
        (
            {"subscriptions": [{"name": "b", "match": {"subnets": [7, 70]}}]},
            "b names subnet 70, which Kea does not serve",
        ),
        ({"subnets": [{"id": 7, "reservations": {"<?include?>": "/x"}}]}, "must be a list"),
    ],
)
def test_what_does_not_fit_is_one_sentence(variables: dict[str, Any], words: str) -> None:
    (sentence,) = problems(**variables)
    assert words in sentence


def test_a_number_of_leases_that_only_this_server_knows_is_told_so() -> None:
    wanted = {"subnets": [{"id": 1, "subnet": "10.0.7.0/24"}]}
    assert "and 3 live leases under it; name" in compared(FOUND, **wanted)[0]
    found = [{**one, "leases_source": "statistics"} for one in FOUND]
    assert "and 3 live leases under it (by the statistics of this server alone); name" in compared(found, **wanted)[0]


def test_all_problems_are_told_at_once() -> None:
    assert len(problems(subnets=[{"id": 7}, {"id": 7}, {"id": 30}], subscriptions=[{"match": {"subnets": [70]}}])) == 3


DISABLED = {"reservation-mode": "disabled"}


def site(**settings: dict[str, Any]) -> list[dict[str, Any]]:
    """A server with a subnet in a shared network and one outside."""
    own, network, top = settings.get("own", {}), settings.get("network", {}), settings.get("top", {})
    everywhere = {"place": "Dhcp4", "settings": top}
    inside = [
        {"place": "subnet 10.0.7.0/24 (id 7)", "settings": own}, {"place": "shared network a", "settings": network},
    ]  # fmt: skip
    outside = {"place": "subnet 10.0.8.0/24 (id 8)", "settings": {}}
    return [
        {**FOUND[0], "shared_network": "a", "pools": ["x"], "reservation_scopes": [*inside, everywhere]},
        {**FOUND[1], "shared_network": None, "pools": ["x"], "reservation_scopes": [outside, everywhere]},
    ]


@pytest.mark.parametrize(
    ("found", "variables", "words"),
    [
        ({"own": DISABLED}, {}, "reservation-mode: disabled in subnet 10.0.7.0/24 (id 7): "),
        ({"network": {"reservations-in-subnet": False}}, {}, "reservations-in-subnet: false in shared network a: "),
        ({"top": {"reservations-out-of-pool": True}}, {}, "in 10.0.7.0/24 (id 7), 10.0.8.0/24 (id 8). "),
        ({}, {"settings": {"host-reservation-identifiers": ["duid"]}}, "without hw-address in Dhcp4: "),
        ({}, {"subnets": [{"id": 8, **DISABLED}]}, "disabled in subnet 10.0.8.0/24 (id 8): "),
        ({}, {"shared_networks": [{"name": "a", **DISABLED}]}, "disabled in shared network a: "),
        ({}, {"subnets": [{"id": 9, "subnet": "10.0.9.0/24", **DISABLED}]}, "disabled in subnet 10.0.9.0/24 (id 9): "),
        ({"top": DISABLED}, {"subscriptions": [{"match": {"subnets": [8]}}]}, "would do nothing in 10.0.8.0/24 (id 8)"),
    ],
)
def test_a_setting_under_which_reservations_do_nothing_is_refused(
    found: dict[str, Any], variables: dict[str, Any], words: str
) -> None:
    """B13."""
    (sentence,) = compared(site(**found), **variables)
    assert words in sentence
    assert "kea_allow_ineffective_reservations: true" in sentence


@pytest.mark.parametrize(
    ("found", "variables"),
    [
        ({"top": DISABLED}, {"allow_ineffective": True}),
        ({"top": DISABLED}, {"settings": {"reservations-in-subnet": True}}),
        ({"own": DISABLED}, {"subnets": [{"id": 7, "reservation-mode": "all"}]}),
        ({"own": DISABLED}, {"subnets": [{"id": 7, "state": "absent"}]}),
        ({"own": DISABLED}, {"subnets": [{"id": 8}], "exclusive": True}),
        ({"network": DISABLED}, {"subscriptions": [{"match": {"subnets": [8]}}]}),
        ({"network": DISABLED}, {"subscriptions": [{"sinks": [{"type": "exec"}]}, {"match": {"subnets": [8]}}]}),
    ],
)
def test_a_setting_that_is_meant_or_without_effect_is_not(found: dict[str, Any], variables: dict[str, Any]) -> None:
    assert compared(site(**found), **variables) == []
