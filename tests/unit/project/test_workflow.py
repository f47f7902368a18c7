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
    parts = words_of(r"^test: ([^#]*)") | words_of(r"^APART := (.*)")
    parts -= {"molecule", "apart", "core"}
    assert parts - named == set()


def test_it_runs_every_scenario_of_make_molecule(jobs: dict[str, Any]) -> None:
    assert set(jobs["molecule"]["strategy"]["matrix"]["scenario"]) == words_of(r"^SCENARIOS := (.*)")
    assert words_of(r"^BESIDE := (.*)") < words_of(r"^SCENARIOS := (.*)")


def test_it_runs_both_families_and_names_with_each_kea(jobs: dict[str, Any]) -> None:
    matrix = jobs["suites"]["strategy"]["matrix"]
    assert set(matrix["scenario"]) == {"dhcp6", "ddns"}
    assert matrix["suite"] == list(SUITES)


def test_it_runs_the_pages_for_a_new_user_each_week(jobs: dict[str, Any]) -> None:
    weekly = jobs["weekly"]
    scenarios = set(weekly["strategy"]["matrix"]["scenario"])
    assert scenarios == {"first", "examples"}
    assert scenarios <= words_of(r"^MORE := (.*)")
    assert "github.event_name == 'schedule'" in weekly["if"]
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert all(f"`make molecule-{scenario}`" in readme for scenario in scenarios)


def test_make_core_runs_the_inventory_with_real_programs() -> None:
    """Those tests are slow, and the rest of ``make core`` leaves slow tests out."""
    [recipe] = re.findall(r"^core: .*\n((?:\t.*\n)+)", MAKEFILE, re.MULTILINE)
    assert "-m 'slow and not kea and not postgres' tests/unit/plugins/inventory\n" in recipe


def test_the_scenarios_of_one_kea_take_the_suite_that_is_asked_for() -> None:
    for scenario in words_of(r"^ONE_SUITE := (.*)"):
        inventory = (ROOT / "molecule" / scenario / "inventory" / "hosts.yml").read_text(encoding="utf-8")
        assert "lookup('ansible.builtin.env', 'SUITE')" in inventory, scenario


def test_the_demo_runs_with_the_oldest_and_the_newest_ansible_core(jobs: dict[str, Any]) -> None:
    cores = jobs["core"]["strategy"]["matrix"]["include"]
    assert jobs["demo-core"]["strategy"]["matrix"]["include"] == [cores[0], cores[-1]]


def test_it_runs_what_needs_a_package_of_its_own(jobs: dict[str, Any]) -> None:
    extensions = {job["target"]: job["package"] for job in jobs["extensions"]["strategy"]["matrix"]["include"]}
    assert extensions == {
        "eda": "openjdk-17-jre-headless",
        "monitoring": "prometheus",
        "importer": "python3-venv",
    }
    assert {target for target in extensions if not re.search(rf"^{target}:", MAKEFILE, re.MULTILINE)} == set()


def test_the_readme_names_what_make_test_leaves_out() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    found = re.search(r"- (\d+) of the (\d+) scenarios on whole hosts: (.*?)\. Each", readme, re.DOTALL)
    assert found
    run, left_out = words_of(r"^SCENARIOS := (.*)"), words_of(r"^MORE := (.*)")
    assert set(re.findall(r"`(\w+)`", found[3])) == left_out
    assert (int(found[1]), int(found[2])) == (len(left_out), len(left_out | run))
    assert f"{len(run)} scenarios on whole hosts" in readme


def test_the_readme_names_the_versions_of_ansible_core(jobs: dict[str, Any]) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (2\.\S*?)(?:, the \w+)?(?:, (2\.\S+))? \| (3\.\d+) \|", readme, re.MULTILINE)
    named = {(core, python) for *cores, python in rows for core in cores if core}
    python = {"debian:12": "3.11", "debian:13": "3.13"}
    run = {(str(job["core"]), python[job["image"]]) for job in jobs["core"]["strategy"]["matrix"]["include"]}
    pinned = re.search(
        r"^ansible-core==(.*)", (ROOT / "requirements-dev.txt").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert pinned
    assert named == run | {(pinned[1], "3.11")}


def test_every_command_is_a_target(jobs: dict[str, Any]) -> None:
    commands = [
        step["run"] for job in jobs.values() for step in job["steps"] if step.get("run", "").startswith("make ")
    ]
    targets = {word for command in commands for word in command.split()[1:] if re.fullmatch(r"[a-z-]+", word)}
    assert {target for target in targets if not re.search(rf"^{target}:", MAKEFILE, re.MULTILINE)} == set()


def test_the_oldest_ansible_core_is_the_one_that_the_collection_requires(jobs: dict[str, Any]) -> None:
    runtime = yaml.safe_load((ROOT / "meta/runtime.yml").read_text(encoding="utf-8"))
    oldest = str(jobs["core"]["strategy"]["matrix"]["include"][0]["core"])
    assert words_of(r"^CORE \?= (.*)") == {oldest}
    assert runtime["requires_ansible"] == f">={'.'.join(oldest.split('.')[:2])}.0"
    roles = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in ROOT.glob("roles/*/meta/main.yml")]
    assert {f">={role['galaxy_info']['min_ansible_version']}" for role in roles} == {runtime["requires_ansible"]}
