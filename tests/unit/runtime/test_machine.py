# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a lease tells of a machine: in events, in discovery files and in conditions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from _kea import vendors
from kea_lease_monitor.errors import ConfigurationError
from kea_lease_monitor.kea import machine
from kea_lease_monitor.lease import LeaseEvent
from kea_lease_monitor.section import Section
from kea_lease_monitor.sinks.discovery import DiscoverySink, Options
from kea_lease_monitor.sinks.message import document
from kea_lease_monitor.subscriptions import Match

from runtime.builders import event

OPTION = "0x0108657468302f312f330206aabbccddeeff"
CLASS = "69:44:52:41:43"
CONTEXT = json.dumps({"ISC": {"relay-agent-info": OPTION, "binding-variables": {"vendor-class": CLASS}}})
EXPECTED = {"vendor": "Dell Inc.", "circuit_id": "eth0/1/3", "remote_id": "aa:bb:cc:dd:ee:ff", "vendor_class": "iDRAC"}


@pytest.fixture(autouse=True)
def _list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "oui.txt"
    path.write_text("B0-7B-25   (hex)\t\tDell Inc.\n")
    monkeypatch.setattr(machine.vendors, "of", lambda hwaddr, of=vendors.of: of(hwaddr, str(path)))


def dell() -> LeaseEvent:
    return event(1, hwaddr="b0:7b:25:00:00:01", user_context=CONTEXT)


def test_an_event_tells_of_the_machine() -> None:
    first, second = json.loads(document([dell(), event(2)]))["events"]
    assert first["machine"] == EXPECTED
    assert second["machine"] == dict.fromkeys(EXPECTED, "")


def test_a_discovery_file_tells_what_is_known(tmp_path: Path) -> None:
    files = tmp_path / "files"
    files.mkdir()
    DiscoverySink(Options(str(files), "bmcs", None)).deliver([dell(), event(2)])
    hosts: dict[str, Any] = {}
    for path in files.iterdir():
        hosts.update(yaml.safe_load(path.read_text())["bmcs"]["hosts"])
    known = hosts["bmc-b07b25000001"]
    names = ("bmc_vendor", "kea_circuit_id", "kea_remote_id", "kea_vendor_class")
    assert [known[name] for name in names] == list(EXPECTED.values())
    assert not set(names) & hosts["bmc-020000000002"].keys()
    (lease,) = [each for each in DiscoverySink(Options(str(files), "bmcs", None)).made() if each.address == "10.0.0.1"]
    assert (lease.hwaddr, lease.subnet_id) == ("b0:7b:25:00:00:01", 1)


@pytest.mark.parametrize(
    ("conditions", "selected"),
    [
        ({"vendors": ["dell*"]}, True),
        ({"vendors": ["HP*", "Dell Inc."]}, True),
        ({"vendors": ["hp*"]}, False),
        ({"circuit_ids": ["eth0/1/*"]}, True),
        ({"circuit_ids": ["eth0/2/*"]}, False),
        ({"remote_ids": ["AA:BB:*"]}, True),
        ({"vendor_classes": ["idrac*"]}, True),
        ({"vendor_classes": ["ilo*"]}, False),
        ({"vendors": ["dell*"], "remote_ids": ["11:*"]}, False),
    ],
)
def test_a_subscription_selects_machines(conditions: dict[str, Any], selected: bool) -> None:
    match = Match.parse(Section(conditions, "match"))
    assert match(dell()) is selected
    assert not match(event(2))
    assert str(match) != str(Match())


def test_conditions_are_texts() -> None:
    with pytest.raises(ConfigurationError, match=r"match.vendors\[0\]"):
        Match.parse(Section({"vendors": [5]}, "match"))
