# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What kea_probe refuses. A real lease is sent through a real Kea in the scenario `events`."""

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


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with postgres_cluster() as running:
        running.sql("CREATE DATABASE kea")
        assert run_module("kea_schema", **running.login)["changed"]
        assert run_module("kea_lease_notify", **running.login)["changed"]
        yield running


def probed(cluster: Cluster, directory: Path, interfaces: Any = ("lo",), **options: Any) -> dict[str, Any]:
    config = {"interfaces-config": {"interfaces": list(interfaces)}, "lease-database": {"type": "postgresql"}}
    config["interfaces-config"].update(options.pop("listening", {}))
    path = directory / "kea-dhcp4.conf"
    path.write_text(json.dumps({"Dhcp4": config}))
    options = {"subnet": "192.0.2.0/24", "timeout": 1, "discovery": str(directory), **options}
    found: dict[str, Any] = run_module("kea_probe", path=str(path), **cluster.login, **options)["probe"]
    return found


def test_a_kea_that_does_not_answer(cluster: Cluster, tmp_path: Path) -> None:
    found = probed(cluster, tmp_path)
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
        ({"interfaces": ["none0"]}, "the interface none0 cannot be used: No such device"),
        ({"interface": "none1"}, "the interface none1 cannot be used"),
        ({"listening": {"dhcp-socket-type": "udp"}}, "dhcp-socket-type udp"),
        ({"subnet": "192.0.2.7/24"}, "has host bits set"),
        ({"hwaddr": "02:4b:xx"}, "is no identifier in hex"),
        ({"login_db": "nothing"}, 'database "nothing" does not exist'),
    ],
)
def test_what_cannot_be_probed(cluster: Cluster, tmp_path: Path, options: dict[str, Any], message: str) -> None:
    assert message in probed(cluster, tmp_path, **options)["error"]


@pytest.mark.parametrize(
    ("what", "statement"),
    [
        ("lease", r"INSERT INTO lease4 (address, hwaddr, subnet_id) VALUES (7, '\x024b45410001', 1)"),
        (
            "reservation",
            r"INSERT INTO hosts (dhcp_identifier, dhcp_identifier_type, dhcp4_subnet_id)"
            r" VALUES ('\x024b45410001', 0, 1)",
        ),
    ],
)
def test_an_address_in_use_is_left_alone(cluster: Cluster, tmp_path: Path, what: str, statement: str) -> None:
    cluster.sql(statement, "kea")
    found = probed(cluster, tmp_path)
    table = {"lease": "lease4", "reservation": "hosts"}[what]
    assert found["error"] == f"{HWADDR} has a {what} already; choose another hwaddr"
    assert cluster.sql(f"DELETE FROM {table} RETURNING 1", "kea") == "1"


def test_a_discovery_file_is_left_alone(cluster: Cluster, tmp_path: Path) -> None:
    path = tmp_path / "02-4b-45-41-00-01.yml"
    path.touch()
    assert f"{HWADDR} has a discovery file already" in probed(cluster, tmp_path)["error"]
    assert path.exists()
