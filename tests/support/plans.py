# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the roles would use with the variables of a site, templated by the installed ansible-core. No host is needed."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any, Mapping

from support.paths import ROOT, ansible_environment

PREFLIGHT = {
    "system": {"id": "debian", "like": [], "version": "13", "name": "Debian GNU/Linux 13 (trixie)", "systemd": True},
    "disks": [{"directory": "/var/lib/kea", "free": 2**40, "free_inodes": None, "read_only": False}],
    "interfaces": [{"name": "eth0", "up": True, "link": True}],
    "servers": [{"host": "db.example.org", "port": 5433, "resolved": True, "error": ""}],
    "dhcp_sockets": [],
    "time_synchronized": True,
    "groups": [],
    "firewall": [],
    "firewalld": None,
    "selinux": False,
}
FOUND: Mapping[str, Any] = {
    "preflight": PREFLIGHT,
    "server": {"version": "2.6.3", "outdated": False, "hooks": None, "capabilities": {}, "tls_environment": {}},
    "packaging": {
        "name": "debian",
        "format": "deb",
        "packages": ["kea-dhcp4-server"],
        "unit": "kea-dhcp4-server",
        "user": "_kea",
        "profile": "usr.sbin.kea-dhcp4",
        "selinux": [],
        "program": "/usr/sbin/kea-dhcp4",
        "error": None,
        "missing": [],
        "unlisted": [],
        "wanted": [],
        "automatic": [],
        "lease_file": "/var/lib/kea/kea-leases4.csv",
    },
    "config": {"untouched": True, "error": None, "included": []},
    "subnets": [],
    "reservations": {"site": [], "global_subnets": [1]},
}
SHOWN = re.compile(r"^ok: \[(\S+)\] => (\{.*?^\})", re.DOTALL | re.MULTILINE)
"""A host, and the result of its task, in the output of Ansible's default callback."""
PLAYBOOK = """
- hosts: kea_servers:kea_database
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
    kea_lease_monitor__looked: {results: ["{{ kea__found }}"]}
  tasks:
    - name: Show what the roles would use
      ansible.builtin.debug:
        msg: "{{ seen | to_json }}"
      vars:
        seen:
          preflight: "{{ kea__asked | baremetal.kea.preflight(kea__found) }}"
          plan: "{{ kea__plan }}"
          server: "{{ kea_server__plan }}"
          monitor: "{{ kea_lease_monitor__plan }}"
          config: "{{ lookup('ansible.builtin.template', 'ROOT/roles/kea_lease_monitor/templates/config.yml.j2') }}"
          unit: "{{ lookup('ansible.builtin.template', 'ROOT/roles/kea_server/templates/baremetal-kea.conf.j2') }}"
          login: "{{ kea_database__login }}"
          known: "{{ kea_server_known_subnets }}"
          roles: "{{ kea__roles }}"
"""


def plans(
    directory: Path,
    inventory: Path,
    found: Mapping[str, Any] | None = None,
    variables: Mapping[str, Any] | None = None,
) -> dict[str, dict[str, Any]]:
    """Return what the roles would use, by host.

    ``found`` is what kea_info returned, FOUND if it is None. ``variables`` win over all others. ``directory`` takes
    temporary files.
    """
    found = FOUND if found is None else found
    playbook, extra = directory / "play.yml", directory / "extra.json"
    playbook.write_text(PLAYBOOK.replace("ROOT", str(ROOT)))
    extra.write_text(json.dumps({"kea__found": found, **(variables or {})}))
    command = ["ansible-playbook", str(playbook), "-i", str(inventory), "--extra-vars", f"@{extra}"]
    shown = ansible_environment(ANSIBLE_CALLBACK_RESULT_FORMAT="json", ANSIBLE_STDOUT_CALLBACK="default")
    done = subprocess.run(command, env=shown, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return {host: _message(result) for host, result in SHOWN.findall(done.stdout)}


def _message(result: str) -> dict[str, Any]:
    """Return what a task showed. An ansible-core before 2.19 has made a dictionary of the text already."""
    shown = json.loads(result)["msg"]
    found: dict[str, Any] = json.loads(shown) if isinstance(shown, str) else shown
    return found
