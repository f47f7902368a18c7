# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which edits of a person since the last deployment a restart of Kea would bring into force (E10)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.baremetal.kea.plugins.module_utils._kea import control
from ansible_collections.baremetal.kea.plugins.module_utils._manifest import edited
from ansible_collections.baremetal.kea.plugins.module_utils._manifest.document import Manifest
from support.modules import run_module

SUBNET = {"id": 1, "subnet": "192.0.2.0/24", "reservations": []}
DEPLOYED: dict[str, Any] = {
    "control-socket": {"socket-type": "unix", "socket-name": "/control"},
    "valid-lifetime": 600,
    "subnet4": [SUBNET],
}


class Site:
    """A configuration that was deployed, and a Kea that read it so many seconds ago."""

    def __init__(self, root: Path) -> None:
        self.store = root / "store"
        self.config = root / "kea-dhcp4.conf"
        self.read = 60
        self.running: dict[str, Any] = DEPLOYED
        self.write(DEPLOYED)
        self.do("intended", things={"file": [str(self.config)]})
        self.do("made")

    def do(self, state: str, **options: Any) -> None:
        result = run_module("kea_manifest", state=state, directory=str(self.store), **options)
        assert not result["failed"], result

    def write(self, settings: dict[str, Any], comment: str = "") -> None:
        self.config.write_text(comment + json.dumps({"Dhcp4": settings}))

    def send(self, _path: str, command: str, _timeout: float, _arguments: object = None) -> control.Answer:
        found = {"status-get": {"reload": self.read}, "config-get": {"Dhcp4": self.running}}
        return control.Answer(control.SUCCESS, "", found[command])

    def edited(self) -> bool:
        path = str(self.config)
        found = edited.edited(path, [path], Manifest(str(self.store)))
        assert found in ([], [path])
        return bool(found)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    one = Site(tmp_path)
    monkeypatch.setattr(control, "send", one.send)
    return one


def test_an_edit_is_one_until_kea_has_read_it(site: Site) -> None:
    assert not site.edited()
    site.write({**DEPLOYED, "valid-lifetime": 700})
    assert site.edited()
    site.read = 0
    assert not site.edited()


def test_a_configuration_that_cannot_be_read_was_edited(site: Site) -> None:
    site.config.write_text("{")
    assert site.edited()


def test_reservations_comments_and_what_kea_wrote_itself_are_no_edits(site: Site) -> None:
    reserved = {**SUBNET, "reservations": [{"hw-address": "02:00:00:00:00:01"}]}
    site.write({**DEPLOYED, "subnet4": [reserved]}, comment="// by hand\n")
    assert not site.edited()
    site.running = {**DEPLOYED, "valid-lifetime": 700, "decline-probation-period": 86400}
    site.write(site.running)
    assert not site.edited()


def test_before_a_deployment_and_after_a_killed_one_nothing_is_certain(site: Site) -> None:
    site.do("intended", things={"file": [str(site.config)]})
    site.write({**DEPLOYED, "valid-lifetime": 700})
    assert not site.edited()
    site.do("made")
    assert not site.edited()
    site.write({**DEPLOYED, "valid-lifetime": 800})
    assert site.edited()
    (site.store / "manifest.json").unlink()
    assert not site.edited()
