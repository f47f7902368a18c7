# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``status`` and ``check`` show of the addresses of pools."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from kea_lease_monitor.commands import addresses
from kea_lease_monitor.kea import pools
from kea_lease_monitor.kea.applier import report
from kea_lease_monitor.kea.pools import Reading, Subnet, Use
from kea_lease_monitor.settings import MonitorSettings
from kea_lease_monitor.state.records import Heartbeat

FIGURES = (
    Subnet(4, 1, Use(20, 10, 0), {0: Use(15, 8, 0), 3: Use(5, 2, 0)}),
    Subnet(4, 2, Use(100, 0, 0), {}),
    Subnet(4, 3, Use(0, 0, 0), {}),
    Subnet(6, 1, Use(None, 5, 0), {}),
)


class Store:
    def reserved(self) -> dict[Any, int]:
        return {(4, 1): 9, (4, 9): 7}


def present(age: float = 5.0) -> addresses.Addresses:
    return addresses.of(Reading(FIGURES, 1000.0 - age, 10.0, {}), Store(), {}, 1000.0)


def test_each_subnet_and_pool_has_a_line() -> None:
    one, first, third, two = addresses.lines(present())
    assert one == {"family": 4, "subnet": 1, "pool": None, "total": 20, "leased": 10, "reserved": 9, "free": 1}
    assert first == {"family": 4, "subnet": 1, "pool": 0, "total": 15, "leased": 8, "reserved": None, "free": None}
    assert (third["pool"], third["free"], two["subnet"], two["free"]) == (3, None, 2, 100)


def test_the_only_pool_of_a_subnet_has_what_is_reserved_in_it() -> None:
    figures = (Subnet(4, 1, Use(20, 10, 0), {0: Use(20, 10, 0)}), Subnet(4, 9, Use(0, 0, 0), {0: Use(0, 0, 0)}))
    one, pool, without_room = addresses.lines(addresses.of(Reading(figures, 1000.0, 10.0, {}), Store(), {}, 1000.0))
    assert pool == {**one, "pool": 0}
    assert (pool["reserved"], pool["free"]) == (9, 1)
    assert (without_room["total"], without_room["free"]) == (0, None)


@pytest.mark.parametrize(("made", "reserved"), [(0, 9), (19, 9), (20, 10), (500, 490)])
def test_reservations_of_which_the_state_store_knows_nothing_count(made: int, reserved: int) -> None:
    """Their leases ended before it was made. It may know of more than the numbers tell: not each lease is reserved."""
    reading = Reading(FIGURES, 1000.0, 10.0, {})
    room = addresses.of(reading, Store(), {(4, 1): made}, 1000.0).rooms[4, 1]
    assert (room.reserved, room.free) == (reserved, max(0, 10 - reserved))


def test_status_and_check_count_what_the_sinks_made(tmp_path: Path) -> None:
    sinks = [{"type": "reservation_file", "directory": str(tmp_path), "report": str(tmp_path)}]
    settings = MonitorSettings.parse(
        {
            "source": {"type": "memfile"},
            "pools": {"path": str(tmp_path / "pools.json")},
            "subscriptions": [{"name": "all", "sinks": [*sinks, {"type": "exec", "command": ["/bin/true"]}]}],
        }
    )
    pools.write(str(tmp_path / "pools.json"), FIGURES, 10.0)
    subnets = {1: report.Subnet(20, 20, 0, ""), 2: report.Subnet(95, 0, 0, "", "not included")}
    report.write(str(tmp_path), report.Status(subnets))
    rooms = addresses.read(settings, Store(), time.time()).rooms
    assert {key: room.free for key, room in rooms.items()} == {(4, 1): 0, (4, 2): 100}
    (tmp_path / "status.json").write_text('{"subnets": {"1": {}}}')
    assert addresses.read(settings, Store(), time.time()).rooms[4, 1].free == 1, "a damaged report tells nothing"


def test_few_free_addresses_and_old_figures_are_warnings() -> None:
    assert addresses.warning(present()) == "subnet 1 has 1 of 20 addresses free"
    assert addresses.warning(present(3600)) == "the figures of pools are 3600 seconds old"
    assert addresses.warning(addresses.of(None, Store(), {}, 1000.0)) == ""
    roomy = addresses.of(Reading((Subnet(4, 2, Use(20, 18, 0), {}),), 1000.0, 10.0, {}), Store(), {}, 1000.0)
    assert addresses.warning(roomy) == "", "10 % are enough"


@pytest.mark.parametrize(
    ("age", "low_water", "ran", "warns"),
    [(None, 20, 61, True), (None, 20, 59, False), (None, 0, 61, False), (5.0, 20, 61, False), (999.0, 20, 61, False)],
)
def test_figures_that_are_missing_are_a_warning_where_they_decide(
    age: float | None, low_water: int, ran: float, warns: bool
) -> None:
    sinks = [{"type": "exec", "command": ["/bin/true"]}]
    one = {"name": "all", "low_water": low_water, "sinks": sinks}
    settings = MonitorSettings.parse({"source": {"type": "memfile"}, "subscriptions": [one]})
    beat = Heartbeat("host", "all", "1", 1, 1000.0 - ran, 1000.0, "running", 1000.0, "", 0)
    given = addresses.of(None, Store(), {}, 1000.0) if age is None else present(age)
    found = addresses.missing(given, settings, [beat], 1000.0)
    assert ("no figures of pools in /var/lib/kea-reservations/report/pools.json" in found) is warns
    assert bool(found) is warns


@pytest.mark.parametrize(("match", "subnets"), [({}, {1, 2}), ({"subnets": [2]}, {2}), ({"families": [6]}, set())])
def test_a_subscription_shows_the_subnets_that_it_can_select(match: dict[str, Any], subnets: set[int]) -> None:
    settings = MonitorSettings.parse(
        {
            "source": {"type": "memfile"},
            "subscriptions": [{"name": "all", "match": match, "sinks": [{"type": "exec", "command": ["/bin/true"]}]}],
        }
    )
    lines: list[dict[str, Any]] = [{"subscription": "all"}, {"subscription": "removed"}]
    addresses.add(lines, present(), settings)
    assert {each["subnet"] for each in lines[0]["pools"]} == subnets
    assert lines[1]["pools"] == []
