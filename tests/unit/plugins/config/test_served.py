# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a running kea-dhcp4 tells of its subnets and leases."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.baremetal.kea.plugins.module_utils._config.document import Document
from ansible_collections.baremetal.kea.plugins.module_utils._config.subnets import numbered, subnets_of
from ansible_collections.baremetal.kea.plugins.module_utils._kea import control
from ansible_collections.baremetal.kea.plugins.module_utils._server import channel, leases, served, statistics
from site_helpers import SITES, install
from support.programs import need

pytestmark = pytest.mark.kea


@contextlib.contextmanager
def running(config: Path, directory: Path) -> Iterator[list[dict[str, str]]]:
    """The control sockets of a Kea that runs with this configuration."""
    path = str(directory / "ctrl")
    extra = f'{{ "Dhcp4": {{ "control-socket": {{ "socket-type": "unix", "socket-name": "{path}" }},'
    text = config.read_text().lstrip()
    config.write_text(extra + text.partition(":")[2].lstrip().removeprefix("{"))
    environment = {**os.environ, "KEA_PIDFILE_DIR": str(directory), "KEA_LOCKFILE_DIR": str(directory)}
    with subprocess.Popen(
        [need("kea-dhcp4"), "-c", str(config), "-p", "10067"], env=environment, stdout=subprocess.DEVNULL
    ) as process:
        try:
            for _attempt in range(100):
                if os.path.exists(path):
                    break
                time.sleep(0.05)
            yield [{"socket-type": "unix", "socket-name": path}]
        finally:
            process.terminate()


def test_subnets_without_ids_are_numbered_as_kea_does(directory: Path) -> None:
    site = install(next(one for one in SITES if "no-ids" in one.name), directory)
    text = site.path.read_text().replace(
        '"Dhcp4": {', '"Dhcp4": { "lease-database": { "type": "memfile", "persist": false },'
    )
    site.path.write_text(text)
    expected = numbered(subnets_of(Document(text), "Dhcp4"), {})
    with running(site.path, directory) as sockets:
        found = served.served(sockets, "Dhcp4")
    assert found is not None
    assert {one.prefix: one.id for one in found} == expected
    assert {one.prefix: one.network for one in found}["192.168.30.0/24"] == "lab"


def test_kea_counts_leases_that_are_in_no_file(directory: Path) -> None:
    site = install(next(one for one in SITES if "one-line" in one.name), directory)
    hook = os.path.dirname(next(Path("/usr/lib").glob("*/kea/hooks/libdhcp_lease_cmds.so")))
    memory = {"type": "memfile", "persist": False}
    extra = {"lease-database": memory, "hooks-libraries": [{"library": f"{hook}/libdhcp_lease_cmds.so"}]}
    site.path.write_text('{"Dhcp4":{' + json.dumps(extra)[1:-1] + "," + site.path.read_text()[len('{"Dhcp4":{') :])
    with running(site.path, directory) as sockets:
        lease = {"subnet-id": 1, "ip-address": "10.9.0.7", "hw-address": "02:00:00:00:00:07"}
        answer = control.send(sockets[0]["socket-name"], "lease4-add", 5, lease)
        assert answer.result == control.SUCCESS, answer
        counted = leases.Leases(memory, sockets, 4)
        assert (counted.count(1), counted.count(2), counted.count(1, [])) == (1, 0, 0)
    assert leases.Leases(memory, sockets, 4).count(1) is None


def test_kea_tells_the_usage_of_its_pools_and_that_it_listens(directory: Path) -> None:
    site = install(next(one for one in SITES if "one-line" in one.name), directory)
    memory = {"lease-database": {"type": "memfile", "persist": False}}
    site.path.write_text('{"Dhcp4":{' + json.dumps(memory)[1:-1] + "," + site.path.read_text()[len('{"Dhcp4":{') :])
    pools = {one.id: len(one.pools) for one in subnets_of(Document(site.path.read_text()), "Dhcp4")}
    with running(site.path, directory) as sockets:
        found = statistics.usage(sockets, 4)
        assert found is not None
        assert {number: (one.total > 0, one.assigned) for number, one in found.items()} == {
            number: (count > 0, 0) for number, count in pools.items()
        }
        assert channel.listening(sockets) == {"status": "ready", "errors": []}
    assert (statistics.usage(sockets, 4), channel.listening(sockets)) == (None, None)


def test_an_interface_on_which_kea_cannot_listen_is_told(directory: Path) -> None:
    """B16: here another program has the port; an interface that is down looks the same."""
    config = directory / "kea-dhcp4.conf"
    interfaces = {"interfaces": ["lo"], "dhcp-socket-type": "udp"}
    memory = {"type": "memfile", "persist": False}
    config.write_text(json.dumps({"Dhcp4": {"interfaces-config": interfaces, "lease-database": memory}}))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 10067))
        with running(config, directory) as sockets:
            found = channel.listening(sockets)
    assert found is not None
    assert found["status"] == "failed"
    assert "lo" in found["errors"][0]
