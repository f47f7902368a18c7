# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The variables of the playbooks and roles, templated by the installed ansible-core.

Before 2.19, a template is text: a number becomes a string, and null becomes an empty string. What the roles write must
not depend on that. ``make cores`` runs this with the oldest and the newest supported ansible-core.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, Mapping

import pytest
import yaml
from support.paths import ROOT, ansible_environment

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
PREFLIGHT = {
    "system": {"id": "debian", "like": [], "version": "13", "name": "Debian GNU/Linux 13 (trixie)", "systemd": True},
    "disks": [{"directory": "/var/lib/kea", "free": 2**40, "free_inodes": None, "read_only": False}],
    "interfaces": [{"name": "eth0", "up": True, "link": True}],
    "servers": [{"host": "db.example.org", "port": 5433, "resolved": True, "error": ""}],
    "dhcp_sockets": [],
    "time_synchronized": True,
    "groups": [],
    "firewall": [],
}
FOUND: Mapping[str, Any] = {
    "preflight": PREFLIGHT,
    "server": {"version": "2.6.3", "outdated": False, "hooks": None, "tls_environment": {}},
    "packaging": {"unit": "kea-dhcp4-server", "user": "_kea", "profile": "usr.sbin.kea-dhcp4", "error": None},
    "config": {"untouched": True, "error": None, "included": []},
    "subnets": [],
    "reservations": {"site": [], "global_subnets": [1]},
}
PLAYBOOK = """
- hosts: kea1
  gather_facts: false
  connection: local
  vars_files:
    - ROOT/roles/kea_server/defaults/main.yml
    - ROOT/roles/kea_server/vars/main.yml
    - ROOT/roles/kea_database/defaults/main.yml
    - ROOT/roles/kea_database/vars/main.yml
    - ROOT/roles/kea_lease_monitor/defaults/main.yml
    - ROOT/roles/kea_lease_monitor/vars/main.yml
    - ROOT/roles/kea_lfc_timer/defaults/main.yml
    - ROOT/playbooks/vars/names.yml
    - ROOT/playbooks/vars/preflight.yml
  vars:
    kea_server__first_look: "{{ kea__found }}"
    kea_server__second_look: {skipped: true}
    kea_lease_monitor__kea: "{{ kea__found }}"
  tasks:
    - name: Write what the roles would use
      ansible.builtin.copy:
        dest: "{{ result }}"
        mode: "0600"
        content: "{{ seen | to_json }}"
      vars:
        seen:
          preflight: "{{ kea__asked | baremetal.kea.preflight(kea__found) }}"
          plan: "{{ kea__plan }}"
          server: "{{ kea_server__plan }}"
          monitor: "{{ kea_lease_monitor__plan }}"
          config: "{{ lookup('ansible.builtin.template', 'ROOT/roles/kea_lease_monitor/templates/config.yml.j2') }}"
          login: "{{ kea_database__login }}"
          known: "{{ kea_server_known_subnets }}"
          roles: "{{ kea__roles }}"
"""


def templated(directory: Path, variables: Mapping[str, Any]) -> Dict[str, Any]:
    """Return what the roles would use with these variables of a site."""
    playbook, result = directory / "play.yml", directory / "result.json"
    playbook.write_text(PLAYBOOK.replace("ROOT", str(ROOT)))
    inventory = directory / "hosts.yml"
    inventory.write_text(yaml.safe_dump({"kea_servers": {"hosts": {"kea1": None}, "vars": {**SITE, **variables}}}))
    given = {"kea__found": FOUND, "result": str(result), "ansible_python_interpreter": sys.executable}
    extra = directory / "found.json"
    extra.write_text(json.dumps(given))
    command = ["ansible-playbook", str(playbook), "-i", str(inventory), "--extra-vars", f"@{extra}"]
    done = subprocess.run(command, env=ansible_environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found: Dict[str, Any] = json.loads(result.read_text())
    return found


@pytest.fixture(scope="module")
def remote(tmp_path_factory: pytest.TempPathFactory) -> Dict[str, Any]:
    """Events mode with a database on another host."""
    return templated(tmp_path_factory.mktemp("remote"), REMOTE)


def test_no_variable_is_refused(remote: Dict[str, Any]) -> None:
    assert remote["preflight"]["refusals"] == []


def test_the_monitors_configuration_has_numbers(remote: Dict[str, Any]) -> None:
    config = yaml.safe_load(remote["config"])
    assert config["database"]["port"] == 5433
    assert config["source"] == {"type": "events", "max_rows": 500}
    [subscription] = config["subscriptions"]
    assert subscription["retire_after"] == 86400
    assert subscription["match"] == {"families": [4]}
    assert subscription["sinks"][0]["global_subnets"] == [1]


def test_keas_configuration_has_numbers(remote: Dict[str, Any]) -> None:
    settings = json.dumps(remote["server"])
    assert '"valid-lifetime": 3600' in settings
    assert '"id": 1' in settings
    assert '"5433"' not in settings
    assert '"port": 5433' in settings


def test_the_login_has_a_port_and_a_password_that_is_text(remote: Dict[str, Any]) -> None:
    assert remote["login"]["options"]["login_port"] == 5433
    assert remote["login"]["options"]["login_password"] == "12345"


def test_switches_are_switches(remote: Dict[str, Any]) -> None:
    assert remote["plan"]["events"] is True
    assert remote["plan"]["database_is_here"] is False
    assert remote["monitor"]["uses_database"] is True


def test_unknown_subnets_are_an_empty_list(tmp_path: Path) -> None:
    found = templated(tmp_path, {})
    assert found["known"] == []
    assert found["plan"]["hosts_database"] == "none"
    assert "database" not in yaml.safe_load(found["config"])
