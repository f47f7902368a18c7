# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The preflight of kea_deploy.yml accepts every inventory of examples/, with files and passwords that a site has."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.paths import ROOT
from support.plans import FOUND, plans

pytestmark = pytest.mark.slow

EXAMPLES = sorted(path.parent.name for path in (ROOT / "examples").glob("*/inventory.yml"))
HOSTS = ("dhcp1.example.org", "dhcp2.example.org")
OWN = {
    "id": 1,
    "has_id": True,
    "subnet": "192.0.2.0/24",
    "pools": ["192.0.2.100 - 192.0.2.199"],
    "leases": 0,
    "file": "/etc/kea/kea-dhcp4.conf",
    "line": 9,
}
SERVER = {
    **FOUND,
    "config": {"untouched": False, "error": None, "included": [], "interfaces": ["eth0"]},
    "subnets": [
        {
            **OWN,
            "shared_network": None,
            "relay": [],
            "reservations": 0,
            "editable": True,
            "served": True,
            "pool_classes": {},
        }
    ],
}
"""A server with a configuration of its own."""


def site(name: str, directory: Path) -> Path:
    """Copy an example, and write the files that it names. Return its inventory."""
    copy = directory / name
    shutil.copytree(ROOT / "examples" / name, copy)
    text = (copy / "inventory.yml").read_text()
    (copy / "files").mkdir()
    for pattern in re.findall(r"files/([^\"]+)", text):
        for host in HOSTS:
            (copy / "files" / pattern.replace("{{ inventory_hostname }}", host)).write_text("a certificate or key\n")
    return copy / "inventory.yml"


def secrets(name: str) -> dict[str, Any]:
    text = (ROOT / "examples" / name / "inventory.yml").read_text()
    return dict.fromkeys(re.findall(r"vault_\w+", text), "YS1wYXNzd29yZA==")


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_preflight_accepts_an_example(name: str, tmp_path: Path) -> None:
    found = SERVER if name == "take-over" else FOUND
    planned = plans(tmp_path, site(name, tmp_path), found, secrets(name))
    assert planned
    refused = {host: plan["preflight"]["refusals"] for host, plan in planned.items()}
    assert {host: sentences for host, sentences in refused.items() if sentences} == {}


def test_a_wrong_variable_is_found(tmp_path: Path) -> None:
    inventory = site("file", tmp_path)
    content = yaml.safe_load(inventory.read_text())
    subnets = content["kea_servers"]["vars"]["kea_dhcp4_subnets"]
    subnets.append({**subnets[0], "subnet": "198.51.100.0/24", "pools": []})
    inventory.write_text(yaml.safe_dump(content))
    assert plans(tmp_path, inventory)["dhcp1.example.org"]["preflight"]["refusals"]


def test_the_page_names_every_example() -> None:
    page = (ROOT / "examples/README.md").read_text(encoding="utf-8")
    assert re.findall(r"\((\S+)/inventory\.yml\)", page) == [
        "file",
        "both-families",
        "database-tls",
        "pair",
        "ddns",
        "multi-site",
        "take-over",
    ]
    assert sorted(re.findall(r"\((\S+)/inventory\.yml\)", page)) == EXAMPLES
