# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hand-written configurations that serve clients are taken over with nothing but the group, and given back.

Each host meets each configuration in one of the three modes; the next Kea meets it in the next mode.

Where the configurations come from: Git's log does not tell of any of them that it is written after a public one. They
were written for these tests by the features that real sites combine. Kea's own examples, which are public, are merged
into by tests/unit/plugins/config (``site_helpers.EXAMPLES``).
"""

from __future__ import annotations

import itertools
import json
import os
import re
import threading
from collections.abc import Collection
from contextlib import contextmanager
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
OWN = "/root/kea-of-the-package"
"""A copy of that directory as Kea's package made it."""
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


class Reserved(NamedTuple):
    """A reservation that a person wrote for one client, with an address outside all pools."""

    address: str
    after: str | None = ""
    """The text that it is written after. Empty: the prefix of the subnet. None: the configuration has it already."""
    file: str = "kea-dhcp4.conf"
    relay: str = ""
    """The relay of that client, if it is another one."""
    options: tuple[str, ...] = ()
    """What that client is known by, if not by its hwaddr."""


LIST = '"reservations": ['
"""The first list of reservations of a text."""


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
    """What its owner allows, having read why the play refuses it, and who else reads the configuration."""
    reserved: Reserved | None = None


GROUP = "site-agent"
"""A group of the site whose members read Kea's configuration."""
HTTP_PORT = 8004

# 02-ha is a pair, which tests/hosts/test_pair.py takes over.
WRITTEN = [
    Written("01-shared-networks", "10.10.0.1", "10.10.0.0/24", reserved=Reserved("10.10.0.21", LIST)),
    # Outside all subnets.
    Written("03-global-reservations", "172.16.0.1", "172.16.0.0/16", reserved=Reserved("172.16.0.21", LIST)),
    Written("04-classes", "198.51.100.1", "198.51.100.0/24", ("93:0007",), reserved=Reserved("198.51.100.21")),
    Written(
        *("05-includes", "10.1.0.1", "10.1.0.0/24"),
        reserved=Reserved("10.2.0.6", LIST, "subnets.json", relay="10.2.0.1"),
    ),
    Written("06-ddns", "203.0.113.1", "203.0.113.0/25", reserved=Reserved("203.0.113.5")),
    Written(
        *("07-flex-id", "10.50.0.2", "10.50.0.0/20"),
        reserved=Reserved("10.50.0.74", None, options=("82:01030a0b0c",)),  # by its circuit-id
    ),
    Written("08-no-ids", "192.168.10.1", "192.168.10.0/24", only="2.2", reserved=Reserved("192.168.10.21")),
    Written("09-latin1", "10.4.0.1", "10.4.0.0/16", reserved=Reserved("10.4.0.21")),
    Written("10-commas", "10.0.0.1", "10.0.0.0/8", reserved=Reserved("10.0.0.21")),
    Written("11-one-line", "10.9.0.1", "10.9.0.0/24", reserved=Reserved("10.9.0.201", LIST.replace(" ", ""))),
    Written("12-crlf", "10.21.0.1", "10.21.0.0/24", reserved=Reserved("10.21.0.5")),
    Written(
        *("13-databases", "10.70.0.1", "10.70.0.0/24"),
        # It has reservations-out-of-pool.
        variables={"kea_allow_ineffective_reservations": True},
    ),
    Written("14-many", "10.80.3.1", "10.80.3.0/24", reserved=Reserved("10.80.3.10", None)),
    Written(
        *("16-http", "10.90.0.1", "10.90.0.0/24"),
        only="3.0",
        variables={"kea_config_group": GROUP},
        reserved=Reserved("10.90.0.21"),
    ),
]


RESERVED = "10.70.0.200"
"""Address that the site's own database of reservations has for the first client of 13-databases. No pool has it."""
ROW = (
    "INSERT INTO hosts (dhcp_identifier, dhcp_identifier_type, dhcp4_subnet_id, ipv4_address)"
    " VALUES ('\\x02bc{number:08x}', 0, 70, '{address}'::inet - '0.0.0.0'::inet)"
)
HTTP = f"""{{ "Dhcp4": {{
    "control-sockets": [
        {{ "socket-type": "unix", "socket-name": "/run/kea/kea4-ctrl-socket" }},
        // Our own programs speak HTTP.
        {{ "socket-type": "http", "socket-address": "127.0.0.1", "socket-port": {HTTP_PORT} }}
    ],
    "subnet4": [ {{ "id": 90, "subnet": "10.90.0.0/24",
                   "pools": [ {{ "pool": "10.90.0.100 - 10.90.0.199" }} ] }} ]
}} }}
"""
OVER_HTTP = """
import json, urllib.request
body = json.dumps({"command": "version-get"}).encode()
asked = urllib.request.Request("http://127.0.0.1:%d/", body, {"Content-Type": "application/json"})
print(json.load(urllib.request.urlopen(asked, timeout=10))[0]["result"])
"""


def first_of(name: str) -> int:
    """Return the number of the first client of a configuration, from which tests/lab/bmc.py makes its hwaddr."""
    return 100_000 * (1 + [written.name for written in WRITTEN].index(name))


def reserved_of(name: str) -> int:
    """Return the number of the client that a person wrote a reservation for."""
    return first_of(name) + 50


def mac(number: int) -> str:
    return "02:bc:" + number.to_bytes(4, "big").hex(":")


def with_reservation(text: str, written: Written, file: str) -> str:
    """Return the text of a file of the configuration with the reservation that belongs there."""
    reserved = written.reserved
    if reserved is None or reserved.after is None or reserved.file != file:
        return text
    host = f'{{ "hw-address": "{mac(reserved_of(written.name))}", "ip-address": "{reserved.address}" }}'
    after = reserved.after or f'"subnet": "{written.subnet}",'
    assert after in text
    return text.replace(after, f"{after} {host}," if reserved.after else f"{after} {LIST} {host} ],", 1)


def many() -> str:
    """Return a configuration of 19 subnets with 1,500 reservations, as a program would write it for a site."""
    subnets: list[dict[str, Any]] = []
    for number in range(19):
        hosts = [
            {"hw-address": f"02:80:00:00:{number:02x}:{one:02x}", "ip-address": f"10.80.{number}.{one}"}
            for one in range(10, 90 if number < 18 else 70)
        ]
        if number == 3:
            hosts[0]["hw-address"] = mac(reserved_of("14-many"))
        pools = [{"pool": f"10.80.{number}.100 - 10.80.{number}.199"}]
        subnets.append({"id": number + 1, "subnet": f"10.80.{number}.0/24", "pools": pools, "reservations": hosts})
    assert sum(len(one["reservations"]) for one in subnets) == 1500
    return json.dumps({"Dhcp4": {"valid-lifetime": 3600, "subnet4": subnets}}, indent=1)


MADE = {"14-many": many(), "16-http": HTTP}


def text_of(written: Written, hooks: str, database_hook: str = "") -> bytes:
    """Return a configuration as it stands on the host. ``database_hook`` is what Kea 3.0 needs for PostgreSQL."""
    text = MADE.get(written.name) or (SITES / f"{written.name}.conf").read_text()
    text = with_reservation(text, written, "kea-dhcp4.conf")
    text = text.replace("@DIR@", ETC).replace("@HOOKS@", hooks)
    interfaces, socket = ADDED
    added = [] if "interfaces-config" in text else [interfaces]
    added += [] if "control-sockets" in text else [socket]
    text = re.sub(r'("interfaces":) \[ \]', r'\1 [ "eth0" ]', text)
    text = re.sub(r'("Dhcp4":\s*\{)', lambda found: f"{found[1]} {' '.join(added)}", text, count=1)
    # A database that a test host can have, and the names that every Kea of today knows.
    text = re.sub(r'\{ "type": "mysql".*?\}', '{ "type": "postgresql", "name": "sitehosts", "host": "localhost",'
                  ' "user": "sitehosts", "password": "of-the-site", "readonly": true }', text)  # fmt: skip
    if database_hook and '"postgresql"' in text:
        # The site keeps what its database told in a cache, before the database.
        cache = os.path.join(os.path.dirname(database_hook), "libdhcp_host_cache.so")
        libraries = ", ".join(f'{{ "library": "{one}" }}' for one in (database_hook, cache))
        text = text.replace('"hosts-databases"', f'"hooks-libraries": [ {libraries} ], "hosts-databases"')
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
            text = with_reservation((SITES / name).read_text(), written, name)
            self.run("tee", f"{ETC}/{name}", stdin=text)
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

    def empty(self) -> None:
        """Give the host what it had before anybody wrote a configuration: that of Kea's package."""
        self.run("sh", "-ec", f"rm -rf {ETC}; cp -a {OWN} {ETC}; systemctl restart kea-dhcp4-server")

    def config_get(self) -> dict[str, Any] | None:
        """Return what Kea runs with, without the hash of it; None while Kea does not answer."""
        try:
            found: dict[str, Any] = Kea(self).command("config-get")["arguments"]
        except (AssertionError, ProgramError, ValueError):
            return None
        found.pop("hash", None)
        return found

    def config_gets(self) -> int:
        """Return how often Kea was sent config-get since its unit exists; 0 where its log does not tell."""
        log = self.run("journalctl", "-u", "kea-dhcp4-server", "-o", "cat", "--no-pager")
        return log.count("eceived command 'config-get'")

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
        for relay in filter(None, {written.relay, written.reserved.relay if written.reserved else ""}):
            server.run_bmcs("ip", "address", "replace", f"{relay}/32", "dev", "eth0")

    def ask(self, first: int | None = None) -> dict[str, str]:
        """Ask as new clients, or as those of this number. Return their addresses by hw-address."""
        number = next(self._first) if first is None else first
        answers = self._ask(self.written.relay, number, COUNT, self.written.options)
        assert len(answers) == COUNT
        subnet = ip_network(self.written.subnet)
        outside = {mac: address for mac, address in answers.items() if not address or not _in(address, subnet)}
        assert outside == {}
        return answers

    def ask_reserved(self) -> Collection[str | None]:
        """Ask as the client of the reservation, if there is one. Return its address; None without an answer."""
        reserved = self.written.reserved
        if reserved is None:
            return []
        relay, options = reserved.relay or self.written.relay, (*self.written.options, *reserved.options)
        return self._ask(relay, reserved_of(self.written.name), 1, options).values()

    def keeps_reserved(self) -> bool:
        """Return whether that client gets the address that a person wrote for it; true without one."""
        return set(self.ask_reserved()) == set(self._expected())

    @contextmanager
    def asking_reserved(self) -> Iterator[None]:
        """Ask as that client again and again meanwhile. It gets its address, and never another one."""
        answers: set[str | None] = set()
        is_over = threading.Event()

        def ask() -> None:
            while self.written.reserved and not is_over.wait(1):
                answers.update(self.ask_reserved())

        thread = threading.Thread(target=ask)
        thread.start()
        try:
            yield
        finally:
            is_over.set()
            thread.join()
        assert answers - {None} == set(self._expected())

    def _expected(self) -> list[str]:
        return [self.written.reserved.address] if self.written.reserved else []

    def _ask(self, relay: str, first: int, count: int, options: Collection[str]) -> dict[str, str]:
        arguments = [argument for option in options for argument in ("--option", option)]
        lines = self.server.play_bmcs(
            *("--relay", relay, "--first", str(first), "--count", str(count), "--retry-after", "5", *arguments)
        ).splitlines()
        return {answer["hwaddr"]: answer["address"] for answer in map(json.loads, lines)}


def _in(address: str, subnet: Any) -> bool:
    return bool(ip_network(address).subnet_of(subnet))


KEYS = ("id", "code", "name", "library", "pool", "hw-address", "client-id", "duid", "circuit-id", "flex-id",
        "socket-type", "type")  # fmt: skip
"""What an element of a list is known by: the first of these that it has."""


def _key(value: Any) -> str:
    if not isinstance(value, dict):
        return str(value)
    found = next((value[key] for key in KEYS if key in value), json.dumps(value, sort_keys=True))
    return os.path.basename(str(found))


def differences(before: Any, after: Any, path: str = "") -> Iterator[str]:
    """Yield what another configuration lacks (-), has besides (+), has otherwise (!) or in another order (~)."""
    if isinstance(before, list) and isinstance(after, list):
        old, new = ({_key(value): value for value in values} for values in (before, after))
        assert (len(old), len(new)) == (len(before), len(after))
        if [key for key in old if key in new] != [key for key in new if key in old]:
            yield f"~ {path}"
        before, after = old, new
    if isinstance(before, dict) and isinstance(after, dict):
        yield from (f"- {path}/{key}" for key in before if key not in after)
        yield from (f"+ {path}/{key}" for key in after if key not in before)
        for key in before:
            if key in after:
                yield from differences(before[key], after[key], f"{path}/{key}")
    elif before != after:
        yield f"! {path}: {before!r}, now {after!r}"


SUBNET = r"/Dhcp4(/shared-networks/[^/]+)?/subnet4/[^/]+"
HOOKS = r"\+ /Dhcp4/hooks-libraries/libdhcp_"
LOGGERS = r"\+ /Dhcp4/loggers(/kea-dhcp4\.(commands|host-cmds-hooks))?"
"""They keep reservations by command out of the log."""
CHANGED = {
    "file": rf"\+ {SUBNET}/reservations/.*|{HOOKS}host_cmds.so|{LOGGERS}",
    "database": rf"\+ /Dhcp4/hosts-databases?.*|{HOOKS}pgsql.so",
    "events": rf". /Dhcp4/lease-database.*|\+ /Dhcp4/hosts-databases?.*|{HOOKS}pgsql.so",
}
"""What a mode has to change of a configuration that serves."""
ELSEWHERE = rf"\+ {SUBNET}/reservations/.*|- /Dhcp4/(loggers(/kea-dhcp4)?|lease-database/lfc-interval)"
"""What an imported server may have besides: reservations of clients that were never at the other host.

And what it may lack of the configuration of Kea's package: where Kea logs and when it cleans up, as without them.
"""


@pytest.fixture(scope="module")
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Server:
    options = request.config.option
    server = Server(options.host, options.address, options.bmcs, tmp_path_factory.mktemp("inventory"))
    server.run("sh", "-ec", f"[ -e {OWN} ] || cp -a {ETC} {OWN}")
    # The database of a site's own reservations.
    psql = ("runuser", "-u", "postgres", "--", "psql", "-XAtqc")
    server.run("groupadd", "--force", "--system", GROUP)
    if not server.run(*psql, "SELECT 1 FROM pg_roles WHERE rolname = 'sitehosts'"):
        server.run(*psql, "CREATE ROLE sitehosts LOGIN PASSWORD 'of-the-site'")
        server.run(*psql, "CREATE DATABASE sitehosts OWNER sitehosts")
        server.run("kea-admin", "db-init", "pgsql", "-u", "sitehosts", "-p", "of-the-site", "-n", "sitehosts")
        row = ROW.format(number=first_of("13-databases"), address=RESERVED)
        server.run(*psql[:-1], "-d", "sitehosts", psql[-1], row)
    return server


def imported(server: Server, variables: dict[str, Any], directory: Path) -> dict[str, Any]:
    """Import the server; a deployment with what that writes changes nothing. Return it."""
    server.succeed("kea_import", kea_import_directory=str(directory))
    (file,) = directory.glob("*.yml")
    found: dict[str, Any] = {**variables, **yaml.safe_load(file.read_text())}
    server.settled(**found)
    return found


def reproduces(server: Server, variables: dict[str, Any], served: Any) -> None:
    """On a host that is empty, these variables give what an imported server had, and an end to it."""
    server.empty()
    server.succeed("kea_deploy", **variables)
    again = server.config_get()
    print(*differences(again, served), sep="\n")
    assert [one for one in differences(again, served) if not re.fullmatch(ELSEWHERE, one)] == []
    server.succeed("kea_rollback", **variables, **BEFORE_DEPLOY, **FORCE, **PURGE)


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
    assert clients.keeps_reserved()
    found, before, sent = server.texts(), server.config_get(), server.config_gets()

    with clients.asking_reserved():
        server.succeed("kea_deploy", **variables)
    sent = server.config_gets() - sent
    print(f"{written.name}, {mode} mode: config-get was sent {sent} times")
    assert sent <= 1
    # First: a server that has lost its leases would give away those of the earlier clients.
    later = clients.ask()
    assert set(later.values()).isdisjoint(known.values())
    assert clients.ask(first) == known
    assert clients.keeps_reserved()
    wait(lambda: set(known.values()) <= server.discovered(), "the inventory of the earlier clients")
    wait(lambda: set(later.values()) <= server.discovered(), "the inventory of the new clients")
    after = server.config_get()
    unexpected = [one for one in differences(before, after) if not re.fullmatch(CHANGED[mode], one)]
    assert unexpected == []
    if written.name == "16-http":
        assert server.run("python3", "-c", OVER_HTTP % HTTP_PORT) == "0\n"
        read = ("runuser", "-u", "nobody", "-g", GROUP, "--", "cat", CONFIG)
        assert server.run(*read) == server.config()
    server.settled(**variables)
    # One configuration of each Kea is enough.
    written_down = imported(server, variables, tmp_path) if mode == "file" and number < len(MODES) else {}
    if "kea_allow_ineffective_reservations" in written.variables:
        server.fail("kea_verify", "reservations-out-of-pool", **variables)
    else:
        server.succeed("kea_verify", **variables)

    server.succeed("kea_rollback", **variables, **BEFORE_DEPLOY, **FORCE)
    assert server.texts() == found
    assert server.config_get() == before
    assert clients.ask(first) == known
    assert clients.keeps_reserved()
    server.succeed("kea_rollback", **variables, **BEFORE_DEPLOY, **FORCE, **PURGE)
    if written_down:
        reproduces(server, written_down, after)


SITE_DATABASE = """{ "Dhcp4": {
  "interfaces-config": { "interfaces": [ "eth0" ] },
  "control-socket": { "socket-type": "unix", "socket-name": "/run/kea/kea4-ctrl-socket" },
  # The leases of this site.
  "lease-database": { "type": "postgresql", "name": "dhcp", "host": "/var/run/postgresql", "user": "_kea" }, @HOOK@
  "subnet4": [ { "id": 7, "subnet": "10.77.0.0/16", "pools": [ { "pool": "10.77.200.10 - 10.77.200.99" } ] } ]
} }
"""


def addresses(server: Server, first: str, count: int) -> set[str]:
    """Return the addresses that clients get."""
    lines = server.play_bmcs("--first", first, "--count", str(count), "--retry-after", "5").splitlines()
    found = {json.loads(line)["address"] for line in lines}
    assert len(found - {None}) == count
    return found


def test_leases_in_a_database_of_the_site_stay_there(server: Server) -> None:
    """Unless the variables name that database, the first deployment is refused: it would move them."""
    psql = ("runuser", "-u", "postgres", "--", "psql", "-XAtqc")
    if not server.run(*psql, "SELECT 1 FROM pg_roles WHERE rolname = '_kea'"):
        server.run(*psql, 'CREATE ROLE "_kea" LOGIN')
    server.run(*psql, 'CREATE DATABASE dhcp OWNER "_kea"')
    initialise = ("kea-admin", "db-init", "pgsql", "-u", "_kea", "-n", "dhcp", "-h", "/var/run/postgresql")
    server.run("runuser", "-u", "_kea", "--", *initialise)
    hook = f'"hooks-libraries": [ {{ "library": "{server.database_hook}" }} ],' if server.database_hook else ""
    written = SITE_DATABASE.replace("@HOOK@", hook)
    server.run("tee", CONFIG, stdin=written)
    server.run("chown", "root:_kea", CONFIG)
    server.run("systemctl", "restart", "kea-dhcp4-server")
    until(lambda: server.config_get() is not None, "Kea's answer", 60, 0.5)
    known = addresses(server, "9000", COUNT)
    for variables in ({}, MODES["database"], MODES["events"]):
        words = "leases are in the PostgreSQL database dhcp at /var/run/postgresql"
        assert "changed=0" in server.fail("kea_deploy", words, **variables)
        assert server.config() == written
    wanted = {**MODES["events"], "kea_db_name": "dhcp"}
    server.succeed("kea_deploy", **wanted)
    count = (*psql[:-1], "-d", "dhcp", psql[-1], "SELECT count(*) FROM lease4 WHERE state = 0")
    assert server.run(*count) == f"{COUNT}\n"
    later = addresses(server, "9100", 1)
    assert addresses(server, "9000", COUNT) == known
    wait(lambda: known | later <= server.discovered(), "the inventory of all")
    assert server.run(*count) == f"{COUNT + 1}\n"
    server.settled(**wanted)
    server.succeed("kea_rollback", **wanted, **BEFORE_DEPLOY, **FORCE)
    assert server.config() == written
    assert server.run(*count) == f"{COUNT + 1}\n"
