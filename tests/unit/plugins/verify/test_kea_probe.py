# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What kea_probe refuses. test_probe_sent.py sends a lease through a real Kea."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.modules import run_module
from support.postgres import Cluster, postgres_cluster

pytestmark = [pytest.mark.kea, pytest.mark.postgres]

HWADDR = "02:4b:45:41:00:01"
SUBNETS = {4: "192.0.2.0/24", 6: "2001:db8::/64"}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with postgres_cluster() as running:
        running.sql("CREATE DATABASE kea")
        assert run_module("kea_schema", **running.login)["changed"]
        assert run_module("kea_lease_notify", lease6=True, **running.login)["changed"]
        yield running


def probed(cluster: Cluster, directory: Path, family: int, interfaces: Any = ("lo",), **options: Any) -> dict[str, Any]:
    config = {"interfaces-config": {"interfaces": list(interfaces)}, "lease-database": {"type": "postgresql"}}
    config["interfaces-config"].update(options.pop("listening", {}))
    path = directory / f"kea-dhcp{family}.conf"
    path.write_text(json.dumps({f"Dhcp{family}": config}))
    options = {"subnet": SUBNETS[family], "timeout": 1, "discovery": str(directory), **options}
    found: dict[str, Any] = run_module("kea_probe", path=str(path), **cluster.login, **options)["probe"]
    return found


def test_a_kea_that_does_not_answer(cluster: Cluster, tmp_path: Path) -> None:
    found = probed(cluster, tmp_path, 4)
    assert found == {
        "error": "Kea did not answer a DHCPDISCOVER within 1 s",
        "address": None,
        "seconds": {},
        "removed": [],
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"interfaces": ["*"]}, "Kea listens on all interfaces"),
        ({"interfaces": []}, "Kea listens on all interfaces"),
        ({"interfaces": ["none0"]}, "the interface none0 cannot be used: "),
        ({"interface": "none1"}, "the interface none1 cannot be used"),
        ({"hwaddr": "02:4b:xx"}, "is no identifier in hex"),
        ({"login_db": "nothing"}, 'database "nothing" does not exist'),
    ],
)
@pytest.mark.parametrize("family", [4, 6])
def test_what_cannot_be_probed(
    cluster: Cluster, tmp_path: Path, family: int, options: dict[str, Any], message: str
) -> None:
    assert message in probed(cluster, tmp_path, family, **options)["error"]


@pytest.mark.parametrize(
    ("family", "options", "message"),
    [
        (4, {"listening": {"dhcp-socket-type": "udp"}}, "dhcp-socket-type udp"),
        (4, {"subnet": "192.0.2.7/24"}, "has host bits set"),
        (6, {"subnet": "2001:db8::7/64"}, "has host bits set"),
        (4, {"subnet": SUBNETS[6]}, f"{SUBNETS[6]} is no subnet of the DHCPv4 server of"),
        (6, {"subnet": SUBNETS[4]}, f"{SUBNETS[4]} is no subnet of the DHCPv6 server of"),
        (6, {"interfaces": ["lo"]}, "the interface lo cannot be used"),
    ],
)
def test_what_one_family_cannot_probe(
    cluster: Cluster, tmp_path: Path, family: int, options: dict[str, Any], message: str
) -> None:
    assert message in probed(cluster, tmp_path, family, **options)["error"]


@pytest.mark.parametrize(
    ("family", "table", "columns"),
    [
        (4, "lease4", r"(address, hwaddr, subnet_id) VALUES (7, '\x024b45410001', 1)"),
        (6, "lease6", r"(address, duid, subnet_id, lease_type) VALUES ('2001:db8::7', '\x00030001024b45410001', 1, 0)"),
        (
            4,
            "hosts",
            r"(dhcp_identifier, dhcp_identifier_type, dhcp4_subnet_id) VALUES ('\x024b45410001', 0, 1)",
        ),
        (
            6,
            "hosts",
            r"(dhcp_identifier, dhcp_identifier_type, dhcp6_subnet_id) VALUES ('\x00030001024b45410001', 1, 1)",
        ),
    ],
)
def test_a_client_that_is_known_is_left_alone(
    cluster: Cluster, tmp_path: Path, family: int, table: str, columns: str
) -> None:
    cluster.sql(f"INSERT INTO {table} {columns}", "kea")
    found = probed(cluster, tmp_path, family)
    what = "reservation" if table == "hosts" else "lease"
    assert found["error"] == f"{HWADDR} has a {what} already; choose another hwaddr"
    assert cluster.sql(f"DELETE FROM {table} RETURNING 1", "kea") == "1"


@pytest.mark.parametrize(
    ("family", "name"),
    [
        (4, "02-4b-45-41-00-01.yml"),
        (6, "02-4b-45-41-00-01.yml"),
        (6, "duid-00-03-00-01-02-4b-45-41-00-01-v6-1.yml"),
    ],
)
def test_a_discovery_file_is_left_alone(cluster: Cluster, tmp_path: Path, family: int, name: str) -> None:
    path = tmp_path / name
    path.touch()
    assert f"{HWADDR} has a discovery file already" in probed(cluster, tmp_path, family)["error"]
    assert path.exists()
