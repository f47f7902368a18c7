# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sizes and use of pools: from a real Kea's statistics, and through a file that may be damaged."""

from __future__ import annotations

import json
import math
import os
import time
from pathlib import Path
from typing import Any, Mapping

import pytest
from _kea import pairs
from _kea.control import Answer, send
from kea_lease_monitor import app
from kea_lease_monitor.commands import applied
from kea_lease_monitor.errors import TemporaryError
from kea_lease_monitor.kea import pools
from kea_lease_monitor.kea.pools import Subnet, Use
from kea_lease_monitor.settings import MonitorSettings
from support.kea import KeaServer, serving

LEASE_COMMANDS = {"library": "/usr/lib/x86_64-linux-gnu/kea/hooks/libdhcp_lease_cmds.so"}
FOUR = [
    {"id": 7, "subnet": "10.0.0.0/24", "pools": [{"pool": "10.0.0.10-10.0.0.19"}, {"pool": "10.0.0.30-10.0.0.39"}]},
    {"id": 9, "subnet": "10.0.1.0/24"},
]
SIX = [{"id": 5, "subnet": "2001:db8::/32", "pools": [{"pool": "2001:db8:2::1-2001:db8:2::10"}]}]
HUGE = [{"id": 5, "subnet": "2001:db8::/32", "pools": [{"pool": "2001:db8:1::/64"}]}]


def served(path: Path, family: int, subnets: list[dict[str, Any]]) -> KeaServer:
    server = KeaServer(path, family)
    own = {} if family == 4 else {"server-id": {"type": "EN", "identifier": "aa", "persist": False}}
    server.configure(
        {
            **own,
            "interfaces-config": {"interfaces": []},
            "lease-database": {"type": "memfile", "persist": False},
            "hooks-libraries": [LEASE_COMMANDS] if os.path.exists(LEASE_COMMANDS["library"]) else [],
            f"subnet{family}": subnets,
        }
    )
    return server


def gathered(server: KeaServer) -> pools.Figures:
    return pools.gather(lambda name, arguments: send(str(server.socket), name, 5.0, arguments))


@pytest.mark.kea
def test_a_real_kea_tells_total_leased_and_declined_addresses_of_each_subnet(tmp_path: Path) -> None:
    with serving(served(tmp_path, 4, FOUR)) as server:
        lease = {"subnet-id": 7, "valid-lft": 3600}
        server.ask("lease4-add", **{**lease, "ip-address": "10.0.0.10", "hw-address": "02:00:00:00:00:01"})
        server.ask("lease4-add", **{**lease, "ip-address": "10.0.0.11", "hw-address": "02:00:00:00:00:02", "state": 1})
        seven, nine = gathered(server)
    assert seven._replace(pools={}) == Subnet(4, 7, Use(20, 2, 1), {})
    assert nine._replace(pools={}) == Subnet(4, 9, Use(0, 0, 0), {})


@pytest.mark.kea
@pytest.mark.parametrize(("subnets", "total"), [(SIX, 16), (HUGE, None)])
def test_a_real_kea_tells_addresses_of_ipv6_too(
    tmp_path: Path, subnets: list[dict[str, Any]], total: int | None
) -> None:
    with serving(served(tmp_path, 6, subnets)) as server:
        server.ask("lease6-add", **{"ip-address": "2001:db8:2::1", "duid": "01:02:03:04", "iaid": 1, "subnet-id": 5})
        (five,) = gathered(server)
    assert (five.family, five.id) == (6, 5)
    assert five.use.assigned == 1
    assert five.use.total in (total, 2**64)


def test_figures_of_pools_are_told_where_kea_has_them() -> None:
    statistics = {
        "subnet[7].total-addresses": [[20, "now"], [10, "before"]],
        "subnet[7].assigned-addresses": [[2, "now"]],
        "subnet[7].declined-addresses": [[0, "now"]],
        "subnet[7].cumulative-assigned-addresses": [[99, "now"]],
        "subnet[7].pool[0].total-addresses": [[15, "now"]],
        "subnet[7].pool[0].assigned-addresses": [[1, "now"]],
        "subnet[7].pool[3].total-addresses": [[5, "now"]],
        "subnet[7].pool[3].declined-addresses": [[1, "now"]],
        "subnet[7].pd-pool[3].total-pds": [[5, "now"]],
        "pkt4-received": [[5, "now"]],
    }
    found = pools.gather(lambda name, arguments: Answer(0, "", statistics))
    assert found == (Subnet(4, 7, Use(20, 2, 0), {0: Use(15, 1, 0), 3: Use(5, 0, 1)}),)


@pytest.mark.parametrize("samples", [[], [[]], None, [["many", "now"]], 5])
def test_a_statistic_without_a_number_is_named(samples: Any) -> None:
    with pytest.raises(TemporaryError, match=r"statistic subnet\[7\]\.total-addresses has no number"):
        pools.gather(lambda name, arguments: Answer(0, "", {"subnet[7].total-addresses": samples}))


def test_a_refusal_is_told_in_keas_words() -> None:
    def refused(name: str, arguments: Mapping[str, Any] | None) -> Answer:
        return Answer(2, f"'{name}' command not supported.", {})

    with pytest.raises(TemporaryError, match="refused statistic-get-all: 'statistic-get-all' command not supported"):
        pools.gather(refused)


def test_figures_are_read_as_they_were_written_with_the_time_of_that(tmp_path: Path) -> None:
    figures = (Subnet(4, 7, Use(20, 2, 0), {0: Use(15, 1, 0)}), Subnet(6, 5, Use(None, 1, 0), {}))
    path = str(tmp_path / "pools.json")
    pools.write(path, figures, 100.0)
    os.utime(path, (1_000_000, 1_000_000.5))
    reading = pools.read([path])
    assert reading == pools.Reading(figures, 1_000_000.5, 100.0, {4: pools.Server()})
    assert (reading.is_recent(1_000_150.0), reading.is_recent(1_000_151.0)) == (True, False)
    assert not reading.is_recent(999_849.0), "written in the future: the clock was set back"


HALF = {
    "ha-mode": "hot-standby",
    "ha-servers": {
        "local": {"role": "standby", "scopes": ["one"], "server-name": "two", "state": "partner-down"},
        "remote": {
            "role": "primary",
            "last-state": "unavailable",
            "communication-interrupted": True,
            "unacked-clients": 3,
        },
    },
}


@pytest.mark.parametrize(
    ("sockets", "listening"),
    [
        ({"status": "ready"}, True),
        ({"status": "retrying", "errors": ["eth1 has no address"]}, False),
        ({"status": "failed", "errors": ["eth1 is down"]}, False),
        ({}, None),
        (5, None),
        ({"status": 5}, None),
    ],
)
def test_whether_a_server_listens_is_told_beside_its_figures(tmp_path: Path, sockets: Any, listening: Any) -> None:
    """B16."""
    server = pools.gather_server(lambda name, arguments: Answer(0, "", {"pid": 1, "sockets": sockets}))
    assert server == pools.Server(None, listening)
    path = str(tmp_path / "pools.json")
    pools.write(path, (Subnet(4, 7, Use(20, 2, 0), {}),), 10.0, server)
    reading = pools.read([path])
    assert reading is not None
    assert reading.servers == {4: server}


def test_figures_of_an_earlier_release_tell_no_state(tmp_path: Path) -> None:
    path = tmp_path / "pools.json"
    subnet = {"family": 4, "id": 1, "use": [1, 1, 0], "pools": {}}
    path.write_text(json.dumps({"version": 1, "interval": 10, "subnets": [subnet]}))
    reading = pools.read([str(path)])
    assert reading is not None
    assert reading.servers == {4: pools.Server()}


def test_the_state_of_a_pair_is_told_beside_the_figures_of_its_server(tmp_path: Path) -> None:
    four, six = str(tmp_path / "pools.json"), str(tmp_path / "pools6.json")
    server = pools.gather_server(lambda name, arguments: Answer(0, "", {"pid": 1, "high-availability": [HALF]}))
    assert server.pair == pairs.Status("hot-standby", "standby", "partner-down", ["one"], "unavailable", False, 3)
    assert pools.gather_server(lambda name, arguments: Answer(0, "", {"pid": 1})) == pools.Server()
    pools.write(four, (Subnet(4, 7, Use(20, 2, 0), {}),), 10.0)
    pools.write(six, (Subnet(6, 5, Use(16, 1, 0), {}),), 10.0, server)
    reading = pools.read([four, six])
    assert reading is not None
    assert reading.servers == {4: pools.Server(), 6: server}


@pytest.mark.parametrize(
    "answer",
    [Answer(1, "no", {}), *(Answer(0, "", {"high-availability": odd}) for odd in ([{}], [5], {"x": 1}))],
)
def test_a_server_that_does_not_tell_its_pair_is_in_none(answer: Answer) -> None:
    assert pools.gather_server(lambda name, arguments: answer) == pools.Server()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"version": 2, "interval": 10, "subnets": []}',
        b'{"version": 1, "interval": 10, "subnets": 5}',
        b'{"version": 1, "interval": [], "subnets": []}',
        b'{"version": 1, "interval": 10, "subnets": [{"family": 4}]}',
        b'{"version": 1, "interval": 10, "subnets": [{"family": 4, "id": 1, "use": [1, 2], "pools": {}}]}',
        b'{"version": 1, "interval": 10, "subnets": [{"family": 4, "id": 1, "use": [1, "x", 2], "pools": {}}]}',
        b'{"version": 1, "interval": 9, "subnets": [{"family": 4, "id": 1, "use": [1, 1, 0], "pools": {}}], "pair": 5}',
        b'{"version": 1, "interval": 9, "subnets": [], "listening": 5}',
        b"[" * 100_000,
        b"\xff\xfe",
        b" " * (16 * 2**20 + 1),
    ],
)
def test_a_damaged_file_tells_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "pools.json").write_bytes(content)
    assert pools.read([str(tmp_path / "pools.json")]) is None


def test_what_is_no_regular_file_tells_nothing(tmp_path: Path) -> None:
    assert pools.read([str(tmp_path / "missing")]) is None
    os.mkfifo(tmp_path / "fifo")
    assert pools.read([str(tmp_path / "fifo")]) is None
    pools.write(str(tmp_path / "pools.json"), (), 10.0)
    (tmp_path / "link").symlink_to("pools.json")
    assert pools.read([str(tmp_path / "link")]) is None
    assert pools.read([str(tmp_path)]) is None


def with_left_out(path: Path, match: list[int]) -> MonitorSettings:
    """Return the settings of a monitor that cannot reserve in the subnets 7 and 9, and may select these."""
    places = {"directory": str(path), "report": str(path), "left_out": [9, 7]}
    sinks = [{"type": "reservation_file", **places}]
    return MonitorSettings.parse(
        {
            "source": {"type": "memfile"},
            "pools": {"path": str(path / "pools.json")},
            "subscriptions": [{"name": "all", "match": {"subnets": match}, "sinks": sinks}],
        }
    )


def test_leases_that_no_reservation_in_a_file_reaches_are_counted_and_told(tmp_path: Path) -> None:
    settings = with_left_out(tmp_path, [])
    unknown = applied.read(settings, time.time())
    assert "no reservation in a file reaches these subnets: 7, 9: see docs/take-over.md" in unknown.warning
    assert unknown.columns["all"]["left_out"] is None
    assert math.isnan(app._reservations(settings.pools, settings.flows[0], "left_out"))
    uses = {7: Use(20, 2, 0), 8: Use(20, 5, 0), 9: Use(20, 4, 0)}
    figures = (*(Subnet(4, number, use, {}) for number, use in uses.items()), Subnet(6, 9, Use(20, 9, 0), {}))
    pools.write(str(tmp_path / "pools.json"), figures, 10.0)
    found = applied.read(settings, time.time())
    assert "these subnets: 7, 9; they have 6 leases" in found.warning
    assert (found.problem, found.columns["all"]["left_out"]) == ("", 6)
    assert app._reservations(settings.pools, settings.flows[0], "left_out") == 6
    assert with_left_out(tmp_path, [9]).flows[0].left_out() == [(4, 9)]


def test_where_reservations_in_files_reach_all_subnets_nothing_is_told(tmp_path: Path) -> None:
    settings = with_left_out(tmp_path, [8])
    found = applied.read(settings, time.time())
    assert (found.warning, found.columns["all"]["left_out"]) == ("", 0)
    assert app._reservations(settings.pools, settings.flows[0], "left_out") == 0
