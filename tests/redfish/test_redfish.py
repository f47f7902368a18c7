# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a lease to a setting of the BIOS: the play of examples/redfish against a Redfish simulator (make redfish)."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Iterator

import pytest
from kea_lease_monitor.sinks.discovery import DiscoverySink, Options
from runtime.builders import event
from runtime.contracts import delivered
from support.certificates import Authority
from support.paths import ROOT, ansible_environment
from support.wait import until

ADDRESS, PORT = "127.0.0.77", 443
"""The port is that of a real BMC: the play names none."""
PASSWORD = "of-the-machine"


def answers() -> bool:
    try:
        socket.create_connection((ADDRESS, PORT), 1).close()
    except OSError:
        return False
    return True


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[None]:
    """The Redfish service of a machine whose BMC got ADDRESS."""
    certificate = Authority(tmp_path, "ca").issue("bmc")
    script = Path(__file__).with_name("simulator.py")
    command = [sys.executable, script, ADDRESS, str(PORT), certificate.path, certificate.key, PASSWORD]
    environment = {**os.environ, "PYTHONPATH": os.environ["SIMULATOR"]}
    with (tmp_path / "log").open("w") as log, subprocess.Popen(command, env=environment, stderr=log) as simulator:
        until(answers, (tmp_path / "log").read_text, 120)
        yield
        simulator.terminate()


def played(directory: Path) -> str:
    secrets = {"vault_redfish_user": "admin", "vault_redfish_password": PASSWORD}
    command = ["ansible-playbook", "-i", "machines.kea.yml", "bios.yml", "--extra-vars", json.dumps(secrets)]
    environment = ansible_environment(ANSIBLE_COLLECTIONS_PATH=str(ROOT / ".collections"))
    done = subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_lease_leads_to_a_setting_of_the_bios(machine: None, tmp_path: Path) -> None:
    site = tmp_path / "site"
    shutil.copytree(ROOT / "examples" / "redfish", site)
    (site / "kea_inventory").mkdir()
    delivered(DiscoverySink(Options(str(site / "kea_inventory"), "bmc_targets", None)), [event(1, address=ADDRESS)])
    output = played(site)
    assert re.search(r"Modified BIOS attributes .*BootMode.*Uefi", output), output
    assert re.search(r"changed=1 +unreachable=0", output), output
    assert re.search(r"changed=0 +unreachable=0", played(site)), "set already"
