# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""kea_reservation with the real Kea 3.0 of the newest host image, which is never reloaded here."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.by_command import Site, image, served
from support.kea import DIRECTORIES, KeaServer
from support.modules import run_module
from support.wait import until

pytestmark = [pytest.mark.kea, pytest.mark.slow]  # it needs an image of a host

A, B = "02:00:00:00:00:0a", "02:00:00:00:00:0b"
MARK = {"kea-lease-monitor": {"ip-address": "10.0.0.7"}}


def environment(monkeypatch: pytest.MonkeyPatch, directory: Path, hooks: Path) -> None:
    """Have the module test configurations with the image's Kea, too."""
    for name in (*DIRECTORIES, "KEA_LOG_FILE_DIR"):
        monkeypatch.setenv(name, str(directory))
    monkeypatch.setenv("KEA_HOOKS_PATH", str(hooks))
    monkeypatch.setenv("PATH", f"{directory}:{os.environ['PATH']}")


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    present = json.dumps({"hw-address": B, "ip-address": "10.0.0.7", "user-context": MARK})
    with served([present]) as found:
        config = found.directory / "kea-dhcp4.conf"
        # The name of the file tells the module which server reads it.
        config.write_text(found.server.config.read_text())
        found.server.config = config
        environment(monkeypatch, found.directory, found.hooks)
        yield found


def module(server: KeaServer, check: bool = False, **options: Any) -> dict[str, Any]:
    path = {"path": str(server.config), "kea_user": "root", "backup": False}
    return run_module("kea_reservation", check=check, **path, **options)


def hosts(server: KeaServer, subnet: int = 1) -> list[dict[str, Any]]:
    """Return what Kea has."""
    arguments = {"subnet-id": subnet, "operation-target": "memory"}
    answer = server.ask("reservation-get-all", **arguments)
    return list(answer["arguments"]["hosts"]) if answer["result"] == 0 else []


def test_a_reservation_is_in_force_without_a_reload(site: Site) -> None:
    server = site.server
    started = server.ask("status-get")["arguments"]["reload"]
    for client in ({"hw_address": A}, {"client_id": "01:02:03"}, {"duid": "00:01:02"}):
        wanted = {**client, "ip_address": "10.0.0.9", "hostname": "Bmc-9"}
        checked = module(server, check=True, **wanted)
        assert (checked["changed"], checked["in_force"], len(hosts(server))) == (True, True, 1), checked
        applied = module(server, **wanted)
        assert (applied["changed"], applied["in_force"]) == (True, True), applied
        assert [one["hostname"] for one in hosts(server) if one["ip-address"] == "10.0.0.9"] == ["Bmc-9"]
        again = module(server, **wanted)
        assert (again["changed"], again["in_force"]) == (False, True), again
        assert module(server, **{**wanted, "ip_address": "10.0.0.10"})["changed"]
        assert sorted(one["ip-address"] for one in hosts(server)) == ["10.0.0.10", "10.0.0.7"]
        gone = module(server, **client, subnet_id=1, state="absent")
        assert (gone["changed"], gone["in_force"], len(hosts(server))) == (True, True, 1), gone
        assert not module(server, **client, subnet_id=1, state="absent")["changed"]
    assert server.ask("status-get")["arguments"]["reload"] >= started


def test_a_managed_reservation_gives_way_and_what_kea_refuses_is_in_neither(site: Site) -> None:
    server = site.server
    applied = module(server, hw_address=A, ip_address="10.0.0.7")
    assert applied["gave_way"] == ["10.0.0.7 in 10.0.0.0/8 (id 1)"], applied
    assert [one["hw-address"] for one in hosts(server)] == [A]
    other = {"subnet-id": 1, "hw-address": B, "ip-address": "10.0.0.8"}
    assert server.ask("reservation-add", reservation=other, **{"operation-target": "memory"})["result"] == 0
    before = server.config.read_bytes()
    for client in (A, "02:00:00:00:00:0c"):
        refused = module(server, hw_address=client, ip_address="10.0.0.8")
        assert "There's already a reservation for this address. Nothing was changed" in refused["msg"]
        assert server.config.read_bytes() == before
        assert {(one["hw-address"], one["ip-address"]) for one in hosts(server)} == {(A, "10.0.0.7"), (B, "10.0.0.8")}


def test_the_applier_leaves_it_as_it_is(site: Site) -> None:
    """The managed reservation that gives way comes back afterwards, because its client still has the lease."""
    server = site.server
    with site.leases.open("a") as leases:
        leases.write(f"10.0.0.7,{B},,4294967295,0,1,0,0,,0,\n")
    site.start_applier()
    until(site.is_applied, site.said, 120)
    assert module(server, hw_address=A, ip_address="10.0.0.7")["in_force"]
    refused = site.reported / "refused.json"
    until(lambda: refused.exists() and B in refused.read_text(), site.said, 120)
    assert [one["hw-address"] for one in hosts(server)] == [A]
    assert not module(server, hw_address=A, ip_address="10.0.0.7")["changed"]
    assert module(server, hw_address=A, subnet_id=1, state="absent")["in_force"]
    until(lambda: [one["hw-address"] for one in hosts(server)] == [B], site.said, 120)


def test_a_dhcpv6_reservation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with image(tmp_path) as (program, hooks):
        environment(monkeypatch, tmp_path, hooks)
        six = program.replace("kea-dhcp4", "kea-dhcp6")
        server = KeaServer(tmp_path, family=6, config=tmp_path / "kea-dhcp6.conf", program=six)
        server.configure(
            {
                "interfaces-config": {"interfaces": []},
                "lease-database": {"type": "memfile", "persist": False},
                "hooks-libraries": [{"library": f"{hooks}/libdhcp_host_cmds.so"}],
                "subnet6": [{"id": 5, "subnet": "2001:db8::/64"}],
            }
        )
        server.launch("-p", "10072", KEA_HOOKS_PATH=str(hooks))
        try:
            until(server.answers, lambda: server.log.read_text()[-2000:], 120)
            wanted = {"duid": "00:03:00:01:0a", "ip_address": "2001:DB8::7", "hostname": "six"}
            applied = module(server, **wanted)
            assert (applied["changed"], applied["in_force"]) == (True, True), applied
            assert [one["ip-addresses"] for one in hosts(server, 5)] == [["2001:db8::7"]]
            assert not module(server, **wanted)["changed"]
            assert module(server, **{**wanted, "ip_address": "2001:db8::8"})["changed"]
            assert [one["ip-addresses"] for one in hosts(server, 5)] == [["2001:db8::8"]]
            assert module(server, duid="00:03:00:01:0a", subnet_id=5, state="absent")["in_force"]
            assert hosts(server, 5) == []
        finally:
            server.stop()
