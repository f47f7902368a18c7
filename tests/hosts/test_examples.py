# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each inventory of examples/ is deployed to hosts that have its names and addresses, verified and rolled back."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from host import Host
from states import BEFORE_DEPLOY, CONFIG
from support import playbook
from support.certificates import Authority
from support.paths import ROOT
from support.wait import until

SERVERS = ("kea-examples-one", "kea-examples-two")
DATABASE = "kea-examples-db"
PLAYED: dict[str, dict[str, tuple[str, str]]] = {
    "file": {"dhcp1.example.org": (SERVERS[0], "192.0.2.2")},
    "both-families": {"dhcp1.example.org": (SERVERS[0], "192.0.2.2")},
    "take-over": {"dhcp1.example.org": (SERVERS[0], "192.0.2.2")},
    "ddns": {"dhcp1.example.org": (SERVERS[0], "192.0.2.2")},
    "database-tls": {"dhcp1.example.org": (SERVERS[0], "192.0.2.2"), "db1.example.org": (DATABASE, "192.0.2.4")},
    "pair": {"dhcp1.example.org": (SERVERS[0], "192.0.2.2"), "dhcp2.example.org": (SERVERS[1], "192.0.2.3")},
    "multi-site": {"dhcp-a.example.org": (SERVERS[0], "192.0.2.2"), "dhcp-b.example.org": (SERVERS[1], "192.0.2.3")},
}
"""For each example, the test host that plays a host of it, and its address."""
NAMED = {"multi-site": {"db1.example.org": "192.0.2.4", "db2.example.org": "192.0.2.5"}}
"""Names that are in no inventory. Nothing answers at the second: it stands for a standby that is away."""
OWN = """{ "Dhcp4": { "interfaces-config": { "interfaces": [ "eth0" ] }, // by hand
  "lease-database": { "type": "memfile" }, "valid-lifetime": 600,
  "subnet4": [ { "id": 1, "subnet": "192.0.2.0/24", "pools": [ { "pool": "192.0.2.100 - 192.0.2.199" } ] } ] } }
"""
PASSWORD = "YS1wYXNzd29yZA=="
"""Of everything; the secret of a TSIG key is in base64."""
CENTRAL = f"""
CREATE ROLE kea LOGIN PASSWORD '{PASSWORD}'; CREATE ROLE kea_monitor LOGIN PASSWORD '{PASSWORD}';
CREATE DATABASE kea OWNER kea;
"""
NAME_THEM = "grep -v example.org /etc/hosts >/run/hosts; cat /run/hosts - >/etc/hosts"
BACK: dict[str, Any] = {**BEFORE_DEPLOY, "kea_rollback_purge": ["leases", "reservations", "database"]}


class Example:
    """A copy of an example, with the files and passwords that it names, and hosts for its hosts."""

    def __init__(self, name: str, directory: Path, host: Host) -> None:
        self.name = name
        self.host = host
        self.played = PLAYED[name]
        shutil.copytree(ROOT / "examples" / name, directory / name)
        self.inventory = directory / name / "inventory.yml"
        self.text = self.inventory.read_text()
        self.variables: dict[str, Any] = dict.fromkeys(re.findall(r"vault_\w+", self.text), PASSWORD)
        self._certify(directory / name / "files")
        overlay = directory / "hosts.yml"
        hosts = {one: {"ansible_host": host} for one, (host, _address) in self.played.items()}
        reached = {"ansible_user": "root", "ansible_ssh_common_args": f"-F {ROOT}/.cache/ssh_config"}
        overlay.write_text(yaml.safe_dump({"all": {"hosts": hosts, "vars": reached}}))
        self.inventories = [self.inventory, overlay]

    def _certify(self, files: Path) -> None:
        """Write the certificates that the inventory names, each for the name that the example gives it."""
        files.mkdir()
        authority = Authority(files, "ca")
        roles = {"kea": "_kea", "monitor": "kea-lease-monitor"}
        for stem in set(re.findall(r"files/([^\"]+)\.pem", self.text)) - {"ca"}:
            for each in self.played if "{{" in stem else (stem,):
                host = f"{each}.example.org" if each.startswith("db") and "." not in each else each
                authority.issue(each, roles.get(each, host), "" if each in roles else host)

    def prepare(self) -> None:
        """Give the hosts the addresses and names of the example."""
        names = {name: address for name, (_host, address) in self.played.items()} | NAMED.get(self.name, {})
        lines = "".join(f"{address} {name}\n" for name, address in names.items())
        for one, address in [*self.played.values(), (DATABASE, "192.0.2.4")]:
            peer = Host(one, "", self.host.bmcs)
            peer.run("ip", "address", "replace", f"{address}/24", "dev", "eth0")
            peer.run("sh", "-c", NAME_THEM, stdin=lines)

    def play(self, name: str, **more: Any) -> playbook.Played:
        return playbook.play(name, self.inventories, {**self.variables, **more}, (), self.host.environment)

    def succeed(self, name: str, **more: Any) -> int:
        """Return how many tasks changed something."""
        played = self.play(name, **more)
        assert played.code == 0, played.words[-3000:]
        return sum(played.changed)


def configured(host: Host, text: str) -> None:
    host.run("tee", CONFIG, stdin=text)
    host.run("systemctl", "restart", "kea-dhcp4-server")


def own_configuration(example: Example) -> None:
    """Have a Kea with a configuration of a site."""
    configured(example.host, OWN)


def central_database(example: Example) -> None:
    """Have the PostgreSQL of a site, reached by TLS, with the roles and the database of the example."""
    server = Host(DATABASE, "", example.host.bmcs)
    files = example.inventory.parent / "files"
    certificate = Authority(files, "ca2").issue("db1", "db1.example.org", "db1.example.org")
    (files / "ca.pem").write_text((files / "ca2.pem").read_text())
    data = server.run("sh", "-c", "ls -d /etc/postgresql/*/main").strip()
    for name, path in (("db1.pem", certificate.path), ("db1.key", certificate.key)):
        server.run("install", "-o", "postgres", "-m", "0600", "/dev/stdin", f"{data}/{name}", stdin=path.read_text())
    settings = f"listen_addresses = '*'\nssl = on\nssl_cert_file = '{data}/db1.pem'\nssl_key_file = '{data}/db1.key'\n"
    server.run("tee", f"{data}/conf.d/site.conf", stdin=settings)
    server.run("tee", "-a", f"{data}/pg_hba.conf", stdin="hostssl kea all 192.0.2.0/24 scram-sha-256\n")
    server.run("systemctl", "restart", "postgresql")
    server.run("sh", "-c", "until runuser -u postgres -- psql -c 'SELECT 1' >/dev/null 2>&1; do sleep 0.2; done")
    server.run("runuser", "-u", "postgres", "--", "psql", "-v", "ON_ERROR_STOP=1", stdin=CENTRAL)


def name_server(example: Example) -> None:
    """Have the DNS server of a site, whose zones the key of the example may change."""
    server = Host(DATABASE, "", example.host.bmcs)
    server.run("ip", "address", "replace", "192.0.2.53/24", "dev", "eth0")
    zones = ("bmc.example.org", "2.0.192.in-addr.arpa", "kea.example.org.")
    server.script("dns.sh", "bind9", PASSWORD, *zones, check=True)


SITES = {"take-over": own_configuration, "multi-site": central_database, "ddns": name_server}
"""What a site has before the example is deployed."""


@pytest.fixture(params=list(PLAYED))
def example(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Example]:
    options = request.config.option
    made = Example(request.param, tmp_path, Host(options.host, options.address, options.bmcs))
    made.prepare()
    found = made.host.run("cat", CONFIG)
    SITES.get(made.name, lambda _example: None)(made)
    yield made
    made.play("kea_rollback", **BACK)
    configured(made.host, found)


def test_an_example_is_deployed_verified_and_rolled_back(example: Example) -> None:
    assert example.succeed("kea_deploy") > 0
    # The two servers of a pair agree within seconds.
    until(lambda: example.play("kea_verify").code == 0, lambda: example.play("kea_verify").words[-3000:], 60, 1)
    again = example.play("kea_deploy", kea_full_run=True)
    assert (again.code, again.changed_tasks, sum(again.changed)) == (0, [], 0), again.words[-3000:]
    assert example.succeed("kea_rollback", **BACK) > 0
