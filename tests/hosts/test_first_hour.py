# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every file and command of docs/first-hour.md, on a bare host, up to a playbook against a BMC that was plugged in.

Only names and addresses differ from the page, and the collection comes from .cache/build, as ``make build`` made it.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Iterator

import pytest
from host import Host
from support.pages import Step, steps
from support.paths import LAB, ROOT

INSTALL = "ansible-galaxy collection install baremetal.kea"
LAB_NETWORK = {
    "192.0.2.100 - 192.0.2.199": "10.77.16.0 - 10.77.31.255",
    "192.0.2.0/24": "10.77.0.0/16",
    "192.0.2.1": "10.77.0.1",
}


class Reader:
    """A person with a directory, who does what the page says."""

    def __init__(self, host: Host, directory: Path) -> None:
        self.host = host
        self.directory = directory
        [self.archive] = (ROOT / ".cache/build").glob("baremetal-kea-*.tar.gz")
        collections = directory / "collections"
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")},
            "ANSIBLE_COLLECTIONS_PATH": str(collections),
            "ANSIBLE_SSH_COMMON_ARGS": f"-F {ROOT}/.cache/ssh_config",
        }

    def do(self, step: Step) -> str:
        """Write the file or run the command of a step. Return what the command prints."""
        if step.file:
            (self.directory / step.file).write_text(self.translated(step.text))
            return ""
        command = step.command
        if command == INSTALL:
            command = f"ansible-galaxy collection install --no-deps {self.archive}"
        shell = ["sh", "-c", command]
        done = subprocess.run(
            shell, cwd=self.directory, env=self.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}{done.stderr[-1000:]}"
        return done.stdout

    def translated(self, text: str) -> str:
        for before, after in {"dhcp1.example.org": self.host.name, **LAB_NETWORK}.items():
            text = text.replace(before, after)
        return text


@pytest.fixture
def reader(request: pytest.FixtureRequest, tmp_path: Path) -> Reader:
    options = request.config.option
    return Reader(Host(options.host, options.address, options.bmcs), tmp_path)


@pytest.fixture
def plugged_in(reader: Reader) -> Iterator[None]:
    """Nothing; afterwards the BMC's web server is stopped."""
    yield
    reader.host.run_on_bmcs("sh", "-c", "kill $(cat /run/redfish.pid)", check=False)


def plug_in(host: Host) -> str:
    """Play a BMC that gets an address, and serves Redfish there. Return its address."""
    address = str(json.loads(host.play_bmcs("--first", "4711", "--hostname", "new-bmc"))["address"])
    host.run_on_bmcs("ip", "address", "add", f"{address}/32", "dev", "eth0")
    certificate = "openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=bmc -keyout /run/bmc.key -out /run/bmc.pem"
    prepare = f"{certificate} 2>/dev/null; cat >/run/redfish.py"
    host.run_on_bmcs("sh", "-ec", prepare, stdin=(LAB / "redfish.py").read_text())
    serve = f"setsid python3 /run/redfish.py {address} /run/bmc.pem /run/bmc.key"
    host.run_on_bmcs("sh", "-c", f"{serve} >/dev/null 2>&1 & echo $! >/run/redfish.pid")
    return address


@pytest.mark.usefixtures("plugged_in")
def test_the_page_leads_to_a_playbook_against_a_bmc(reader: Reader) -> None:
    printed = {}
    for step in steps("first-hour.md"):
        if "kea-lease-monitor status" in step.command:
            address = plug_in(reader.host)
        printed[step.command or step.file] = reader.do(step)
    [graph] = [text for command, text in printed.items() if command.endswith("--graph")]
    assert "bmc_targets" in graph
    [redfish] = [text for command, text in printed.items() if command.endswith("redfish.yml") and text]
    assert "Root Service, Redfish 1.15.0" in redfish
    assert address
