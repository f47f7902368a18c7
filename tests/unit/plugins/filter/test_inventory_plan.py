# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan of the playbook kea_inventory.yml."""

from __future__ import annotations

import pytest
from ansible_collections.baremetal.kea.plugins.plugin_utils import _inventory_plan as inventory_plan

OWNER = {"owner": "ann", "group": "staff"}


def paths(read: dict[str, str], listed: str = "") -> list[tuple[str, str]]:
    found = inventory_plan.make("/srv/one", OWNER, read, listed)
    return [(entry["path"], entry.get("state", "file")) for entry in found]


def test_the_list_comes_before_the_files() -> None:
    assert paths({"b.yml": "2", "a.yaml": "1"}) == [
        ("/srv/one", "directory"),
        ("/srv/one/.gathered", "file"),
        ("/srv/one/a.yaml", "file"),
        ("/srv/one/b.yml", "file"),
    ]


def test_only_listed_files_are_removed() -> None:
    assert ("/srv/one/gone.yml", "absent") in paths({"a.yml": ""}, "a.yml\ngone.yml\n")
    assert paths({}, "../passwd\n.gathered\n") == [("/srv/one", "directory"), ("/srv/one/.gathered", "file")]


@pytest.mark.parametrize("name", ["../a.yml", ".a.yml", "a.txt", "a.yml\n", "a/b.yml", "-a.yml", ""])
def test_a_name_that_could_lead_elsewhere_is_ignored(name: str) -> None:
    assert len(paths({name: ""})) == 2


def test_every_file_has_content_mode_and_owner() -> None:
    written = inventory_plan.make("/srv/one", OWNER, {"a.yml": "text"}, "")[-1]
    assert written == {"path": "/srv/one/a.yml", "content": "text", "mode": "0644", **OWNER}


def test_directories_of_sinks_are_named_once() -> None:
    sinks = [
        {"type": "discovery", "directory": "/b"},
        {"type": "discovery", "directory": "/b"},
        {"type": "discovery"},
        {"type": "exec", "directory": "/c"},
    ]
    found = inventory_plan.discovery_directories("/a", [{"name": "x", "sinks": sinks}, {"name": "y"}])
    assert found == ["/a", "/b"]
