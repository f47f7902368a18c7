# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes back once the variables do not name it any more: as it was found, and never what a person added."""

from __future__ import annotations

import glob
import json
import os
from pathlib import Path
from typing import Any

import pytest
from site_helpers import done, hand_written

pytestmark = [pytest.mark.kea, pytest.mark.slow]

HOOKS = os.path.dirname(glob.glob("/usr/lib/*/kea/hooks/libdhcp_ha.so")[0])
EMPTY = '"subnet4": [ { "id": 1, "subnet": "10.1.0.0/24", "pools": [ ], "reservations": [ ] } ]'
HOST = '{ "hw-address": "02:00:00:00:00:aa", "hostname": "old" }'


def within(**members: Any) -> dict[str, Any]:
    return {"subnet4": [{"id": 1, **members}]}


def host(spelled: str) -> dict[str, Any]:
    return within(reservations=[{"hw-address": spelled, "hostname": "new"}])


def hook(spelled: str) -> dict[str, Any]:
    return {"hooks-libraries": [{"library": spelled, "parameters": {"x": 2}}]}


@pytest.mark.parametrize(
    ("members", "first", "second"),
    [
        (
            '"option-data": [ { "name": "routers", "data": "10.0.0.1" } ]',
            {"option-data": [{"name": "routers", "data": "10.0.0.9"}]},
            {"option-data": [{"name": "routers", "code": 3, "data": "10.0.0.8"}]},
        ),
        (EMPTY, within(pools=[{"pool": "10.1.0.1-10.1.0.9"}]), within(pools=[{"pool": "10.1.0.1 - 10.1.0.9"}])),
        (EMPTY.replace("[ ] } ]", f"[ {HOST} ] }} ]"), host("02:00:00:00:00:aa"), host("2:0:0:0:0:AA")),
        (
            f'"hooks-libraries": [ {{ "library": "{HOOKS}/libdhcp_lease_cmds.so", "parameters": {{ "x": 1 }} }} ]',
            hook(f"{HOOKS}/libdhcp_lease_cmds.so"),
            hook("libdhcp_lease_cmds.so"),
        ),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_another_spelling_in_the_variables_loses_nothing(
    members: str, first: dict[str, Any], second: dict[str, Any], turned: bool, directory: Path
) -> None:
    site = hand_written(directory, members)
    found = site.document()
    for values in (second, first, second) if turned else (first, second):
        done(site, merge=values)
    done(site)
    assert site.document().get(("Dhcp4",)) == found.get(("Dhcp4",))
    assert json.loads(site.record.read_text())["keys"] == []


def test_a_record_of_an_earlier_release_is_found_under_another_spelling(directory: Path) -> None:
    """It keeps paths as the variables spelled them."""
    site = hand_written(directory, '"option-data": [ { "name": "routers", "data": "10.0.0.1" } ]')
    found = site.texts()
    done(site, merge={"option-data": [{"name": "routers", "data": "10.0.0.9"}]})
    (entry,) = json.loads(site.record.read_text())["keys"]
    assert entry["path"] == ["option-data", {"name": "routers"}, "data"]
    done(site, merge={"option-data": [{"code": 3, "data": "10.0.0.9"}]})
    done(site)
    assert site.texts() == found
