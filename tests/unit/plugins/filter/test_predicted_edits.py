# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an edit would refuse is a finding of the preflight: the play itself, on this machine, with another /etc/kea."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from support.paths import ROOT, ansible_environment

pytestmark = [
    pytest.mark.kea,
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount"),
]

LOCAL = {"ansible_connection": "local", "ansible_become": False, "ansible_python_interpreter": sys.executable}
GONE = [{"id": 1, "state": "absent"}]
REMOVAL = (
    "this would remove: 10.9.0.0/24 (id 1), a subnet with 1 pools and 1 reservations (1 of the site), 0 live leases"
)
REMOVAL6 = "this would remove: 2001:db8:9::/64 (id 1), a subnet with 0 pools and 0 reservations, 0 live leases"
HOSTS: dict[str, dict[str, Any]] = {
    "gone": {"kea_dhcp4_subnets": GONE},
    "allowed": {"kea_dhcp4_subnets": GONE, "kea_allow_removals": True},
    "kept": {},
    "gone6": {"kea_families": [4, 6], "kea_dhcp6_subnets": GONE},
    "elsewhere": {"kea_dhcp4_shared_networks": [{"name": "hall", "subnet4": [{"id": 1}]}]},
    # Its variables are told first: with these, no edit can be predicted.
    "unfit": {"kea_dhcp4_subnets": GONE, "kea_monitor_log_level": "LOUD"},
}


def configuration(directory: Path) -> None:
    host = {"hw-address": "02:00:00:00:00:01", "ip-address": "10.9.0.9"}
    subnet = {"id": 1, "subnet": "10.9.0.0/24", "pools": [{"pool": "10.9.0.10 - 10.9.0.20"}], "reservations": [host]}
    hall = {"name": "hall", "subnet4": [{"id": 2, "subnet": "10.8.0.0/24"}]}
    four = {"subnet4": [subnet], "shared-networks": [hall]}
    six = {"subnet6": [{"id": 1, "subnet": "2001:db8:9::/64"}]}
    for family, values in ((4, four), (6, six)):
        leases = {"type": "memfile", "name": str(directory / f"leases{family}.csv")}
        own = {"interfaces-config": {"interfaces": ["lo"]}, "lease-database": leases, **values}
        (directory / f"kea-dhcp{family}.conf").write_text(json.dumps({f"Dhcp{family}": own}))


def play(directory: Path, names: Iterable[str], *options: str, **variables: Any) -> str:
    """Return the output of the play in one line, with this directory in the place of /etc/kea.

    It ends with the message that tells the findings: no systemd manages this machine.
    """
    inventory = directory.parent / "hosts.json"
    hosts = {name: {**LOCAL, **HOSTS[name]} for name in names}
    inventory.write_text(json.dumps({"kea_servers": {"hosts": hosts}}))
    mounted = f'mount --bind {directory} /etc/kea && exec "$@"'
    command = ["unshare", "--mount", "sh", "-c", mounted, "sh", "ansible-playbook", "playbooks/kea_deploy.yml"]
    command += ["-i", str(inventory), "--extra-vars", json.dumps(variables), *options]
    done = subprocess.run(command, cwd=ROOT, env=ansible_environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stdout + done.stderr
    assert done.stdout.count("changed=0") == len(hosts), done.stdout
    return " ".join(done.stdout.split())


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    made = tmp_path / "kea"
    made.mkdir()
    configuration(made)
    return made


def told(output: str) -> str:
    """Return the message with the findings."""
    return output.rpartition("These findings stop the deployment:")[2].partition("PLAY RECAP")[0]


def test_removals_are_told_with_all_other_findings(directory: Path) -> None:
    before = {path.name: path.read_bytes() for path in directory.iterdir()}
    findings = told(play(directory, HOSTS))
    assert f"gone: {REMOVAL}" in findings
    assert f"gone6: {REMOVAL6}" in findings
    assert "elsewhere: /etc/kea/kea-dhcp4.conf: subnet 1 stands in no shared network, not in shared" in findings
    assert "got: LOUD" in findings
    assert "gone, allowed, kept, gone6, elsewhere, unfit: systemd does not manage this host" in findings
    assert findings.count("this would remove") == 2
    assert {path.name: path.read_bytes() for path in directory.iterdir()} == before


def test_the_diff_belongs_to_the_edit_itself(directory: Path) -> None:
    output = play(directory, ["gone"], "--check", "--diff")
    assert f"gone: {REMOVAL}" in told(output)
    assert "10.8.0.0/24" not in output


def test_nothing_is_predicted_on_a_host_that_is_left_alone(directory: Path) -> None:
    output = play(directory, ["gone"], kea__reasons=[])
    assert "this would remove" not in output
    assert "Predict what the edit of Kea" not in output
