# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The reservations that a reload of Kea 2.2 refuses (test_applier), with the real Kea 3.0 of the newest host image."""

from __future__ import annotations

import json
from typing import Any, Iterator

import pytest
from kea_lease_monitor.kea.applier import approved, hosts, report
from support.by_command import WAIT, Site, served
from support.wait import until

from runtime.applying import SITE
from runtime.test_applier import BAD, GOOD

pytestmark = [pytest.mark.kea, pytest.mark.slow]  # it needs an image of a host

OWN = {"hw-address": "02:ff:ff:ff:ff:ff", "ip-address": SITE}


WORDS = {"outside the subnet": "is not matching the IPv4 subnet prefix"}
"""Of Kea's command, where they are others than those of its test."""
FIRST = {
    "a client twice": {"02:00:00:00:00:02": "10.0.0.9"},
    "an address twice": {"02:00:00:00:00:09": "10.0.0.2"},
}
"""What is in force of two that exclude each other, if the bad one comes first."""


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """A Kea that has a reservation of its own in its configuration, and its applier."""
    with served() as found:
        text = found.server.config.read_text()
        found.server.config.write_text(text.replace("<?include", f"{json.dumps(OWN)}, <?include"))
        assert found.server.ask("config-reload")["result"] == 0
        found.start_applier()
        until(found.is_applied, found.said, WAIT)
        yield found


def write(site: Site, *texts: str) -> None:
    """Write the monitor's file; a person approved what it has."""
    content = ",\n".join(texts).encode("utf-8", "surrogateescape") + b"\n"
    approved.add(str(site.reported), [claim for each in hosts.read(1, content, {}).hosts for claim in each.claims])
    partly = site.written / ".subnet-1.json"
    partly.write_bytes(content)
    partly.replace(site.written / "subnet-1.json")
    source = report.source(str(site.written / "subnet-1.json"))

    def is_done() -> bool:
        status = report.read(str(site.reported))
        return bool(status and status.subnets[1].source == source and not status.error)

    until(is_done, site.said, WAIT)


def known(site: Site) -> dict[str, Any]:
    """Return the addresses that the running Kea has, by hardware address."""
    arguments = {"subnet-id": 1, "operation-target": "memory"}
    listed = site.server.ask("reservation-get-all", **arguments)["arguments"]["hosts"]
    return {one["hw-address"]: one["ip-address"] for one in listed}


@pytest.mark.parametrize("place", [0, 3])
@pytest.mark.parametrize("bad", BAD)
def test_a_refused_reservation_is_set_aside_and_the_others_are_in_force(site: Site, bad: str, place: int) -> None:
    write(site)
    started = site.server.ask("status-get")["arguments"]["reload"]
    text, words = BAD[bad]
    words = WORDS.get(bad, words)
    write(site, *GOOD[:place], text, *GOOD[place:])
    (refused,) = report.read_refused(str(site.reported)).refused
    assert words in refused.reason
    status = report.read(str(site.reported))
    assert status
    assert [status.total(state) for state in ("written", "in_force", "refused")] == [4, 3, 1]
    second = FIRST[bad] if place == 0 and bad in FIRST else {"02:00:00:00:00:02": "10.0.0.2"}
    good = {"02:00:00:00:00:01": "10.0.0.1", "02:00:00:00:00:03": "10.0.0.3"}
    assert known(site) == {OWN["hw-address"]: SITE, **good, **second}
    assert site.server.ask("status-get")["arguments"]["reload"] >= started, "Kea was not reloaded"
