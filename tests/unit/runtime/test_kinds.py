# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kinds of event that docs/variables.md tells a site's DNS to take, with leases that a real Kea writes."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from kea_lease_monitor.clock import Clock
from kea_lease_monitor.lease import EventKind
from kea_lease_monitor.section import Section
from kea_lease_monitor.sources.events.source import EventsSource
from kea_lease_monitor.sources.events.upkeep import Options
from kea_lease_monitor.sources.memfile.source import MemfileSource
from kea_lease_monitor.subscriptions import Match
from support.kea import DIRECTORIES, KeaServer, serving
from support.paths import ROOT
from support.programs import need

from runtime.contracts import drained
from runtime.world import Kea

ENDS = {"released", "expired", "reclaimed", "deleted"}


def documented() -> Match:
    """Return the match of the subscription ``dns`` in docs/variables.md."""
    blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "variables.md").read_text(), re.DOTALL)
    (asked,) = [block for block in map(yaml.safe_load, blocks) if "kea_monitor_subscriptions" in block]
    (dns,) = [each for each in asked["kea_monitor_subscriptions"] if each["name"] == "dns"]
    return Match.parse(Section(dns["match"], "match"))


def test_the_documentation_lists_every_kind() -> None:
    text = (ROOT / "docs" / "monitor.md").read_text()
    listed = re.findall(r"^\| `(\w+)` \|", text[text.index("### Kinds of event") :].split("\n###")[0], re.MULTILINE)
    assert listed == [kind.value for kind in EventKind]


@pytest.fixture(params=["file", "events"])
def world(request: pytest.FixtureRequest, tmp_path: Path, kea: Kea, monkeypatch: pytest.MonkeyPatch, link: Any) -> Any:
    """Yield a Kea that keeps its leases there, and a source of its events."""
    for name in DIRECTORIES:
        monkeypatch.setenv(name, str(tmp_path))
    leases = tmp_path / "kea-leases4.csv"
    database: dict[str, Any] = {"type": "memfile", "name": str(leases), "lfc-interval": 0}
    if request.param == "events":
        database = {"type": "postgresql", "host": kea.cluster.socket, "name": kea.name, "user": "postgres"}
    server = KeaServer(tmp_path)
    server.configure(
        {
            "interfaces-config": {"interfaces": []},
            "lease-database": database,
            "hooks-libraries": [{"library": library()}],
            "expired-leases-processing": {"reclaim-timer-wait-time": 0, "flush-reclaimed-timer-wait-time": 0},
            "subnet4": [{"id": 1, "subnet": "10.0.0.0/24"}],
        }
    )
    with serving(server):
        source: Any = MemfileSource(str(leases), Clock())
        if request.param == "events":
            source = EventsSource("dns", link(), Options(), {"dns": 0}, Clock())
        yield server, source
        source.close()


def library() -> str:
    """Return the path of Kea's hook library for lease commands."""
    (found, *_more) = Path(need("kea-dhcp4")).resolve().parents[1].glob("lib/*/kea/hooks/libdhcp_lease_cmds.so")
    return str(found)


@pytest.fixture
def following(world: Any) -> Any:
    """Return the Kea, and a function that returns the kinds of the documented events since the last call."""
    server, source = world
    match = documented()
    position = drained(source, source.start(True))[1]

    def act() -> list[str]:
        nonlocal position
        found: list[str] = []
        until = time.monotonic() + 5
        while not found and time.monotonic() < until:
            events, position = drained(source, position)
            found = [event.kind.value for event in events if match(event)]
            assert all(event.lease.address == "10.0.0.7" for event in events)
        return found

    return server, act


def grant(server: KeaServer, command: str = "lease4-add", **more: Any) -> None:
    values = {"ip-address": "10.0.0.7", "hw-address": "02:00:00:00:00:07", "subnet-id": 1, "valid-lft": 3600}
    answer = server.ask(command, **{**values, **more})
    assert answer["result"] == 0, answer


def test_a_lease_its_new_name_and_its_removal_reach_the_dns(following: Any) -> None:
    server, kinds = following
    grant(server, hostname="bmc-7")
    assert kinds() == ["assigned"]
    grant(server, "lease4-update", hostname="bmc-8")
    assert kinds() == ["changed"]
    assert server.ask("lease4-del", **{"ip-address": "10.0.0.7"})["result"] == 0
    assert kinds() == ["deleted"]


@pytest.mark.parametrize("remove", [True, False])
def test_the_end_of_a_lease_reaches_the_dns(following: Any, remove: bool) -> None:
    server, kinds = following
    grant(server, hostname="bmc-7")
    assert kinds() == ["assigned"]
    grant(server, "lease4-update", hostname="bmc-7", expire=int(time.time()) - 5)
    assert server.ask("leases-reclaim", remove=remove)["result"] == 0
    found = kinds()
    assert found, "told of the end"
    assert set(found) <= ENDS
