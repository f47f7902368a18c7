# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgreSQL server for benchmarks, on the disk, with fsync and the defaults; and databases with Kea's schema."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Iterator

import psycopg2
from psycopg2 import extensions

ROOT = Path(__file__).resolve().parents[1]
KEA_SCHEMA = Path("/usr/share/kea/scripts/pgsql/dhcpdb_create.pgsql")
KEA = "_kea"
TEMPLATE = "kea_template"
# No checkpoint and no autovacuum: either could fall into the round of one variant and not of the other.
SETTINGS = {"max_wal_size": "8GB", "checkpoint_timeout": "1h", "autovacuum": "off", "listen_addresses": ""}


class BenchmarkError(Exception):
    """Failure of a program that the benchmark runs, with its output."""


def run(*command: str | Path, stdin: str | None = None, check: bool = True) -> str:
    """Run a command and return its standard output. Raises BenchmarkError."""
    done = subprocess.run([str(word) for word in command], input=stdin, capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise BenchmarkError(f"{' '.join(map(str, command[:8]))}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


class Server:
    """PostgreSQL cluster on a unix socket; ``stop`` deletes everything in it."""

    def __init__(self, more: dict[str, str]) -> None:
        """``more``: settings in addition to those of every benchmark."""
        self._settings = {**SETTINGS, **more}
        found = Path("/usr/lib/postgresql").glob("*/bin/initdb")
        self.bin = max(found, key=lambda path: int(path.parts[-3])).parent
        self.directory = Path(tempfile.mkdtemp(prefix="kea-bench-", dir="/var/tmp"))
        shutil.chown(self.directory, "postgres", "postgres")
        self.directory.chmod(0o755)

    def start(self) -> None:
        data = self.directory / "data"
        self._as_postgres("initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8")
        settings = "".join(f"{name} = '{value}'\n" for name, value in self._settings.items())
        with (data / "postgresql.conf").open("a") as file:
            file.write(f"{settings}unix_socket_directories = '{self.directory}'\n")
        self._as_postgres("pg_ctl", "-D", data, "-w", "-s", "-l", self.directory / "log", "start")
        self.psql("postgres", f'CREATE ROLE "{KEA}" LOGIN; CREATE ROLE monitor LOGIN;')
        self.create(TEMPLATE, "template0")
        self.psql(TEMPLATE, KEA_SCHEMA.read_text(), user=KEA)

    def stop(self) -> None:
        self._as_postgres("pg_ctl", "-D", self.directory / "data", "-m", "immediate", "-s", "stop")
        shutil.rmtree(self.directory)

    def create(self, database: str, template: str = TEMPLATE) -> None:
        self.psql(
            "postgres",
            f'DROP DATABASE IF EXISTS {database};\nCREATE DATABASE {database} TEMPLATE {template} OWNER "{KEA}"',
        )

    def psql(self, database: str, statements: str, user: str = "postgres") -> str:
        return run(
            self.bin / "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", self.directory, "-U", user, "-d", database,
            stdin=statements,
        )  # fmt: skip

    def pgbench(self, database: str, script: str, connections: int, *options: str) -> str:
        """Run pgbench as Kea's role, with prepared statements as Kea uses them. Return its output."""
        with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
            file.write(script)
            file.flush()
            return run(
                self.bin / "pgbench", "-n", "-M", "prepared", "-h", self.directory, "-U", KEA, "-f", file.name,
                "-c", str(connections), "-j", "1", *options, database,
            )  # fmt: skip

    def module(self, name: str, database: str, **options: Any) -> dict[str, Any]:
        """Run a module of the collection with Ansible, as a play does, and return its result."""
        login = {"login_unix_socket": str(self.directory), "login_db": database}
        printed = run(
            "env", "ANSIBLE_LOAD_CALLBACK_PLUGINS=1", "ANSIBLE_STDOUT_CALLBACK=ansible.builtin.oneline",
            f"ANSIBLE_CONFIG={ROOT}/ansible.cfg", f"ANSIBLE_COLLECTIONS_PATH={ROOT}/.collections",
            "ANSIBLE_FORCE_COLOR=0",
            "ansible", "localhost", "-m", f"baremetal.kea.{name}", "-a", json.dumps({**login, **options}),
        )  # fmt: skip
        result: dict[str, Any] = json.loads(printed.partition("=> ")[2])
        return result

    @contextmanager
    def session(self, database: str, user: str = "postgres") -> Iterator[extensions.cursor]:
        """Open a session in autocommit and yield its cursor."""
        connection = psycopg2.connect(host=str(self.directory), user=user, dbname=database)
        connection.autocommit = True
        try:
            yield connection.cursor()
        finally:
            connection.close()

    def _as_postgres(self, program: str, *arguments: str | Path) -> None:
        run("runuser", "-u", "postgres", "--", self.bin / program, *arguments)


@contextmanager
def server(**settings: str) -> Iterator[Server]:
    one = Server(settings)
    one.start()
    try:
        yield one
    finally:
        one.stop()
