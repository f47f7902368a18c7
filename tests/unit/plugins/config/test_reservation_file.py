# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""kea_reservation in a configuration that the real Kea tests."""

from __future__ import annotations

import json
import os
import pwd
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.baremetal.kea.plugins.module_utils._config import swap
from ansible_collections.baremetal.kea.plugins.module_utils._kea import locks, reservation_files
from ansible_collections.baremetal.kea.plugins.module_utils._server import giving_way
from support.modules import run_module

pytestmark = pytest.mark.kea

A, B, C = "02:00:00:00:00:0a", "02:00:00:00:00:0b", "02:00:00:00:00:0c"


@pytest.fixture
def etc(directory: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file-mode host with a reservation of a person, a shared network and a comment."""
    monkeypatch.setenv("PATH", "/usr/bin:/usr/sbin:/bin:/sbin")
    applied = directory / "reservations.d" / "applied"
    applied.mkdir(parents=True)
    for path in (applied.parent, applied):
        os.chown(path, pwd.getpwnam("_kea").pw_uid, -1)
    managed = applied / "subnet-2.json"
    mark = {"kea-lease-monitor": {"ip-address": "198.51.100.7"}}
    managed.write_text(json.dumps({"hw-address": B, "ip-address": "198.51.100.7", "user-context": mark}) + "\n")
    config = directory / "kea-dhcp4.conf"
    config.write_text(
        f"""{{ "Dhcp4": {{ // the site's own words
  "lease-database": {{ "type": "memfile", "persist": false }},
  "subnet4": [ {{ "id": 1, "subnet": "192.0.2.0/24",
    "reservations": [ {{ "hw-address": "{C}", "hostname": "ours" }} ] }} ],
  "shared-networks": [ {{ "name": "n", "subnet4": [
    {{ "id": 2, "subnet": "198.51.100.0/24", "reservations": [ <?include "{managed}"?> ] }} ] }} ] }} }}"""
    )
    os.chmod(config, 0o644)
    return config


def test_it_writes_into_the_configuration(etc: Path) -> None:
    found = etc.read_text()
    managed = etc.parent / "reservations.d" / "applied" / "subnet-2.json"
    wanted = {"path": str(etc), "hw_address": A, "ip_address": "198.51.100.7", "hostname": "bmc-7", "backup": False}
    assert run_module("kea_reservation", check=True, **wanted)["changed"]
    assert (etc.read_text(), B in managed.read_text()) == (found, True)
    applied = run_module("kea_reservation", **wanted)
    assert applied["changed"], applied
    assert applied["kept_in"] == "configuration"
    assert applied["gave_way"] == ["198.51.100.7 in 198.51.100.0/24 (id 2)"]
    assert B not in managed.read_text()
    assert "// the site's own words" in etc.read_text()
    assert not run_module("kea_reservation", **wanted)["changed"]

    etc.write_text(etc.read_text().replace("bmc-7", "drift"))
    assert run_module("kea_reservation", **wanted)["changed"]
    assert "bmc-7" in etc.read_text()

    gone = {"path": str(etc), "hw_address": A, "subnet_id": 2, "state": "absent", "backup": False}
    assert run_module("kea_reservation", check=True, **gone)["changed"]
    assert "bmc-7" in etc.read_text()
    assert run_module("kea_reservation", **gone)["changed"]
    assert "bmc-7" not in etc.read_text()
    assert C in etc.read_text()
    assert not run_module("kea_reservation", **gone)["changed"]


def test_a_name_alone_is_refused(etc: Path) -> None:
    """B11: Kea refuses a second reservation for the client, so its address would not be kept."""
    found = etc.read_text()
    refused = run_module("kea_reservation", path=str(etc), hw_address=A, hostname="x", subnet_id=1)
    assert refused["failed"]
    assert refused["msg"].startswith("ip-address: missing: a name alone in Kea's configuration")
    assert etc.read_text() == found


def test_what_kea_refuses_changes_nothing(etc: Path) -> None:
    run_module("kea_reservation", path=str(etc), hw_address=A, ip_address="192.0.2.7", backup=False)
    found = etc.read_text()
    refused = run_module("kea_reservation", path=str(etc), hw_address=B, ip_address="192.0.2.7", backup=False)
    assert refused["failed"]
    assert "192.0.2.7" in refused["msg"]
    assert etc.read_text() == found


def test_what_gives_way_waits_for_the_applier(etc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(giving_way, "LOCK_TIMEOUT", 0.0)
    applied = etc.parent / "reservations.d" / "applied"
    found, managed = etc.read_text(), (applied / "subnet-2.json").read_text()
    wanted = {"path": str(etc), "hw_address": A, "ip_address": "198.51.100.7", "backup": False}
    with locks.held(str(applied / reservation_files.LOCK), 0):
        other = run_module("kea_reservation", **{**wanted, "ip_address": "198.51.100.8"})
        assert other["changed"], "nothing gives way, so nothing is locked"
        found = etc.read_text()
        refused = run_module("kea_reservation", **wanted)
    assert refused["failed"]
    assert f"still locked by process {os.getpid()} (" in refused["msg"]
    assert (etc.read_text(), (applied / "subnet-2.json").read_text()) == (found, managed)
    assert (applied / reservation_files.LOCK).stat().st_uid == applied.stat().st_uid, "the applier may open it"


def test_the_applier_waits_until_the_configuration_is_in_its_place(etc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = str(etc.parent / "reservations.d" / "applied" / reservation_files.LOCK)
    wanted = {"path": str(etc), "hw_address": A, "ip_address": "198.51.100.7", "backup": False}
    seen: list[str] = []

    def test(*_arguments: Any) -> None:
        with pytest.raises(locks.LockedError), locks.held(lock, 0):
            pass
        seen.append("tested")

    monkeypatch.setattr(swap, "_ask_kea", test)
    assert run_module("kea_reservation", **wanted)["gave_way"]
    assert seen == ["tested"]
    with locks.held(lock, 0):
        pass
