# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hand-written configurations that serve clients are taken over with nothing but the group, and given back.

Each host meets each configuration in one of the three modes; the next Kea meets it in the next mode.
"""

from __future__ import annotations

import itertools
import json
import re
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Iterator, NamedTuple

import pytest
import yaml
from changing import Site
from host import Kea, wait
from states import BEFORE_DEPLOY, CONFIG, deployed, has_database
from support.paths import ROOT
from support.programs import ProgramError
from support.suites import SUITES
from support.wait import until

SITES = ROOT / "tests" / "unit" / "plugins" / "config" / "sites"
FRAGMENTS = sorted(path.name for path in SITES.glob("*.json"))
ETC = "/etc/kea"
MODES: dict[str, dict[str, Any]] = {
    "file": {},
    "database": {"kea_enable_database": True},
    "events": {"kea_enable_database": True, "kea_db_enable_notify": True},
}
FORCE = {"kea_rollback_force": True, "kea_rollback_constraint": True}
PURGE = {"kea_rollback_purge": ["database", "leases", "reservations"]}
COUNT = 4
ADDED = ('"interfaces-config": { "interfaces": [ "eth0" ] },', '"control-socket": { "socket-type": "unix",'
         ' "socket-name": "/run/kea/kea4-ctrl-socket" },')  # fmt: skip
"""What the configurations lack, because the unit tests run them without a network."""


class Written(NamedTuple):
    """A configuration, and the clients that it serves."""

    name: str
    relay: str
    """The address of the relay that its clients are reached through."""
    subnet: str
    options: tuple[str, ...] = ()
    """DHCP options of its clients: code and hexadecimal value."""
    only: str = ""
    """The only version of Kea that takes it."""
    variables: dict[str, Any] = {}
    """What its owner allows, having read why the play refuses it."""


# 02-ha is a pair, which tests/hosts/test_pair.py takes over.
WRITTEN = [
    Written("01-shared-networks", "10.10.0.1", "10.10.0.0/24"),
    Written("03-global-reservations", "172.16.0.1", "172.16.0.0/16"),
    Written("04-classes", "198.51.100.1", "198.51.100.0/24", ("93:0007",)),
    Written("05-includes", "10.1.0.1", "10.1.0.0/24"),
    Written("06-ddns", "203.0.113.1", "203.0.113.0/25"),
    Written("07-flex-id", "10.50.0.2", "10.50.0.0/20"),
    Written("08-no-ids", "192.168.10.1", "192.168.10.0/24", only="2.2"),
    Written("09-latin1", "10.4.0.1", "10.4.0.0/16"),
    Written("10-commas", "10.0.0.1", "10.0.0.0/8"),
    Written("11-one-line", "10.9.0.1", "10.9.0.0/24"),
    Written("12-crlf", "10.21.0.1", "10.21.0.0/24"),
    Written(
        *("13-databases", "10.70.0.1", "10.70.0.0/24"),
        # It has reservations-out-of-pool.
        variables={"kea_allow_ineffective_reservations": True},
    ),
    Written("14-many", "10.80.3.1", "10.80.3.0/24"),
]


RESERVED = "10.70.0.200"
"""Address that the site's own database of reservations has for the first client of 13-databases. No pool has it."""
ROW = (
    "INSERT INTO hosts (dhcp_identifier, dhcp_identifier_type, dhcp4_subnet_id, ipv4_address)"
    " VALUES ('\\x02bc{number:08x}', 0, 70, '{address}'::inet - '0.0.0.0'::inet)"
)


def first_of(name: str) -> int:
    """Return the number of the first client of a configuration, from which tests/lab/bmc.py makes its hwaddr."""
    return 100_000 * (1 + [written.name for written in WRITTEN].index(name))


def many() -> str:
    """Return a configuration of 19 subnets with 1,500 reservations, as a program would write it for a site."""
    subnets: list[dict[str, Any]] = []
    for number in range(19):
        hosts = [
            {"hw-address": f"02:80:00:00:{number:02x}:{one:02x}", "ip-address": f"10.80.{number}.{one}"}
            for one in range(10, 90 if number < 18 else 70)
        ]
        pools = [{"pool": f"10.80.{number}.100 - 10.80.{number}.199"}]
        subnets.append({"id": number + 1, "subnet": f"10.80.{number}.0/24", "pools": pools, "reservations": hosts})
    assert sum(len(one["reservations"]) for one in subnets) == 1500
    return json.dumps({"Dhcp4": {"valid-lifetime": 3600, "subnet4": subnets}}, indent=1)


def text_of(written: Written, hooks: str, database_hook: str = "") -> bytes:
    """Return a configuration as it stands on the host. ``database_hook`` is what Kea 3.0 needs for PostgreSQL."""
    text = many() if written.name == "14-many" else (SITES / f"{written.name}.conf").read_text()
    text = text.replace("@DIR@", ETC).replace("@HOOKS@", hooks)
    added = ADDED[1:] if "interfaces-config" in text else ADDED
    text = re.sub(r'("interfaces":) \[ \]', r'\1 [ "eth0" ]', text)
    text = re.sub(r'("Dhcp4":\s*\{)', lambda found: f"{found[1]} {' '.join(added)}", text, count=1)
    # A database that a test host can have, and the names that every Kea of today knows.
    text = re.sub(r'\{ "type": "mysql".*?\}', '{ "type": "postgresql", "name": "sitehosts", "host": "localhost",'
                  ' "user": "sitehosts", "password": "of-the-site", "readonly": true }', text)  # fmt: skip
    if database_hook and '"postgresql"' in text:
        library = f'"hooks-libraries": [ {{ "library": "{database_hook}" }} ],'
        text = text.replace('"hosts-databases"', f'{library} "hosts-databases"')
    text = text.replace('"reservation-mode": "out-of-pool"', '"reservations-out-of-pool": true')
    if "crlf" in written.name:
        text = text.replace("\n", "\r\n")
    return text.encode("latin-1" if "latin1" in written.name else "utf-8")


class Server(Site):
    """A server that a person configured."""

    def __init__(self, host: str, address: str, bmcs: str, directory: Path) -> None:
        super().__init__(host, address, bmcs)
        found = self.run("kea-dhcp4", "-v").strip()
        self.version = next(suite.kea for suite in SUITES.values() if found.startswith(suite.kea))
        self.hooks = self.run("sh", "-c", "dirname /usr/lib/*/kea/hooks/libdhcp_lease_cmds.so").strip()
        found = self.run("sh", "-c", "ls /usr/lib/*/kea/hooks/libdhcp_pgsql.so", check=False)
        self.database_hook = found.strip()
        # Nothing but the group: no variable of the collection.
        connection = {"ansible_user": "root", "ansible_ssh_common_args": f"-F {ROOT}/.cache/ssh_config"}
        inventory = directory / "hosts.yml"
        inventory.write_text(yaml.safe_dump({"kea_servers": {"hosts": {host: connection}}}))
        self.inventories = [str(inventory)]

    def write(self, written: Written) -> None:
        """Write the configuration and what it includes, and start Kea with it and without leases.

        Kea counts leases by the id of their subnet, which the last configuration may have had for another one.
        """
        user = ("chown", "root:_kea")
        for name in FRAGMENTS:
            self.run("tee", f"{ETC}/{name}", stdin=(SITES / name).read_text())
            self.run(*user, f"{ETC}/{name}")
        content = text_of(written, self.hooks, self.database_hook).decode("latin-1")
        program = "import sys; open(sys.argv[1], 'wb').write(sys.stdin.buffer.read().decode().encode('latin-1'))"
        self.run("python3", "-c", program, CONFIG, stdin=content)
        self.run(*user, CONFIG)
        self.run("systemctl", "reset-failed", "kea-dhcp4-server", check=False)
        restart = (
            "systemctl stop kea-dhcp4-server; rm -f /var/lib/kea/kea-leases4.csv*; systemctl start kea-dhcp4-server"
        )
        self.run("sh", "-c", restart)
        until(lambda: self.config_get() is not None, "Kea's answer", 60, 0.5)

    def config_get(self) -> dict[str, Any] | None:
        """Return what Kea runs with, without the hash of it; None while Kea does not answer."""
        try:
            found: dict[str, Any] = Kea(self).command("config-get")["arguments"]
        except (AssertionError, ProgramError, ValueError):
            return None
        found.pop("hash", None)
        return found

    def texts(self) -> str:
        """Return the configuration and what it includes, byte for byte, and what other files are there but backups."""
        sums = f"sha256sum kea-dhcp4.conf {' '.join(FRAGMENTS)}"
        others = "find . -maxdepth 1 -type f -not -name '*~' -printf '%p %m %u %g\\n' | sort"
        return self.run("sh", "-c", f"cd {ETC} && {sums} && {others}")


class Clients:
    """Clients of one configuration, reached through a relay of their own."""

    def __init__(self, server: Server, written: Written, first: int) -> None:
        self.server, self.written = server, written
        self._first = itertools.count(first, 100)
        server.run_bmcs("ip", "address", "replace", f"{written.relay}/32", "dev", "eth0")

    def ask(self, first: int | None = None) -> dict[str, str]:
        """Ask as new clients, or as those of this number. Return their addresses by hw-address."""
        number = next(self._first) if first is None else first
        options = [argument for option in self.written.options for argument in ("--option", option)]
        lines = self.server.play_bmcs(
            *("--relay", self.written.relay, "--first", str(number), "--count", str(COUNT)),
            *("--retry-after", "5", *options),
        ).splitlines()
        answers = {answer["hwaddr"]: answer["address"] for answer in map(json.loads, lines)}
        assert len(answers) == COUNT
        subnet = ip_network(self.written.subnet)
        outside = {mac: address for mac, address in answers.items() if not address or not _in(address, subnet)}
        assert outside == {}
        return answers


def _in(address: str, subnet: Any) -> bool:
    return bool(ip_network(address).subnet_of(subnet))


def lost(before: Any, after: Any, path: str = "") -> Iterator[str]:
    """Yield the paths of what a configuration had and another one has not, or not so. Additions are none of them."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key, value in before.items():
            yield from lost(value, after[key], f"{path}/{key}") if key in after else [f"{path}/{key}"]
    elif isinstance(before, list) and isinstance(after, list):
        for index, value in enumerate(before):
            if not any(not list(lost(value, one)) for one in after):
                best = after[index] if index < len(after) else None
                yield from lost(value, best, f"{path}/{index}")
    elif before != after:
        yield f"{path}: {before!r}, now {after!r}"


CHANGED = {
    "file": r"/Dhcp4/lease-database/(lfc-interval|persist|name).*",
    "database": r"/Dhcp4/lease-database.*",
    "events": r"/Dhcp4/lease-database.*",
}
"""What a mode has to change of a configuration that serves."""


@pytest.fixture(scope="module")
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Server:
    options = request.config.option
    server = Server(options.host, options.address, options.bmcs, tmp_path_factory.mktemp("inventory"))
    # The database of a site's own reservations.
    psql = ("runuser", "-u", "postgres", "--", "psql", "-XAtqc")
    if not server.run(*psql, "SELECT 1 FROM pg_roles WHERE rolname = 'sitehosts'"):
        server.run(*psql, "CREATE ROLE sitehosts LOGIN PASSWORD 'of-the-site'")
        server.run(*psql, "CREATE DATABASE sitehosts OWNER sitehosts")
        server.run("kea-admin", "db-init", "pgsql", "-u", "sitehosts", "-p", "of-the-site", "-n", "sitehosts")
        row = ROW.format(number=first_of("13-databases"), address=RESERVED)
        server.run(*psql[:-1], "-d", "sitehosts", psql[-1], row)
    return server


def imported_settles(server: Server, variables: dict[str, Any], directory: Path) -> None:
    """Import the server; a deployment with the variables changes nothing. One configuration of each Kea is enough."""
    server.succeed("kea_import", kea_import_directory=str(directory))
    (file,) = directory.glob("*.yml")
    server.settled(**variables, **yaml.safe_load(file.read_text()))


@pytest.mark.parametrize("number", range(len(WRITTEN)), ids=[written.name for written in WRITTEN])
def test_a_hand_written_server_is_taken_over_and_given_back(server: Server, number: int, tmp_path: Path) -> None:
    written = WRITTEN[number]
    if written.only not in ("", server.version):
        test = "cat >/run/site.conf && kea-dhcp4 -t /run/site.conf >/dev/null 2>&1 || echo refused"
        assert server.run("sh", "-c", test, stdin=text_of(written, "").decode()) == "refused\n"
        return
    mode = list(MODES)[(number + [suite.kea for suite in SUITES.values()].index(server.version)) % len(MODES)]
    variables = {**MODES[mode], **written.variables}
    if deployed(server):  # the previous test failed
        former = MODES["events" if has_database(server) else "file"]
        server.succeed("kea_rollback", **former, **BEFORE_DEPLOY, **FORCE, **PURGE)
    server.write(written)
    first = first_of(written.name)
    clients = Clients(server, written, first)
    known = clients.ask()
    # B27: it stays so, because the same clients get the same addresses until the end.
    assert (RESERVED in known.values()) is (written.name == "13-databases")
    found, before = server.texts(), server.config_get()

    server.succeed("kea_deploy", **variables)
    # First: a server that has lost its leases would give away those of the earlier clients.
    later = clients.ask()
    assert set(later.values()).isdisjoint(known.values())
    assert clients.ask(first) == known
    wait(lambda: set(known.values()) <= server.discovered(), "the inventory of the earlier clients")
    wait(lambda: set(later.values()) <= server.discovered(), "the inventory of the new clients")
    after = server.config_get()
    unexpected = [path for path in lost(before, after) if not re.fullmatch(CHANGED[mode], path)]
    assert unexpected == []
    server.settled(**variables)
    if mode == "file" and number < len(MODES):
        imported_settles(server, variables, tmp_path)
    if written.variables:
        server.fail("kea_verify", "reservations-out-of-pool", **variables)
    else:
        server.succeed("kea_verify", **variables)

    server.succeed("kea_rollback", **variables, **BEFORE_DEPLOY, **FORCE)
    assert server.texts() == found
    assert server.config_get() == before
    assert clients.ask(first) == known
    server.succeed("kea_rollback", **variables, **BEFORE_DEPLOY, **FORCE, **PURGE)
