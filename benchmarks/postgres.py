# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgreSQL server for benchmarks, on the disk, with fsync and the defaults; and databases with Kea's schema."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from typing import Any, Iterator

from support import playbook
from support.paths import KEA_SCHEMA
from support.postgres import Cluster, temporary_directory
from support.programs import run

KEA = "_kea"
TEMPLATE = "kea_template"
CONNECTIONS = 8
"""Of pgbench, as of a Kea with so many threads."""
# So large that no checkpoint falls into a round of one variant and not of the other; and nothing else comes between.
SETTINGS = {"max_wal_size": "8GB", "checkpoint_timeout": "1h", "autovacuum": "off"}


class BenchmarkError(Exception):
    """What a benchmark measures did not happen as it has to."""


class Server(Cluster):
    """A cluster on the disk. ``more`` are settings beside those that every benchmark has."""

    statement_timeout = "0"

    def __init__(self, more: dict[str, str]) -> None:
        super().__init__(temporary_directory("kea-bench-", in_memory=False), {**SETTINGS, **more})

    def prepare(self) -> None:
        """Create the roles, and the template of each database."""
        self.psql("postgres", f'CREATE ROLE "{KEA}" LOGIN; CREATE ROLE monitor LOGIN;')
        self.create(TEMPLATE, "template0")
        self.load(KEA_SCHEMA, TEMPLATE, KEA)

    def create(self, database: str, template: str = TEMPLATE) -> None:
        self.psql(
            "postgres",
            f'DROP DATABASE IF EXISTS {database};\nCREATE DATABASE {database} TEMPLATE {template} OWNER "{KEA}"',
        )

    def psql(self, database: str, statements: str, user: str = "postgres") -> str:
        """Return what psql prints."""
        return self.sql(statements, database, user)

    def pgbench(self, database: str, script: str, connections: int, *options: str) -> str:
        """Run a script as Kea's role, with prepared statements as Kea has them. Return what pgbench prints."""
        with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
            file.write(script)
            file.flush()
            return run(
                self.bin / "pgbench", "-n", "-M", "prepared", "-h", self.directory, "-U", KEA, "-f", file.name,
                "-c", str(connections), "-j", "1", *options, database,
            )  # fmt: skip

    def module(self, name: str, database: str, **options: Any) -> dict[str, Any]:
        """Run a module of the collection with Ansible, as a play does. Return its result."""
        login = {"login_unix_socket": self.directory, "login_db": database}
        return playbook.module("localhost", name, {**login, **options})


@contextmanager
def server(**settings: str) -> Iterator[Server]:
    one = Server(settings)
    one.start()
    try:
        one.prepare()
        yield one
    finally:
        one.remove()
