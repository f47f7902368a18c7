# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The public CI runs what ``make test`` runs, on the versions that the collection names."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from support.paths import ROOT
from support.suites import SUITES

MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def jobs() -> dict[str, Any]:
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))
    found: dict[str, Any] = workflow["jobs"]
    return found


def words_of(pattern: str) -> set[str]:
    found = re.search(pattern, MAKEFILE, re.MULTILINE)
    assert found
    return set(found[1].split())


def test_it_runs_every_part_of_make_test(jobs: dict[str, Any]) -> None:
    named = {word for target in jobs["test"]["strategy"]["matrix"]["target"] for word in target.split()}
    parts = words_of(r"^test: ([^#]*)") - {"molecule", "core"}
    assert parts - named == set()


def test_it_runs_every_scenario_of_make_molecule(jobs: dict[str, Any]) -> None:
    assert set(jobs["molecule"]["strategy"]["matrix"]["scenario"]) == words_of(r"^SCENARIOS := (.*)")


def test_it_runs_both_families_and_names_with_each_kea(jobs: dict[str, Any]) -> None:
    matrix = jobs["suites"]["strategy"]["matrix"]
    assert set(matrix["scenario"]) == {"dhcp6", "ddns"}
    assert matrix["suite"] == list(SUITES)


def test_the_scenarios_of_one_kea_take_the_suite_that_is_asked_for() -> None:
    for scenario in words_of(r"^ONE_SUITE := (.*)"):
        inventory = (ROOT / "molecule" / scenario / "inventory" / "hosts.yml").read_text(encoding="utf-8")
        assert "lookup('ansible.builtin.env', 'SUITE')" in inventory, scenario


def test_the_oldest_ansible_core_is_the_one_that_the_collection_requires(jobs: dict[str, Any]) -> None:
    runtime = yaml.safe_load((ROOT / "meta/runtime.yml").read_text(encoding="utf-8"))
    oldest = str(jobs["core"]["strategy"]["matrix"]["include"][0]["core"])
    assert words_of(r"^CORE \?= (.*)") == {oldest}
    assert runtime["requires_ansible"] == f">={'.'.join(oldest.split('.')[:2])}.0"
    roles = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in ROOT.glob("roles/*/meta/main.yml")]
    assert {f">={role['galaxy_info']['min_ansible_version']}" for role in roles} == {runtime["requires_ansible"]}
