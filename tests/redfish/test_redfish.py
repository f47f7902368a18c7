# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a lease to a setting of the BIOS: docs/redfish.md, a real monitor and a simulator (make redfish)."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Iterator

import pytest
from runtime.builders import HEADER
from support.certificates import Authority
from support.monitor import Daemon
from support.paths import ROOT, ansible_environment
from support.wait import until

ADDRESS, PORT = "127.0.0.77", 443
"""The port is that of a real BMC: the play names none."""
PASSWORD = "of-the-machine"
PAGE = (ROOT / "docs" / "redfish.md").read_text(encoding="utf-8")


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
        until(answers, (tmp_path / "log").read_text, 600)
        yield
        simulator.terminate()


def blocks(kind: str) -> list[str]:
    """Return the blocks of the page with this word after the fence."""
    return re.findall(rf"^```{kind}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


def without_breadth(text: str) -> list[str]:
    """Return the lines of Ansible's output. It fills some up with asterisks or blanks, by the width of the terminal."""
    lines = (re.sub(r" \*+$", "", re.sub(r" +", " ", line)).strip() for line in text.splitlines())
    return [line for line in lines if line]


def run_as_shown(block: str, directory: Path) -> None:
    """Run the command of a block; its output must be what the page shows."""
    command, _line, shown = block.removeprefix("$ ").partition("\n")
    environment = ansible_environment(ANSIBLE_COLLECTIONS_PATH=str(ROOT / ".collections"))
    words = shlex.split(command)
    done = subprocess.run(words, cwd=directory, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert without_breadth(done.stdout) == without_breadth(shown), done.stdout


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Path]:
    """The directory of examples/redfish, into whose inventory a monitor writes what it reads in a lease file."""
    site = tmp_path / "site"
    shutil.copytree(ROOT / "examples" / "redfish", site)
    (site / "kea_inventory").mkdir()
    (tmp_path / "leases.csv").write_text(HEADER)
    sink = {"type": "discovery", "directory": str(site / "kea_inventory")}
    document = {
        "source": {"type": "memfile", "path": str(tmp_path / "leases.csv")},
        "state": {"path": str(tmp_path / "state.sqlite")},
        "subscriptions": [{"name": "default", "sinks": [sink]}],
    }
    monitor = Daemon(tmp_path, document)
    try:
        monitor.said("Caught up", 300)
        yield site
    finally:
        monitor.kill()


def test_a_lease_leads_to_a_setting_of_the_bios(machine: None, site: Path) -> None:
    (row,) = blocks("text")
    with (site.parent / "leases.csv").open("a") as leases:
        leases.write(row)
    found = site / "kea_inventory" / "02-00-00-00-00-01.yml"
    until(found.exists, "the file of the inventory", 300)
    assert blocks("console")[0].partition("\n")[2] in found.read_text()
    inventory, secrets = blocks("yaml")
    assert inventory in (site / "machines.kea.yml").read_text()
    assert PASSWORD in secrets
    (site / "vault.yml").write_text(secrets)
    graph, first, second = blocks("console")[2:]
    run_as_shown(graph, site)
    run_as_shown(first, site)
    assert re.search(r"Modified BIOS attributes .*BootMode.*Uefi", first)
    assert re.search(r"changed=1 +unreachable=0", first)
    run_as_shown(second, site)
    assert re.search(r"changed=0 +unreachable=0", second), "set already"
