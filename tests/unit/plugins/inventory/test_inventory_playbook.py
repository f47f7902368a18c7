# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook kea_inventory.yml: two servers are directories of this machine, filled by the real discovery sink."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path

import pytest
from inventory_helpers import HOSTILE, ROOT, Result, listed, run
from kea_lease_monitor.sinks.discovery import DiscoverySink, Options
from runtime.builders import event

pytestmark = pytest.mark.slow  # each test starts programs, for seconds


class Site:
    """Two servers, each with a directory of discovery files, and the directory on the controller."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.gathered = path / "gathered"
        self.servers = {name: path / "servers" / name for name in ("dhcp1", "dhcp2")}
        hosts = {}
        local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        for name, directory in self.servers.items():
            directory.mkdir(parents=True)
            hosts[name] = {**local, "kea_lease_monitor_discovery_directory": str(directory)}
        (path / "hosts.yml").write_text(json.dumps({"kea_servers": {"hosts": hosts}}))

    def lease(self, server: str, number: int, hostname: str = "") -> None:
        DiscoverySink(Options(str(self.servers[server]), "bmc_targets", None)).deliver(
            [event(number, hostname=hostname)]
        )

    def play(self, *options: str) -> Result:
        done = run(
            *("ansible-playbook", "-i", self.path / "hosts.yml", ROOT / "playbooks" / "kea_inventory.yml"),
            *("-e", f"kea_inventory_directory={self.gathered}", "-e", "ansible_become=false", *options),
        )
        assert done.code == 0, done.output + done.errors
        return done

    def files(self) -> dict[str, str]:
        return {
            str(path.relative_to(self.gathered)): path.read_text()
            for path in self.gathered.rglob("*")
            if path.is_file() and path.name != ".gathered"
        }


@pytest.fixture
def site(tmp_path: Path) -> Site:
    site = Site(tmp_path)
    site.lease("dhcp1", 1, HOSTILE)
    site.lease("dhcp2", 2)
    return site


def changes(done: Result) -> set[str]:
    return set(re.findall(r"changed=(\d+)", done.output))


def test_files_are_gathered_once_and_go_when_the_server_has_them_no_longer(site: Site, tmp_path: Path) -> None:
    assert changes(site.play("--check", "--diff")) != {"0"}
    assert not site.gathered.exists()
    site.play()
    assert set(site.files()) == {"dhcp1/02-00-00-00-00-01.yml", "dhcp2/02-00-00-00-00-02.yml"}
    for name, content in site.files().items():
        assert content == (site.servers["dhcp1"].parent / name).read_text()
    hosts = listed(tmp_path, source="directory", directory="gathered").hosts
    assert hosts["lookup-pipe-id"]["bmc_hostname"] == HOSTILE
    assert changes(site.play()) == {"0"}
    assert changes(site.play("--check")) == {"0"}

    (site.gathered / "dhcp1" / "by-hand.yml").write_text("a: {}\n")
    (site.servers["dhcp1"] / "02-00-00-00-00-01.yml").unlink()
    site.lease("dhcp1", 3)
    before = site.files()
    site.play("--check")
    assert site.files() == before
    site.play()
    assert {name for name in site.files() if name.startswith("dhcp1")} == {
        "dhcp1/02-00-00-00-00-03.yml",
        "dhcp1/by-hand.yml",
    }
    assert changes(site.play()) == {"0"}


def test_no_link_of_a_server_is_followed(site: Site) -> None:
    secret = site.path / "secret"
    secret.write_text("secret")
    server = site.servers["dhcp1"]
    (server / "symbolic.yml").symlink_to(secret)
    os.link(secret, server / "hard.yml")
    os.mkfifo(server / "pipe.yml")
    (server / "directory.yml").mkdir()
    (server / "-option.yml").write_text("a: {}\n")
    (server / ".hidden.yml").write_text("a: {}\n")
    site.play()
    assert set(site.files()) == {"dhcp1/02-00-00-00-00-01.yml", "dhcp2/02-00-00-00-00-02.yml"}


def test_a_directory_that_is_missing_removes_nothing(site: Site) -> None:
    site.play()
    before = site.files()
    site.servers["dhcp2"].rename(site.path / "elsewhere")
    with pytest.raises(AssertionError, match="No such file or directory"):
        site.play()
    assert site.files() == before
