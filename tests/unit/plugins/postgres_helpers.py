# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A throw-away PostgreSQL with Kea's real schema, a database of its own for each test, and the modules run for real.

It is this machine's PostgreSQL with this machine's Kea; or, if KEA_SUITE names a suite of test hosts (bookworm, trixie,
backports), those of such a host, whose server runs in its container and is reached over the same kind of socket.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any, Iterator

import psycopg2
import pytest
from ansible.module_utils.common import warnings
from ansible.module_utils.testing import patch_module_args

LAB = Path(__file__).resolve().parents[2] / "lab"
KEA_SCHEMA = "/usr/share/kea/scripts/pgsql/dhcpdb_create.pgsql"
TEMPLATE = "kea_template"
# Roles as on a real host: Kea's owns the tables, the monitor's only reads; the name with hyphens has to be quoted.
KEA, MONITOR = "_kea", "kea-lease-monitor"
PASSWORD_ROLE, PASSWORD = "with password", "correct horse"


class Cluster:
    """A server on a socket in a directory of its own; it never listens on the network."""

    def __init__(self, suite: str = os.environ.get("KEA_SUITE", "")) -> None:
        # In memory where possible: a database for each test is much to write.
        memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self.directory = tempfile.mkdtemp(prefix="kea-pg-", dir=memory)
        # For a module that connects as Kea's user, and for the container's user postgres.
        os.chmod(self.directory, 0o777)
        self.count = 0
        self.container = start_container(suite, self.directory) if suite else ""
        # The newest; a test that needs it fails without it.
        self.bin = Path(self.run("sh", "-c", "ls -v /usr/lib/postgresql/*/bin/initdb").split()[-1]).parent

    def run(self, *command: str, stdin: str | None = None) -> str:
        """As the user postgres when we are root, because PostgreSQL refuses to run as root."""
        prefix = ("runuser", "-u", "postgres", "--") if os.getuid() == 0 else ()
        if self.container:
            prefix = ("podman", "exec", "--interactive", "--user", "postgres", self.container)
        done = subprocess.run(
            [*prefix, *command], input=stdin, capture_output=True, text=True, check=False, cwd=self.directory
        )
        if done.returncode:
            pytest.fail(f"{command} failed: {done.stdout}{done.stderr}")
        return done.stdout

    def start(self) -> None:
        data = f"{self.directory}/data"
        self.run(str(self.bin / "initdb"), "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync")
        hba = Path(data, "pg_hba.conf")
        hba.write_text(f'local all "{PASSWORD_ROLE}" scram-sha-256\nlocal all all trust\nlocal replication all trust\n')
        settings = ("listen_addresses=''", "fsync=off", "full_page_writes=off", "timezone=UTC", "max_connections=40")
        options = f"-k {self.directory} " + " ".join(f"-c {setting}" for setting in settings)
        self.run(str(self.bin / "pg_ctl"), "-D", data, "-w", "-o", options, "-l", f"{self.directory}/log", "start")
        self.execute(
            "postgres",
            f'CREATE ROLE "{KEA}" LOGIN',
            f'CREATE ROLE "{MONITOR}" LOGIN',
            f"CREATE ROLE \"{PASSWORD_ROLE}\" LOGIN PASSWORD '{PASSWORD}'",
            f'CREATE DATABASE {TEMPLATE} OWNER "{KEA}"',
        )
        self.run(
            str(self.bin / "psql"), "-h", self.directory, "-U", KEA, "-d", TEMPLATE,
            "-q", "-v", "ON_ERROR_STOP=1", "-o", "/dev/null", "-f", KEA_SCHEMA,
        )  # fmt: skip

    def stop(self) -> None:
        self.run(str(self.bin / "pg_ctl"), "-D", f"{self.directory}/data", "-m", "immediate", "stop")
        if self.container:
            subprocess.run(["podman", "rm", "--force", "--time", "0", self.container], check=True, capture_output=True)
        shutil.rmtree(self.directory)

    def execute(self, database: str, *statements: str) -> None:
        with self.session(database, "postgres") as cursor:
            for statement in statements:
                cursor.execute(statement)

    @contextmanager
    def session(self, database: str, user: str, autocommit: bool = True) -> Iterator[psycopg2.extensions.cursor]:
        # A test that has locked itself out fails.
        bound = "-c statement_timeout=60s"
        connection = psycopg2.connect(host=self.directory, user=user, dbname=database, options=bound)
        connection.autocommit = autocommit
        try:
            yield connection.cursor()
        finally:
            connection.close()

    @contextmanager
    def database(self) -> Iterator[Database]:
        self.count += 1
        name = f"kea{self.count}"
        self.execute("postgres", f'CREATE DATABASE {name} TEMPLATE {TEMPLATE} OWNER "{KEA}"')
        yield Database(self, name)
        self.execute("postgres", f"DROP DATABASE {name} WITH (FORCE)")


def image_of(suite: str) -> str:
    """Of that suite's host with Kea's packages."""
    os.environ["CONTAINERS_CONF"] = str(LAB / "containers.conf")
    image = subprocess.run([LAB / "lab", "image", f"{suite}-kea"], check=True, stdout=subprocess.PIPE, text=True)
    return image.stdout.strip()


def start_container(suite: str, directory: str) -> str:
    """Such a host, in which nothing runs; its name. The directory is shared with it."""
    name = f"kea-unit-{suite}-{os.getpid()}"
    command = ["podman", "run", "--detach", "--name", name, "--network", "none", "--volume"]
    command += [f"{directory}:{directory}", image_of(suite), "sleep", "infinity"]
    subprocess.run(command, check=True, capture_output=True)
    return name


class Database:
    """One database with Kea's schema, and the two modules applied to it."""

    def __init__(self, cluster: Cluster, name: str) -> None:
        self.cluster = cluster
        self.name = name

    def session(self, user: str = "postgres", autocommit: bool = True) -> Any:
        return self.cluster.session(self.name, user, autocommit)

    def execute(self, *statements: str) -> None:
        self.cluster.execute(self.name, *statements)

    def fetch(self, query: str, user: str = "postgres") -> list[tuple[Any, ...]]:
        with self.session(user) as cursor:
            cursor.execute(query)
            return cursor.fetchall()

    def value(self, query: str) -> Any:
        return self.fetch(query)[0][0]

    def module(self, module: str, check: bool = False, **params: Any) -> dict[str, Any]:
        """The result of a module; ``failed`` in it when it failed."""
        login = {"login_unix_socket": self.cluster.directory, "login_db": self.name}
        return run_module(module, check, {**login, **params})

    def constraint(self, check: bool = False, **params: Any) -> dict[str, Any]:
        return self.module("kea_hosts_constraint", check, **params)

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
        return self.value("SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM kea_events.lease_event_lost")


def run_module(name: str, check: bool, params: dict[str, Any]) -> dict[str, Any]:
    module = importlib.import_module(f"ansible_collections.baremetal.kea.plugins.modules.{name}")
    output = StringIO()
    warnings._global_warnings.clear()  # of the runs before, as if this were a process of its own
    arguments = {"_ansible_check_mode": check, "_ansible_diff": True, **params}
    with patch_module_args(arguments), redirect_stdout(output), pytest.raises(SystemExit):
        module.main()
    return json.loads(output.getvalue())
