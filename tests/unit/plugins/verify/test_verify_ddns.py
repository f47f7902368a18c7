# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What kea_verify says of D2 and of names in DNS."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.baremetal.kea.plugins.module_utils._verify import ddns
from ansible_collections.baremetal.kea.plugins.module_utils._verify.finding import Expected, Finding

EXPECTED = Expected("memfile", "files", True, False, "_kea", "kea-lease-monitor")
LOOKS = (ddns.server, ddns.sends, ddns.zones, ddns.names)
ZONE = {"zone": "bmc.example.", "server": "192.0.2.53", "error": ""}
GOOD: dict[str, Any] = {
    "server": {
        "version": "3.0.3",
        "unit": {"name": "kea-dhcp-ddns-server.service", "active": True},
        "serving": True,
        "outdated": False,
    },
    "failures": 0,
    "zones": [ZONE],
    "names": {"looked_up": 7, "wrong": [], "error": ""},
}


def judged(sends: bool = True, **changes: Any) -> list[Finding]:
    found = {**GOOD, **changes}
    found["server"] = {**GOOD["server"], **changes.get("server", {})}
    facts = {"ddns": found, "config": {"dhcp_ddns": {"enable-updates": True} if sends else None}}
    return [one for look in LOOKS for one in look(facts, EXPECTED)]


def test_a_host_without_names_has_no_finding() -> None:
    facts = {"ddns": None, "config": {"dhcp_ddns": None}}
    assert [one for look in LOOKS for one in look(facts, EXPECTED)] == []


def test_all_is_well() -> None:
    assert {one.verdict for one in judged()} == {"ok"}


@pytest.mark.parametrize(
    ("changes", "name", "verdict", "words"),
    [
        ({"server": {"unit": None}}, "ddns", "wrong", "is not installed"),
        ({"server": {"unit": {"name": "d2", "active": False}}}, "ddns", "wrong", "d2 does not run"),
        ({"server": {"serving": False}}, "ddns", "wrong", "does not answer on its control channel"),
        ({"server": {"outdated": True}}, "ddns in force", "warn", "were changed after it started"),
        ({"sends": False}, "ddns", "wrong", "does not send names"),
        (
            {"zones": [{**ZONE, "error": "no answer"}]},
            "dns",
            "wrong",
            "192.0.2.53 does not answer for bmc.example.: no",
        ),
        ({"names": {"looked_up": 2, "wrong": ["a. is b"], "error": ""}}, "names", "warn", "1 of 2 names are wrong"),
        ({"names": {"looked_up": 0, "wrong": [], "error": "no hook"}}, "names", "warn", "cannot be looked up: no hook"),
    ],
)
def test_each_fault_has_one_finding(changes: dict[str, Any], name: str, verdict: str, words: str) -> None:
    (found,) = [one for one in judged(**changes) if one.verdict != "ok"]
    assert (found.name, found.verdict) == (name, verdict)
    assert words in found.seen
    assert found.todo


def test_a_name_that_the_other_family_has_is_not_waited_for() -> None:
    wrong = ["a. is 192.0.2.7 of the other family, not 2001:db8::7"]
    (found,) = [one for one in judged(names={"looked_up": 2, "wrong": wrong, "error": ""}) if one.verdict != "ok"]
    assert found.todo == "docs/ddns.md, one name for both families"
    (both,) = [
        one for one in judged(names={"looked_up": 2, "wrong": [*wrong, "b. is missing"], "error": ""}) if one.todo
    ]
    assert both.todo.startswith("wait five minutes")


def test_failed_changes_are_told() -> None:
    (found,) = [one for one in judged(failures=3) if one.name == "ddns"]
    assert found.seen.endswith("3 changes failed since it started")
