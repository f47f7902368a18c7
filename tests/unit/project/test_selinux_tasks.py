# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""On which hosts the tasks for SELinux run. There is no host with SELinux, so each task only shows its options."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Iterator

import yaml
from support.paths import ROOT
from support.programs import run

PACKAGES = ["policycoreutils-python-utils", "python3-libselinux"]
NAMES: dict[str, Any] = yaml.safe_load((ROOT / "playbooks/vars/names.yml").read_text(encoding="utf-8"))
RULE = f"fcontext:{NAMES['kea__programs']}"
LACKS = [*(f"package:{name}" for name in PACKAGES), RULE]
HOSTS: dict[str, dict[str, Any]] = {
    "new": {"selinux": True, "packages": PACKAGES, "absent": LACKS},
    "again": {"selinux": True, "packages": PACKAGES, "absent": []},
    "repaired": {"selinux": True, "packages": PACKAGES, "absent": [RULE]},
    "disabled": {"selinux": False, "packages": PACKAGES, "absent": LACKS},
    "debian": {"selinux": True, "packages": [], "absent": [RULE]},
}


def loaded(path: str) -> Any:
    return yaml.safe_load((ROOT / "playbooks" / path).read_text(encoding="utf-8"))


def action_of(task: dict[str, Any]) -> str:
    """Return the module of a task, or the word block."""
    return next(key for key in task if "." in key or key == "block")


def tasks_of(tasks: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the tasks with their conditions, each of which keeps its options for the test instead of what it does."""
    for task in tasks:
        name = action_of(task)
        if name == "block":
            yield {**task, "block": list(tasks_of(task["block"]))}
            continue
        kept = {key: value for key, value in task.items() if key in ("when", "vars")}
        yield {**kept, "ansible.builtin.set_fact": {"kept": {"name": name, "options": task[name]}}}
        yield {**kept, "ansible.builtin.set_fact": {"shown": "{{ shown + [kept] }}"}}


def shown(tmp_path: Path, *options: str) -> dict[str, dict[str, Any]]:
    """Return the options of the modules that run on each host, by module."""
    (include,) = (
        task
        for play in loaded("kea_deploy.yml")
        for task in play["tasks"]
        if task.get("ansible.builtin.include_tasks") == "tasks/selinux.yml"
    )
    block = {"when": include["when"], "block": list(tasks_of(loaded("tasks/selinux.yml")))}
    tell = {"content": "{{ shown | to_json }}", "dest": f"{tmp_path}/{{{{ inventory_hostname }}}}"}
    write = {"ansible.builtin.copy": tell, "delegate_to": "localhost", "connection": "local", "check_mode": False}
    play = {"hosts": "all", "gather_facts": False, "vars": {"kea__programs": NAMES["kea__programs"]}}
    (tmp_path / "play.yml").write_text(json.dumps([{**play, "tasks": [block, write]}]))
    found = {
        host: {
            "shown": [],
            "kea__found": {"preflight": {"selinux": seen["selinux"]}, "packaging": {"selinux": seen["packages"]}},
            "kea__selinux": {"absent": seen["absent"]},
        }
        for host, seen in HOSTS.items()
    }
    (tmp_path / "site.json").write_text(json.dumps({"all": {"hosts": found}}))
    run("ansible-playbook", *options, "--inventory", str(tmp_path / "site.json"), str(tmp_path / "play.yml"))
    listed = {host: json.loads((tmp_path / host).read_text()) for host in HOSTS}
    return {host: {one["name"].split(".")[-1]: one["options"] for one in several} for host, several in listed.items()}


def test_the_rule_is_set_where_selinux_is_enabled_and_the_policy_is_that_of_red_hat(tmp_path: Path) -> None:
    seen = shown(tmp_path)
    assert list(seen["new"]) == ["kea_manifest", "dnf", "sefcontext", "command"]
    assert seen["new"]["kea_manifest"]["things"] == {"package": PACKAGES, "fcontext": [NAMES["kea__programs"]]}
    assert seen["new"]["dnf"]["name"] == PACKAGES
    assert seen["new"]["sefcontext"] == {"target": NAMES["kea__programs"], "ftype": "f", "setype": "bin_t"}
    # Also where a run was killed between the rule and the labels.
    assert list(seen["again"]) == list(seen["repaired"]) == ["kea_manifest", "sefcontext", "command"]
    assert (seen["disabled"], seen["debian"]) == ({}, {})


def test_check_mode_needs_no_package_that_is_still_missing(tmp_path: Path) -> None:
    seen = shown(tmp_path, "--check")
    assert (list(seen["new"]), list(seen["again"])) == (
        ["kea_manifest", "dnf", "command"],
        ["kea_manifest", "sefcontext", "command"],
    )
