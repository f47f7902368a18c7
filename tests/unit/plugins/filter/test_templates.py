# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The variables of the playbooks and roles, templated by the installed ansible-core.

Before 2.19, a template is text: a number becomes a string, and null becomes an empty string. What the roles write must
not depend on that. ``make cores`` runs this with the oldest and the newest supported ansible-core.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Mapping

import pytest
import yaml
from support.plans import FOUND, plans

pytestmark = pytest.mark.slow

SITE: Mapping[str, Any] = {
    "kea_dhcp4_interfaces": ["eth0"],
    "kea_dhcp4_subnets": [{"id": 1, "subnet": "192.0.2.0/24", "pools": [{"pool": "192.0.2.100 - 192.0.2.199"}]}],
    "kea_dhcp4_settings": {"valid-lifetime": 3600},
    "kea_reservations": [{"hw-address": "52:54:00:00:00:01", "ip-address": "192.0.2.7"}],
    "kea_monitor_subscriptions": [{"name": "all", "retire_after": 86400, "match": {"families": [4]}}],
    "kea_monitor_source_options": {"max_rows": 500},
    "kea_db_password": "12345",
}
EVENTS = {"kea_enable_database": True, "kea_db_enable_notify": True}
REMOTE = {**EVENTS, "kea_db_host": "db.example.org", "kea_db_port": "5433", "kea_db_monitor_password": "67890"}


def templated(directory: Path, variables: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the roles would use on one server with these variables of a site."""
    inventory = directory / "hosts.yml"
    inventory.write_text(yaml.safe_dump({"kea_servers": {"hosts": {"kea1": None}, "vars": {**SITE, **variables}}}))
    return plans(directory, inventory)["kea1"]


@pytest.fixture(scope="module")
def remote(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Events mode with a database on another host."""
    return templated(tmp_path_factory.mktemp("remote"), REMOTE)


def test_no_variable_is_refused(remote: dict[str, Any]) -> None:
    assert remote["preflight"]["refusals"] == []


def test_the_monitors_configuration_has_numbers(remote: dict[str, Any]) -> None:
    config = yaml.safe_load(remote["config"])
    assert config["database"]["port"] == 5433
    assert config["source"] == {"type": "events", "max_rows": 500}
    [subscription] = config["subscriptions"]
    assert subscription["retire_after"] == 86400
    assert subscription["match"] == {"families": [4]}
    assert subscription["sinks"][0]["global_subnets"] == [1]


def test_keas_configuration_has_numbers(remote: dict[str, Any]) -> None:
    settings = json.dumps(remote["server"])
    assert '"valid-lifetime": 3600' in settings
    assert '"id": 1' in settings
    assert '"5433"' not in settings
    assert '"port": 5433' in settings


def test_the_login_has_a_port_and_a_password_that_is_text(remote: dict[str, Any]) -> None:
    assert remote["login"]["options"]["login_port"] == 5433
    assert remote["login"]["options"]["login_password"] == "12345"


def test_a_password_that_spells_a_boolean_is_text(tmp_path: Path) -> None:
    found = templated(tmp_path, {**REMOTE, "kea_db_password": "True"})
    assert found["login"]["options"]["login_password"] == "True"
    assert found["preflight"]["refusals"] == []


def test_switches_are_switches(remote: dict[str, Any]) -> None:
    assert remote["plan"]["events"] is True
    assert remote["plan"]["database_is_here"] is False
    assert remote["monitor"]["uses_database"] is True


def test_the_monitor_knows_the_subnets_that_kea_serves_and_no_file_defines(tmp_path: Path) -> None:
    inventory = tmp_path / "hosts.yml"
    inventory.write_text(yaml.safe_dump({"kea_servers": {"hosts": {"kea1": None}, "vars": dict(SITE)}}))
    known = {"subnet": "192.0.2.0/24", "shared_network": None, "served": True, "reservation_files": [], "has_id": True}
    subnets = [{**known, "id": 1, "file": "/etc/kea/x", "editable": True}]
    subnets.append({**known, "id": 9, "subnet": "10.0.9.0/24", "file": None, "editable": False})
    found = plans(tmp_path, inventory, {**FOUND, "subnets": subnets})["kea1"]
    assert yaml.safe_load(found["config"])["subscriptions"][0]["sinks"][0]["left_out"] == [9]


@pytest.mark.parametrize(("variables", "units"), [({}, []), (EVENTS, ["postgresql.service"])])
def test_keas_unit_waits_for_the_network(variables: dict[str, Any], units: list[str], tmp_path: Path) -> None:
    """B16."""
    lines = templated(tmp_path, variables)["unit"].partition("[Service]")[0].splitlines()
    for key in ("Wants", "After"):
        assert [line for line in lines if line.startswith(f"{key}=")] == [
            f"{key}={one}" for one in ("network-online.target", *units)
        ]


def test_unknown_subnets_are_an_empty_list(tmp_path: Path) -> None:
    found = templated(tmp_path, {})
    assert found["known"] == []
    assert found["plan"]["hosts_database"] == "none"
    assert "database" not in yaml.safe_load(found["config"])
