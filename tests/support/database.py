# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A PostgreSQL server with Kea's own schema, a database for each test, and the modules run on it.

It is this machine's PostgreSQL with this machine's Kea. If KEA_SUITE names a suite of test hosts, it is the PostgreSQL
and the Kea of such a host: the server runs in its container and is reached over the same kind of socket.
"""

from __future__ import annotations

import os
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Iterator

from support.modules import run_module
from support.paths import KEA_SCHEMA, LAB
from support.postgres import FAST, Cluster

TEMPLATE = "kea_template"
# Roles as on a real host: Kea's owns the tables, the monitor's only reads. The name with hyphens has to be quoted.
KEA, MONITOR = "_kea", "kea-lease-monitor"
PASSWORD_ROLE, PASSWORD = "with password", "correct horse"
HBA = f'local all "{PASSWORD_ROLE}" scram-sha-256\nlocal all all trust\nlocal replication all trust\n'


class KeaCluster(Cluster):
    """A server with those roles. ``suite`` is the test host that it runs on; without, it runs on this machine."""

    def __init__(self, suite: str = os.environ.get("KEA_SUITE", "")) -> None:
        super().__init__(settings={**FAST, "max_connections": "40"}, hba=HBA)
        self._count = 0
        self._container = start_container(suite, self.directory) if suite else ""
        # The newest; a test that needs it fails without it.
        self.bin = Path(self.run("sh", "-c", "ls -v /usr/lib/postgresql/*/bin/initdb").split()[-1]).parent

    def as_postgres(self) -> tuple[str, ...]:
        if self._container:
            return ("podman", "exec", "--interactive", "--user", "postgres", self._container)
        return super().as_postgres()

    def prepare(self) -> None:
        """Create the roles, and the template of each test's database."""
        self.execute(
            "postgres",
            f'CREATE ROLE "{KEA}" LOGIN',
            f'CREATE ROLE "{MONITOR}" LOGIN',
            f"CREATE ROLE \"{PASSWORD_ROLE}\" LOGIN PASSWORD '{PASSWORD}'",
            f'CREATE DATABASE {TEMPLATE} OWNER "{KEA}"',
        )
        self.load(KEA_SCHEMA, TEMPLATE, KEA)

    def remove(self) -> None:
        super().remove()
        if self._container:
            subprocess.run(["podman", "rm", "--force", "--time", "0", self._container], check=True, capture_output=True)

    @contextmanager
    def database(self) -> Iterator[Database]:
        """Create a database with Kea's schema, and drop it afterwards."""
        self._count += 1
        name = f"kea{self._count}"
        self.copy_database(name, TEMPLATE, KEA)
        yield Database(self, name)
        self.execute("postgres", f"DROP DATABASE {name} WITH (FORCE)")


class Standby(Cluster):
    """A streaming standby of that server, on the same machine or in the same container."""

    def __init__(self, primary: KeaCluster) -> None:
        directory = f"{primary.directory}/standby"
        primary.run("mkdir", directory)
        super().__init__(directory, {**FAST, "max_connections": "40"}, primary=primary)
        self.bin = primary.bin
        self._kea = primary

    def as_postgres(self) -> tuple[str, ...]:
        return self._kea.as_postgres()


@contextmanager
def kea_cluster(suite: str = os.environ.get("KEA_SUITE", "")) -> Iterator[KeaCluster]:
    """Run such a server."""
    cluster = KeaCluster(suite)
    cluster.start()
    try:
        cluster.prepare()
        yield cluster
    finally:
        cluster.remove()


def image_of(suite: str) -> str:
    """Return the image of that suite's host with Kea's packages; build it if it does not exist."""
    os.environ["CONTAINERS_CONF"] = str(LAB / "containers.conf")
    image = subprocess.run([LAB / "lab", "image", f"{suite}-kea"], check=True, stdout=subprocess.PIPE, text=True)
    return image.stdout.strip()


def start_container(suite: str, directory: str) -> str:
    """Start such a host, in which nothing runs, with this directory shared. Return its name."""
    name = f"kea-unit-{suite}-{os.getpid()}"
    command = ["podman", "run", "--detach", "--name", name, "--network", "none", "--volume"]
    command += [f"{directory}:{directory}", image_of(suite), "sleep", "infinity"]
    subprocess.run(command, check=True, capture_output=True)
    return name


class Database:
    """A database with Kea's schema, and the modules applied to it."""

    def __init__(self, cluster: KeaCluster, name: str) -> None:
        self.cluster = cluster
        self.name = name

    def session(self, user: str = "postgres", autocommit: bool = True) -> Any:
        return self.cluster.session(self.name, user, autocommit)

    def execute(self, *statements: str) -> None:
        self.cluster.execute(self.name, *statements)

    def fetch(self, query: str, user: str = "postgres") -> list[tuple[Any, ...]]:
        with self.session(user) as cursor:
            cursor.execute(query)
            rows: list[tuple[Any, ...]] = cursor.fetchall()
            return rows

    def value(self, query: str) -> Any:
        return self.fetch(query)[0][0]

    def module(self, module: str, check: bool = False, **params: Any) -> dict[str, Any]:
        """Return the result of a module that logs in to this database."""
        login = {"login_unix_socket": self.cluster.directory, "login_db": self.name}
        return run_module(module, check, **{**login, **params})

    def constraint(self, check: bool = False, **params: Any) -> dict[str, Any]:
        return self.module("kea_hosts_constraint", check, **params)

    def rights(self, check: bool = False, **params: Any) -> dict[str, Any]:
        return self.module("kea_database_rights", check, **{"connect": [KEA], **params})

    def notify(self, check: bool = False, **params: Any) -> dict[str, Any]:
        return self.module("kea_lease_notify", check, **{"readers": [MONITOR], **params})

    # As Kea does it: each statement a transaction of its own, as the role that owns the tables.

    def lease(self, address: int = 3232235777, **values: Any) -> None:
        row = {
            "address": address, "hwaddr": b"\x02\x00\x00\x00\x00\x01", "client_id": b"", "valid_lifetime": 3600,
            "expire": "2030-01-01 00:00:00+00", "subnet_id": 1, "fqdn_fwd": False, "fqdn_rev": False,
            "hostname": "bmc-1", "state": 0, "user_context": "", **values,
        }  # fmt: skip
        with self.session(KEA) as cursor:
            cursor.execute(
                f"INSERT INTO public.lease4 ({', '.join(row)}) VALUES ({', '.join(['%s'] * len(row))})",
                list(row.values()),
            )

    def update(self, assignment: str, address: int = 3232235777) -> None:
        with self.session(KEA) as cursor:
            cursor.execute(f"UPDATE public.lease4 SET {assignment} WHERE address = {address}")
            assert cursor.rowcount == 1

    def host(self, identifier: str = "020000000001", subnet: int = 1, address: int = 1) -> None:
        self.execute(
            "INSERT INTO hosts (dhcp_identifier, dhcp_identifier_type, dhcp4_subnet_id, ipv4_address) "
            f"VALUES (decode('{identifier}', 'hex'), 0, {subnet}, {address})"
        )

    def ops(self) -> str:
        return "".join(op for (op,) in self.fetch("SELECT op FROM kea_events.lease_event ORDER BY xid, id"))

    def lost(self) -> int:
        lost: int = self.value("SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM kea_events.lease_event_lost")
        return lost
