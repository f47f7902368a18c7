# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Time that the inventory plugin takes for 10,000 clients: from each source, and from its cache."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Iterator, NamedTuple

import report
from kea_lease_monitor.lease import EventKind, Lease, LeaseEvent, LeaseState
from kea_lease_monitor.pace import MOST
from kea_lease_monitor.sinks.discovery import DiscoverySink, Options
from postgres import Server, server
from support.http_kea import Kea, http_socket
from support.paths import ROOT
from support.programs import run

DATABASE = "inventory"
GOAL = 2.0
"""Seconds for all hosts."""

FILL = """
INSERT INTO lease4 (address, hwaddr, client_id, valid_lifetime, expire, subnet_id, fqdn_fwd, fqdn_rev, hostname, state)
SELECT 167772160 + n, decode('02' || lpad(to_hex(n), 10, '0'), 'hex'), decode('01' || lpad(to_hex(n), 12, '0'), 'hex'),
       86400, now() + '1 day', 1 + n % 100, false, false, 'bmc-' || n, 0
  FROM generate_series(1, {hosts}) AS g (n);
INSERT INTO hosts (dhcp_identifier, dhcp_identifier_type, dhcp4_subnet_id, ipv4_address, hostname, user_context)
SELECT hwaddr, 0, subnet_id, address, hostname, json_build_object('kea-lease-monitor', json_build_object(
       'ip-address', host('0.0.0.0'::inet + address), 'hostname', hostname))
  FROM lease4;
ANALYZE;
"""

CONSTRUCT = """\
compose:
  redfish_url: "'https://' ~ ansible_host"
keyed_groups:
  - {prefix: subnet, key: kea_subnet_id | string}
"""

# A process of its own for each run, as for each command of Ansible; its start is not measured.
MEASURE = """
import json, sys, time
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader
init_plugin_loader()
began = time.perf_counter(), time.process_time()
hosts = len(InventoryManager(DataLoader(), sources=[sys.argv[1]]).hosts)
print(json.dumps([hosts, time.perf_counter() - began[0], time.process_time() - began[1]]))
"""


class Source(NamedTuple):
    """Row of the table; ``has_goal`` is false for what is measured without a goal."""

    name: str
    settings: str
    has_goal: bool


def write_files(directory: Path, hosts: int) -> None:
    """Write the discovery files of so many clients, as the lease monitor does."""
    now = int(time.time())
    events = []
    for number in range(hosts):
        hwaddr = f"02{number:010x}"
        address = f"10.0.{number >> 8 & 255}.{number & 255}"
        spelled = ":".join(hwaddr[at : at + 2] for at in range(0, 12, 2))
        lease = Lease(
            4, address, 1, spelled, f"01:{spelled}", f"host-{number}", now, 86400, now + 86400, LeaseState.DEFAULT, ""
        )
        events.append(LeaseEvent(EventKind.ASSIGNED, lease, f"bench:{number}", None))
    sink = DiscoverySink(Options(str(directory), "bmc_targets", None))
    for begin in range(0, hosts, MOST):
        sink.deliver(events[begin : begin + MOST])


@contextlib.contextmanager
def answering(directory: Path, hosts: int) -> Iterator[str]:
    """Start a Kea with so many leases and as many reservations, and yield the URL of its control channel."""
    directory.mkdir()
    rows, reservations = [], []
    for number in range(1, hosts + 1):
        hwaddr = ":".join(f"02{number:010x}"[at : at + 2] for at in range(0, 12, 2))
        address = f"10.0.{number >> 8 & 255}.{number & 255}"
        rows.append(f"{address},{hwaddr},01:{hwaddr},86400,{int(time.time()) + 86400},1,0,0,bmc-{number},0,")
        reservations.append({"hw-address": hwaddr, "ip-address": address, "hostname": f"bmc-{number}"})
    kea = Kea(directory)
    kea.start_with(rows, reservations, hook=True)
    try:
        with http_socket(kea.answer) as url:
            yield url
    finally:
        kea.stop()


def sources(one: Server, directory: Path, hosts: int) -> Iterator[Source]:
    one.create(DATABASE)
    one.psql(DATABASE, FILL.format(hosts=hosts))
    database = f"source: postgresql\nlogin_unix_socket: {one.directory}\nlogin_db: {DATABASE}\n"
    cache = f"cache: true\ncache_plugin: ansible.builtin.jsonfile\ncache_connection: {directory / 'cache'}\n"
    files = directory / "files"
    files.mkdir()
    write_files(files, hosts)
    with answering(directory / "kea", hosts) as url:
        yield Source("control channel, leases and reservations", f"source: control\ncontrol_url: {url}\n", True)
    yield Source("PostgreSQL, leases and reservations", database, True)
    yield Source("PostgreSQL, with one `compose` and one `keyed_groups`", database + CONSTRUCT, False)
    yield Source("discovery files", f"source: directory\ndirectory: {files}\n", True)
    yield Source("cache (`jsonfile`)", database + cache, True)


def measure(source: Source, directory: Path, hosts: int, times: int) -> report.Row:
    """Return the best of several runs: what else the machine does only ever adds time."""
    path = directory / "measured.kea.yml"
    path.write_text(f"plugin: baremetal.kea.kea\n{source.settings}")
    environment = (f"ANSIBLE_CONFIG={ROOT}/ansible.cfg", f"ANSIBLE_COLLECTIONS_PATH={ROOT}/.collections")
    found = []
    # The first run fills the caches. What has no goal takes long, so one run of it has to do.
    for _run in range(times + 1 if source.has_goal else 1):
        report.progress(source.name)
        count, wall, cpu = json.loads(run("env", *environment, sys.executable, "-c", MEASURE, path))
        assert count == hosts, f"{source.name}: {count} hosts instead of {hosts}"
        found.append((wall, cpu))
    wall, cpu = (min(run[at] for run in found[1:] or found) for at in (0, 1))
    goal = report.Goal(f"< {GOAL:.0f} s", wall < GOAL) if source.has_goal else None
    return report.Row(source.name, [f"{hosts}", f"{wall:.2f}", f"{cpu:.2f}"], goal)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hosts", type=int, default=10_000)
    parser.add_argument("--times", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, server() as one:
        directory = Path(name)
        found = [
            measure(source, directory, options.hosts, options.times)
            for source in sources(one, directory, options.hosts)
        ]
    report.show("Inventory plugin", ["source", "hosts", "seconds", "seconds of CPU", "goal"], found)


if __name__ == "__main__":
    main()
