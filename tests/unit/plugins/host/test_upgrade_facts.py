# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an upgrade of Kea's packages would bring."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.modules import run_module
from support.paths import ROOT
from support.programs import run

POLICY = """\
kea-dhcp4-server:
  Installed: {installed}
  Candidate: {offered}
  Version table:
     3.0.3-1~bpo13+1 100
        100 http://deb.example.org/debian trixie-backports/main amd64 Packages
 *** 2.6.3-1 500
        100 /var/lib/dpkg/status
kea-admin:
  Installed: (none)
  Candidate: 3.0.3-1~bpo13+1
  Version table:
"""
IN_DATABASE = '{ "Dhcp4": { "lease-database": { "type": "postgresql" } } }'
IN_FILES = '{ "Dhcp4": { "lease-database": { "type": "memfile" } } }'


def look(path: Path, **options: Any) -> dict[str, Any]:
    found: dict[str, Any] = run_module("kea_info", gather=["upgrade"], path=str(path), **options)["upgrade"]
    return found


def offer(directory: Path, monkeypatch: pytest.MonkeyPatch, installed: str, offered: str) -> None:
    """Let apt offer this version."""
    program = directory / "apt-cache"
    text = POLICY.format(installed=installed, offered=offered)
    program.write_text(f"#!/bin/sh\nprintf '%s\\n' \"$*\" >{directory}/said\ncat <<'END'\n{text}END\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{directory}:{os.environ['PATH']}")


@pytest.mark.parametrize(
    ("config", "offered", "expected"),
    [
        (IN_FILES, "2.6.3-1", ([], "2.6.3", False)),
        (IN_FILES, "3.0.3-1~bpo13+1", (["kea-dhcp4-server"], "3.0.3", False)),
        (IN_DATABASE, "3.0.3-1~bpo13+1", (["kea-dhcp4-server"], "3.0.3", True)),
        (IN_DATABASE, "1:2.6.4-1", (["kea-dhcp4-server"], "2.6.4", False)),
    ],
)
def test_newer_packages_and_whether_they_need_another_schema(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: str, offered: str, expected: tuple[list[str], str, bool]
) -> None:
    (tmp_path / "kea-dhcp4.conf").write_text(config)
    offer(tmp_path, monkeypatch, "2.6.3-1", offered)
    found = look(tmp_path / "kea-dhcp4.conf", packaging="debian", release="trixie-backports")
    assert (found["newer"], found["offered"], found["needs_schema"]) == expected
    assert (found["installed"], found["error"]) == ("2.6.3", None)
    assert (tmp_path / "said").read_text().startswith("--target-release trixie-backports policy kea-dhcp4-server ")


IN_MYSQL = '{ "Dhcp4": { "lease-database": { "type": "mysql" } } }'


@pytest.mark.parametrize(("offered", "refused"), [("3.0.3-1", True), ("2.6.4-1", False)])
def test_a_schema_that_no_play_upgrades_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, offered: str, refused: bool
) -> None:
    (tmp_path / "kea-dhcp4.conf").write_text(IN_MYSQL)
    offer(tmp_path, monkeypatch, "2.6.3-1", offered)
    error = look(tmp_path / "kea-dhcp4.conf", packaging="debian")["error"]
    assert ("kea-admin db-upgrade mysql" in (error or "")) is refused


@pytest.mark.kea
def test_a_release_that_apt_does_not_know_is_named(tmp_path: Path) -> None:
    found = look(tmp_path / "kea-dhcp4.conf", packaging="debian", release="no-such-release")
    assert "no-such-release" in found["error"]


def test_a_version_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    offer(tmp_path, monkeypatch, "2.6.3-1", "(none)")
    assert "'(none)' is not a version of Kea" in look(tmp_path / "kea-dhcp4.conf", packaging="debian")["error"]


def test_a_host_without_kea_has_nothing_to_upgrade(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    offer(tmp_path, monkeypatch, "(none)", "3.0.3-1")
    found = look(tmp_path / "kea-dhcp4.conf", packaging="debian")
    assert (found["newer"], found["installed"], found["error"]) == ([], None, None)


@pytest.mark.kea
def test_the_apt_of_this_machine_tells_its_kea(tmp_path: Path) -> None:
    found = look(tmp_path / "kea-dhcp4.conf", packaging="debian")
    assert found["error"] is None
    assert re.fullmatch(r"\d+\.\d+\.\d+", found["installed"])


SHOWN = """
- hosts: localhost
  gather_facts: false
  vars_files: [ROLES/vars/main.yml]
  vars: {kea_server_shared_database: SHARED, kea_server__offers: OFFERS}
  tasks: [TASK, {debug: {msg: "handed over: {{ not kea_server__is_silent }}."}}]
"""
OFFER = {"installed": "2.6.3", "offered": "3.0.3", "needs_schema": True, "newer": []}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shared", "needs_schema", "words"),
    [
        (True, True, ["Kea 2.6.3 becomes 3.0.3", "both servers of a pair are silent", "handed over: False."]),
        (False, True, ["Kea 2.6.3 becomes 3.0.3", "its partner serves its clients", "handed over: True."]),
        (True, False, ["handed over: True."]),
    ],
)
def test_who_is_silent_in_an_upgrade_is_printed(
    tmp_path: Path, shared: bool, needs_schema: bool, words: list[str]
) -> None:
    tasks = yaml.safe_load((ROOT / "roles/kea_server/tasks/upgrade.yml").read_text())
    (task,) = [one for one in tasks if one["name"].startswith("Show which upgrade")]
    offers = {"results": [{"item": 4, "upgrade": {**OFFER, "needs_schema": needs_schema}}]}
    values = {"SHARED": shared, "OFFERS": offers, "TASK": task}
    text = SHOWN.replace("ROLES", str(ROOT / "roles/kea_server"))
    for name, value in values.items():
        text = text.replace(name, json.dumps(value))
    (tmp_path / "play.yml").write_text(text)
    told = run("ansible-playbook", "--inventory", "localhost,", "--connection", "local", str(tmp_path / "play.yml"))
    told = " ".join(re.sub(r"\x1b\[[0-9;]*m", "", told).split())
    assert [one for one in words if one not in told] == [], told
    assert ("becomes" in told) == needs_schema
