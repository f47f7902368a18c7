# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every file and command of docs/first-hour.md, on a bare host, up to a playbook against BMCs that were plugged in.

Only names and addresses differ from the page, and the collection comes from .cache/build, as ``make build`` made it.
Where the page speaks of another controller, there is another one: a directory with a collection of its own.
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
NEW, GIVEN = 4711, 4712
"""Numbers of the BMCs; the reader knows the second one beforehand."""
LAB_NETWORK = {
    "192.0.2.100 - 192.0.2.199": "10.77.16.0 - 10.77.31.255",
    "192.0.2.0/24": "10.77.0.0/16",
    "192.0.2.1": "10.77.0.1",
    "192.0.2.7": "10.77.32.7",
    "d0:94:66:00:00:01": "02:bc:00:00:12:67",
    "4c:d9:8f:00:00:07": "02:bc:00:00:12:68",
}
OTHER_CONTROLLER = "servers.yml"
"""The first file that a reader writes on another controller."""


class Reader:
    """A person with a directory, who does what the page says."""

    def __init__(self, host: Host, directory: Path) -> None:
        directory.mkdir()
        self.host = host
        self.directory = directory
        [self.archive] = (ROOT / ".cache/build").glob("baremetal-kea-*.tar.gz")
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")},
            "ANSIBLE_COLLECTIONS_PATH": str(directory / "collections"),
            "ANSIBLE_SSH_COMMON_ARGS": f"-F {ROOT}/.cache/ssh_config",
        }

    def elsewhere(self) -> Reader:
        """Return the same person at another controller, where the collection is installed and nothing else."""
        other = Reader(self.host, self.directory.with_name("other"))
        other.do(Step("", INSTALL, ""))
        return other

    def do(self, step: Step) -> str:
        """Write the file or run the command of a step. Return what the command prints."""
        if step.file:
            path = self.directory / step.file
            path.parent.mkdir(exist_ok=True)
            path.write_text(self.translated(step.text))
            return ""
        command = self.translated(step.command)
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
    return Reader(Host(options.host, options.address, options.bmcs), tmp_path / "first")


@pytest.fixture
def plugged_in(reader: Reader) -> Iterator[None]:
    """Nothing; afterwards the BMCs' web servers are stopped."""
    yield
    reader.host.run_on_bmcs("sh", "-c", "kill $(cat /run/redfish-*.pid)", check=False)


def plug_in(host: Host, number: int) -> str:
    """Play a BMC that gets an address, and serves Redfish there. Return its address."""
    address = str(json.loads(host.play_bmcs("--first", str(number), "--hostname", f"new-{number}"))["address"])
    host.run_on_bmcs("ip", "address", "add", f"{address}/32", "dev", "eth0")
    certificate = "openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=bmc -keyout /run/bmc.key -out /run/bmc.pem"
    prepare = f"{certificate} 2>/dev/null; cat >/run/redfish.py"
    host.run_on_bmcs("sh", "-ec", prepare, stdin=(LAB / "redfish.py").read_text())
    serve = f"setsid python3 /run/redfish.py {address} /run/bmc.pem /run/bmc.key"
    host.run_on_bmcs("sh", "-c", f"{serve} >/dev/null 2>&1 & echo $! >/run/redfish-{number}.pid")
    return address


def unplug(host: Host, number: int) -> None:
    """Let a BMC release its address, for the last time."""
    host.play_bmcs("--first", str(number), "--release")


@pytest.mark.usefixtures("plugged_in")
def test_the_page_leads_from_nothing_to_machines_that_come_and_go(reader: Reader) -> None:
    printed: list[tuple[str, str]] = []
    addresses: list[str] = []
    for step in steps("first-hour.md"):
        if step.file == OTHER_CONTROLLER:
            reader = reader.elsewhere()
        if "kea-lease-monitor status" in step.command:
            addresses = [plug_in(reader.host, number) for number in (NEW, GIVEN)]
        if "kea-lease-monitor forget" in step.command:
            unplug(reader.host, NEW)
        printed.append((step.command, reader.do(step)))
    assert addresses[1] == "10.77.32.7"
    before, after = (text for command, text in printed if command.endswith("--graph"))
    assert "bmc_targets" in before
    assert [f"new-{NEW}" in graph for graph in (before, after)] == [True, False]
    assert all("idrac-7" in graph for graph in (before, after))
    [found] = [json.loads(text) for command, text in printed if command.endswith("--host idrac-7")]
    assert found["ansible_host"] == "10.77.32.7"
    [redfish] = [text for command, text in printed if command.endswith("redfish.yml")]
    assert redfish.count("Root Service, Redfish 1.15.0") == 2
