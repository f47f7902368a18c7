# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The facts of the preflight, on this machine and with stand-ins for what it does not have."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.baremetal.kea.plugins.module_utils._host import firewall, preflight, selinux
from support.modules import run_module

ASSETS = Path(__file__).parent / "assets"


def facts(**options: Any) -> dict[str, Any]:
    found: dict[str, Any] = run_module("kea_info", gather=["preflight"], **options)["preflight"]
    return found


def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, output: str, code: int = 0) -> None:
    (tmp_path / f"{name}.out").write_text(output)
    (tmp_path / name).write_text(f"#!/bin/sh\ncat {tmp_path / name}.out\nexit {code}\n")
    (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")


def test_a_host_as_it_is() -> None:
    found = facts()
    assert found["system"]["id"]
    assert [one["directory"] for one in found["disks"]] == ["/etc", "/opt", "/var/lib"]
    assert all(one["free"] > 0 for one in found["disks"])
    (lo,) = (one for one in found["interfaces"] if one["name"] == "lo")
    assert (lo["up"], lo["link"], lo["link_local"], lo["addresses"][0]) == (True, True, False, "127.0.0.1")
    assert found["time_synchronized"] in (True, False)
    assert found["servers"] == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('ID=ubuntu\nID_LIKE="debian"\nVERSION_ID="24.04"\n# NAME=x\n', ("ubuntu", ["debian"], "24.04")),
        (
            "ID=almalinux\nID_LIKE='rhel centos fedora'\nVERSION_ID=9.4\n",
            ("almalinux", ["rhel", "centos", "fedora"], "9.4"),
        ),
        ("", ("", [], "")),
    ],
)
def test_systems(text: str, expected: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "os-release").write_text(text)
    monkeypatch.setattr(preflight, "OS_RELEASE", (str(tmp_path / "none"), str(tmp_path / "os-release")))
    found = facts()["system"]
    assert (found["id"], found["like"], found["version"]) == expected


def test_addresses_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(tmp_path, monkeypatch, "ip", "", 1)
    assert all(one["addresses"] is None for one in facts()["interfaces"])


def test_programs_at_the_ports_of_dhcp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = (
        'UNCONN 0 0 0.0.0.0%virbr0:67 0.0.0.0:* users:(("dnsmasq",pid=12,fd=3))\n'
        'UNCONN 0 0 [::]:547 [::]:* users:(("dhcpd",pid=13,fd=4),("dhcpd",pid=14,fd=4))\n'
        "UNCONN 0 0 192.0.2.1:67 0.0.0.0:*\n"
        'UNCONN 0 0 127.0.0.1:53 0.0.0.0:* users:(("named",pid=15,fd=4))\n'
    )
    stand_in(tmp_path, monkeypatch, "ss", listed)
    seen = [tuple(one[key] for key in ("port", "address", "device", "program")) for one in facts()["dhcp_sockets"]]
    assert seen == [
        (67, "0.0.0.0", "virbr0", "dnsmasq"),  # noqa: S104
        (547, "::", None, "dhcpd"),
        (547, "::", None, "dhcpd"),
        (67, "192.0.2.1", None, ""),
    ]


@pytest.mark.parametrize(("output", "code"), [("no JSON", 0), ("", 1), ("{}", 0)])
def test_a_firewall_that_cannot_be_read(
    output: str, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(tmp_path, monkeypatch, "nft", output, code)
    seen = facts()
    assert (seen["firewall"], seen["firewall_unread"]) == (None, "nft cannot list the rules")


ACCEPTED = {"protocol": "udp", "first": 67, "last": 67}
UNCLEAR = "nftables, chain inet filter input, has a rule with a jump, a set or a map"


@pytest.mark.parametrize(
    ("name", "closed", "unread"),
    [
        ("debian", [], ""),
        ("workstation", [{"chain": "inet filter input", "accepted": []}], ""),
        ("iptables", [{"chain": "ip filter INPUT", "accepted": [ACCEPTED]}], ""),
        ("jump", None, UNCLEAR),
        ("set", None, UNCLEAR),
        ("map", None, UNCLEAR),
        ("states", None, UNCLEAR),
    ],
)
def test_rulesets_as_nft_lists_them(
    name: str, closed: Any, unread: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Recorded with nft 1.1.3: Debian's nftables.conf and its example workstation.nft, iptables-nft, and short ones."""
    stand_in(tmp_path, monkeypatch, "nft", (ASSETS / f"nft-{name}.json").read_text())
    seen = facts()
    assert (seen["firewall"], seen["firewall_unread"]) == (closed, unread)


def test_rules_of_iptables_legacy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tables").write_text("nat\nfilter\n")
    monkeypatch.setattr(firewall, "LEGACY_TABLES", str(tmp_path / "tables"))
    assert facts()["firewall_unread"] == "iptables-legacy has rules of its own, which nft does not list"


def test_jumps_of_firewalld_are_no_unread_rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (ASSETS / "nft-jump.json").read_text()
    stand_in(tmp_path, monkeypatch, "nft", text.replace('"table": "filter"', '"table": "firewalld"'))
    assert facts()["firewall_unread"] == ""


def test_sockets_that_cannot_be_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(tmp_path, monkeypatch, "ss", "", 1)
    assert facts()["dhcp_sockets"] is None


def test_names_that_do_not_resolve(tmp_path: Path) -> None:
    databases = [{"type": "mysql", "name": "h", "host": "db.invalid"}, {"type": "postgresql", "name": "k"}]
    (tmp_path / "kea-dhcp4.conf").write_text(json.dumps({"Dhcp4": {"hosts-databases": databases}}))
    six = {"type": "mysql", "name": "h", "host": "six.invalid"}
    (tmp_path / "kea-dhcp6.conf").write_text(json.dumps({"Dhcp6": {"hosts-database": six}}))
    found = facts(path=str(tmp_path / "kea-dhcp4.conf"), resolve=["127.0.0.1", "eda.invalid", "eda.invalid"])
    assert found["unresolved"] == ["eda.invalid", "db.invalid", "six.invalid"]


def test_directories_of_packages_count_if_they_are_file_systems(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preflight, "DIRECTORIES", (str(tmp_path),))
    monkeypatch.setattr(preflight, "MORE_DIRECTORIES", (str(tmp_path), "/proc", "/nosuch"))
    assert [one["directory"] for one in facts()["disks"]] == [str(tmp_path), "/proc"]


def test_a_firewall_that_drops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chain = {"family": "inet", "table": "filter", "name": "input", "type": "filter", "hook": "input", "policy": "drop"}
    stand_in(tmp_path, monkeypatch, "nft", json.dumps({"nftables": [{"chain": chain}]}))
    assert facts()["firewall"] == [{"chain": "inet filter input", "accepted": []}]


def test_a_host_without_firewalld_and_selinux(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(tmp_path, monkeypatch, "firewall-cmd", "", 252)
    assert (facts()["firewalld"], facts()["selinux"]) == (None, False)


@pytest.mark.parametrize("table", ["firewalld", "filter"])
def test_the_zones_of_firewalld(table: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    accept = [{"match": {"op": "==", "left": {"payload": {"protocol": "udp", "field": "dport"}}, "right": 67}}]
    rule = {"family": "inet", "table": table, "chain": "filter_IN_public_allow", "expr": [*accept, {"accept": None}]}
    stand_in(tmp_path, monkeypatch, "nft", json.dumps({"nftables": [{"metainfo": {}}, {"rule": rule}]}))
    stand_in(tmp_path, monkeypatch, "firewall-cmd", "block public\n")
    admitted = [{"protocol": "udp", "first": 67, "last": 67}] if table == "firewalld" else None
    assert facts()["firewalld"] == {"zones": ["block", "public"], "admitted": admitted}


def test_selinux_that_is_enabled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selinux, "ENABLED", str(tmp_path))
    assert facts()["selinux"]


def test_database_servers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        found = facts(connect=[f"127.0.0.1:{port}"])["servers"]
    found += facts(connect=[f"127.0.0.1:{port}", f"nosuch.invalid:{port}"])["servers"]
    assert [(one["resolved"], bool(one["error"])) for one in found] == [(True, False), (True, True), (False, True)]
    assert {one["port"] for one in found} == {port}
