# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The subnets of the variables against those of the server."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.baremetal.kea.plugins.plugin_utils import _subnet_check

FOUND = [
    {"id": 7, "subnet": "10.0.7.0/24", "leases": 3, "file": "/etc/kea/kea-dhcp4.conf", "line": 12},
    {"id": 8, "subnet": "10.0.8.0/24", "leases": 0, "file": None, "line": None},
    {"id": 9, "subnet": "10.0.9.0/24", "leases": None, "file": "/etc/kea/more.json", "line": 1},
]


def problems(**variables: Any) -> list[str]:
    defaults = {"subnets": [], "shared_networks": [], "subscriptions": [], "allow_removals": False, "in_files": True}
    return _subnet_check.problems(_subnet_check.asked({**defaults, **variables}), FOUND)


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


def test_all_problems_are_told_at_once() -> None:
    assert len(problems(subnets=[{"id": 7}, {"id": 7}, {"id": 30}], subscriptions=[{"match": {"subnets": [70]}}])) == 3
