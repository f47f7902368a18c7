# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The event source of ansible-rulebook, without ansible-rulebook; make eda runs it inside."""

from __future__ import annotations

import asyncio
import json
import runpy
from pathlib import Path
from typing import Any, Callable

import pytest
from kea_lease_monitor.errors import ConfigurationError
from support.paths import ROOT

from runtime.test_ipv6 import grant, of_schema
from runtime.world import MONITOR, Kea

PLUGIN = ROOT / "extensions/eda/plugins/event_source/lease_events.py"


@pytest.fixture(scope="module")
def plugin() -> dict[str, Any]:
    """Loaded as ansible-rulebook does."""
    return runpy.run_path(str(PLUGIN))


@pytest.fixture
def follow(plugin: dict[str, Any], kea: Kea, tmp_path: Path) -> Callable[..., list[dict[str, Any]]]:
    given = {"bookmark": str(tmp_path / "bookmark"), "login_user": MONITOR}
    given.update(login_host=kea.cluster.socket, login_db=kea.name, login_password=None)

    async def taken(count: int, args: dict[str, Any], act: Callable[[], None]) -> list[dict[str, Any]]:
        queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue(1)
        task = asyncio.create_task(plugin["main"](queue, args))
        while not (tmp_path / "bookmark").exists() and not task.done():
            await asyncio.sleep(0.01)
        act()
        events = [await queue.get() for _number in range(count)]
        before = (tmp_path / "bookmark").read_text()
        while count and (tmp_path / "bookmark").read_text() == before and not task.done():
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return events

    def run(count: int, act: Callable[[], None] = lambda: None, **more: Any) -> list[dict[str, Any]]:
        return asyncio.run(taken(count, {**given, **more}, act))

    return run


def test_a_new_lease_is_an_event_limited_to_its_machine(follow: Any, kea: Kea) -> None:
    kea.lease("10.0.0.1", "02:00:00:00:00:01")
    (found,) = follow(1, lambda: kea.lease("10.0.0.2", "02:00:00:00:00:02", hostname="bmc-2"))
    assert (found["kind"], found["host"], found["meta"]) == (
        "assigned",
        "bmc-020000000002",
        {"hosts": "bmc-020000000002"},
    )
    assert (found["lease"]["address"], found["lease"]["hostname"]) == ("10.0.0.2", "bmc-2")
    assert json.loads(json.dumps(found)) == found


def test_a_new_lease_of_dhcpv6_is_an_event(follow: Any, kea: Kea) -> None:
    of_schema(kea, "varchar")
    (found,) = follow(1, lambda: grant(kea, "2001:db8::1", 1, "bmc-1"))
    assert (found["kind"], found["lease"]["family"], found["lease"]["address"]) == ("assigned", 6, "2001:db8::1")
    assert found["lease"]["duid"] == "00:01:00:01"
    assert found["meta"] == {"hosts": found["host"]}


def test_leases_of_dhcpv6_that_it_may_not_read_are_told(follow: Any, kea: Kea, said: Callable[[], str]) -> None:
    of_schema(kea, "varchar")
    kea.rows(f'REVOKE ALL ON lease6 FROM "{MONITOR}"')

    def act() -> None:
        grant(kea, "2001:db8::1", 1)
        kea.lease("10.0.0.1", "02:00:00:00:00:01")

    (found,) = follow(1, act)
    assert found["lease"]["address"] == "10.0.0.1"
    assert "[leases_unreadable]" in said()


def test_it_continues_after_its_bookmark(follow: Any, kea: Kea) -> None:
    follow(1, lambda: kea.lease("10.0.0.1", "02:00:00:00:00:01"))
    kea.lease("10.0.0.2", "02:00:00:00:00:02")
    (found,) = follow(1)
    assert found["lease"]["address"] == "10.0.0.2"
    assert kea.rows("SELECT count(*) FROM kea_events.lease_event") == [(2,)]


def test_all_leases_are_delivered_if_asked_for_or_if_the_bookmark_is_lost(
    follow: Any, kea: Kea, tmp_path: Path
) -> None:
    kea.lease("10.0.0.1", "02:00:00:00:00:01")
    (found,) = follow(1, start="all")
    assert found["ref"].startswith("scan:")
    (tmp_path / "bookmark").write_text("damaged")
    (again,) = follow(1)
    assert again["ref"].startswith("scan:")


@pytest.mark.parametrize("more", [{"bookmark": "relative"}, {"login_user": None}, {"start": "then"}, {"token": "x"}])
def test_impossible_arguments_are_refused(plugin: dict[str, Any], more: dict[str, Any]) -> None:
    given = {"bookmark": "/nowhere/bookmark", "login_user": MONITOR, **more}
    with pytest.raises(ConfigurationError, match="lease_events"):
        asyncio.run(plugin["main"](None, given))
