# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which hosts a deployment leaves alone."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.baremetal.kea.plugins.filter import plan as filters
from ansible_collections.baremetal.kea.plugins.plugin_utils import _changes

SAME = {"deployed": 1, "known": True, "same_inputs": True, "changed": [], "databases": [], "error": None}
SERVES = {"serving": True, "outdated": False}
LOOK = {"changes": SAME, "server": SERVES}
NONE: dict[str, Any] = {"skipped": True}
RUN = {
    "is_server": True,
    "families": [4],
    "enable_database": False,
    "database_is_here": True,
    "full_run": False,
    "upgrade": False,
    "remote_certificates": False,
}
OURS = {"type": "postgresql"}
HERE = {"enable_database": True}
THERE = {"enable_database": True, "database_is_here": False}


@pytest.mark.parametrize(
    ("run", "looks", "databases", "reasons"),
    [
        ({}, [LOOK, NONE], [], []),
        (HERE, [LOOK, NONE], [], []),
        (THERE, [LOOK, NONE], [{"changes": SAME}], []),
        ({"families": [4, 6]}, [LOOK, {"server": SERVES}], [], []),
        # A host of the group kea_database.
        ({"is_server": False}, [{"changes": SAME}, NONE], [], []),
        ({"full_run": True}, [LOOK, NONE], [], ["kea_full_run"]),
        ({"upgrade": True}, [LOOK, NONE], [], ["kea_upgrade"]),
        ({"remote_certificates": True}, [LOOK, NONE], [], ["certificates are files of the host"]),
        ({}, [{"failed": True}, NONE], [], ["could not be inspected", "does not serve"]),
        ({}, [{**LOOK, "changes": {**SAME, "error": "no such manifest"}}, NONE], [], ["no such manifest"]),
        ({}, [{**LOOK, "changes": {**SAME, "deployed": None}}, NONE], [], ["never deployed"]),
        ({}, [{**LOOK, "changes": {**SAME, "known": False}}, NONE], [], ["no deployment finished"]),
        ({}, [{**LOOK, "changes": {**SAME, "same_inputs": False}}, NONE], [], ["variables or the collection"]),
        ({}, [{**LOOK, "changes": {**SAME, "changed": list("abcdefg")}}, NONE], [], ["a, b, c, d, e and 2 more"]),
        ({}, [{**LOOK, "server": {**SERVES, "serving": False}}, NONE], [], ["kea-dhcp4 does not serve"]),
        ({}, [{**LOOK, "server": {**SERVES, "outdated": True}}, NONE], [], ["not read all of its files"]),
        ({}, [{**LOOK, "server": {**SERVES, "pair_state": "hot-standby"}}, NONE], [], []),
        (HERE, [{**LOOK, "config": {"hosts_databases": [OURS, {"type": "mysql"}]}}, NONE], [], []),
        (HERE, [{**LOOK, "config": {"hosts_databases": [OURS, OURS]}}, NONE], [], ["a database of reservations"]),
        ({}, [{**LOOK, "config": {"hosts_databases": [OURS]}}, NONE], [], ["which may have changed"]),
        (
            {},
            [{**LOOK, "server": {**SERVES, "pair_state": "in-maintenance"}}, NONE],
            [],
            ["kea-dhcp4 is in-maintenance"],
        ),
        (
            {"families": [4, 6]},
            [LOOK, {"server": {**SERVES, "pair_state": "partner-in-maintenance"}}],
            [],
            ["kea-dhcp6 is partner-in-maintenance"],
        ),
        ({"families": [4, 6]}, [LOOK, NONE], [], ["kea-dhcp6 does not serve"]),
        ({"families": [6]}, [LOOK, {"server": SERVES}], [], []),
        (HERE, [{**LOOK, "changes": {**SAME, "databases": ["database:1/kea"]}}, NONE], [], ["database:1/kea"]),
        (THERE, [LOOK, NONE], [], ["not in the inventory"]),
        (THERE, [LOOK, NONE], [{"changes": {**SAME, "databases": ["database:1/kea"]}}], ["database:1/kea"]),
        (THERE, [LOOK, NONE], [{}], ["not known"]),
        # Of a database that this server does not use.
        ({}, [LOOK, NONE], [{"changes": {**SAME, "databases": ["database:1/kea"]}}], []),
    ],
)
def test_reasons(
    run: dict[str, Any], looks: list[dict[str, Any]], databases: list[dict[str, Any]], reasons: list[str]
) -> None:
    found = filters.reasons_to_deploy(looks, {**RUN, **run}, databases)
    assert len(found) == len(reasons), found
    for part, reason in zip(reasons, found):
        assert part in reason


def test_the_inputs_are_the_variables_and_the_collection(monkeypatch: pytest.MonkeyPatch) -> None:
    first = filters.deployment_inputs({"a": 1, "b": [{"c": 2}]}, {})
    assert first == filters.deployment_inputs({"b": [{"c": 2}], "a": 1}, {})
    assert first != filters.deployment_inputs({"a": 1, "b": [{"c": 3}]}, {})
    code = _changes._code()
    assert any(path.endswith("playbooks/kea_deploy.yml") for path in code)
    assert any(path.endswith("_manifest/fingerprint.py") for path in code)
    monkeypatch.setattr(_changes, "_code", lambda: {**code, "another": "file"})
    assert first != filters.deployment_inputs({"a": 1, "b": [{"c": 2}]}, {})


def test_a_password_is_not_in_the_digest() -> None:
    assert "a secret" not in filters.deployment_inputs({"password": "a secret"}, {})
