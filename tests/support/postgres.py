# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A PostgreSQL server in a directory of its own, for tests and benchmarks."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Iterator, Mapping

import psycopg2

from support.certificates import Certificate
from support.programs import ProgramError, postgres_directory

FAST = {"fsync": "off", "full_page_writes": "off", "shared_buffers": "32MB"}
"""Settings of a server whose files may be lost with the machine."""
SUPERUSER = "postgres"


def temporary_directory(prefix: str, in_memory: bool = True) -> str:
    """Return a new directory that the user postgres and containers may write to.

    It is in memory where possible, because a database for each test is much to write.
    """
    memory = in_memory and os.access("/dev/shm", os.W_OK)
    directory = tempfile.mkdtemp(prefix=prefix, dir="/dev/shm" if memory else "/var/tmp")
    os.chmod(directory, 0o777)
    return directory


class Cluster:
    """A PostgreSQL server. It listens on a unix socket only, unless its settings say otherwise.

    ``settings`` are those of postgresql.conf. ``hba`` replaces pg_hba.conf, which lets every local role log in.
    ``primary`` makes it a streaming standby of another.
    """

    statement_timeout = "60s"
    """Of the sessions below: a test that has locked itself out fails."""

    def __init__(
        self,
        directory: str = "",
        settings: Mapping[str, str] | None = None,
        hba: str = "",
        port: int = 5432,
        primary: Cluster | None = None,
    ) -> None:
        self.directory = directory or temporary_directory("kea-pg-")
        self.port = port
        self.bin = postgres_directory()
        self._settings = {
            "listen_addresses": "",
            "timezone": "UTC",
            "port": str(port),
            **(FAST if settings is None else settings),
        }
        self._hba = hba
        self._primary = primary
        self._data = Path(self.directory, "data")

    @property
    def socket(self) -> str:
        """Directory of the unix socket: a client's host."""
        return self.directory

    @property
    def login(self) -> dict[str, Any]:
        """Module options that log in as superuser."""
        return {"login_unix_socket": self.directory, "login_port": self.port, "login_user": SUPERUSER}

    def run(self, *command: str | Path, stdin: str | None = None) -> str:
        """Return the output of a command that runs where the server is, as the user postgres. Raise ProgramError."""
        words = [*self.as_postgres(), *map(str, command)]
        # Some commands write to the directory that they are in.
        done = subprocess.run(words, input=stdin, capture_output=True, text=True, check=False, cwd=self.directory)
        if done.returncode:
            raise ProgramError(f"{' '.join(words)}: {done.stdout}{done.stderr}")
        return done.stdout

    def as_postgres(self) -> tuple[str, ...]:
        """Return the words before a command that run it as the user postgres, where the server is."""
        # PostgreSQL refuses to run as root.
        return ("runuser", "-u", SUPERUSER, "--") if os.geteuid() == 0 else ()

    def start(self) -> None:
        """Create the data directory unless it exists, and start the server."""
        if not self._data.exists():
            self._create()
        self.control("start")

    def _create(self) -> None:
        if os.geteuid() == 0:
            shutil.chown(self.directory, SUPERUSER)
        if self._primary:
            source = ("-h", self._primary.socket, "-p", str(self._primary.port), "-U", SUPERUSER)
            copy = ("--checkpoint=fast", "--write-recovery-conf", "--no-sync")
            self.run(self.bin / "pg_basebackup", *source, "-D", self._data, *copy)
        else:
            new = ("-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
            self.run(self.bin / "initdb", "-D", self._data, "-U", SUPERUSER, *new)
            if self._hba:
                (self._data / "pg_hba.conf").write_text(self._hba)

    def control(self, *words: str) -> None:
        """Call pg_ctl and wait for the result."""
        settings = {**self._settings, "unix_socket_directories": self.directory}
        options = " ".join(f"-c {name}='{value}'" for name, value in settings.items())
        self.run(self.bin / "pg_ctl", "-D", self._data, "-w", "-s", "-l", self._data / "log", "-o", options, *words)

    def stop(self) -> None:
        """Stop the server at once, as a crash would; ``start`` starts it again."""
        self.control("stop", "-m", "immediate")

    def remove(self) -> None:
        """Stop the server and delete its directory."""
        self.stop()
        shutil.rmtree(self.directory)

    def promote(self) -> None:
        self.control("promote")

    @contextmanager
    def session(
        self, database: str = "postgres", user: str = SUPERUSER, autocommit: bool = True
    ) -> Iterator[psycopg2.extensions.cursor]:
        options = f"-c statement_timeout={self.statement_timeout}"
        connection = psycopg2.connect(host=self.directory, port=self.port, user=user, dbname=database, options=options)
        connection.autocommit = autocommit
        try:
            yield connection.cursor()
        finally:
            connection.close()

    def execute(self, database: str, *statements: str) -> None:
        """Execute each statement as superuser in a transaction of its own."""
        with self.session(database) as cursor:
            for statement in statements:
                cursor.execute(statement)

    def administer(self, statement: str) -> None:
        """Execute a statement in the database postgres."""
        self.execute("postgres", statement)

    def copy_database(self, name: str, template: str, owner: str = SUPERUSER) -> None:
        """Create a database as a copy of another."""
        # Copied by file, because by WAL it takes twice as long, in more than a thousand tests.
        self.administer(f'CREATE DATABASE {name} TEMPLATE {template} OWNER "{owner}" STRATEGY FILE_COPY')

    def sql(self, statements: str, database: str = "postgres", user: str = SUPERUSER) -> str:
        """Return what psql prints, without the last line feed."""
        to = ("-h", self.directory, "-p", str(self.port), "-U", user, "-d", database)
        return self.run(self.bin / "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", *to, stdin=statements).strip()

    def load(self, path: str, database: str, user: str = SUPERUSER) -> None:
        """Execute a file of the server's machine with psql."""
        to = ("-h", self.directory, "-p", str(self.port), "-U", user, "-d", database)
        self.run(self.bin / "psql", "-Xq", "-v", "ON_ERROR_STOP=1", *to, "-o", "/dev/null", "-f", path)


@contextmanager
def running(cluster: Cluster) -> Iterator[Cluster]:
    """Start a cluster, and remove it afterwards."""
    cluster.start()
    try:
        yield cluster
    finally:
        cluster.remove()


PASSWORDS = "local all postgres trust\nlocal all all scram-sha-256\n"


@contextmanager
def postgres_cluster(certificate: Certificate | None = None) -> Iterator[Cluster]:
    """Run a server on an unusual port, where every role but postgres needs a password.

    With a certificate it listens on localhost with TLS too, and trusts the certificate's own authority for clients.
    """
    directory = temporary_directory("kea-pg-")
    settings, hba = {**FAST, "max_wal_senders": "0"}, PASSWORDS
    if certificate:
        settings.update(_tls_settings(Path(directory), certificate))
        hba += "host all postgres localhost trust\n"
    with running(Cluster(directory, settings, hba, port=54329)) as cluster:
        yield cluster


def _tls_settings(directory: Path, certificate: Certificate) -> dict[str, str]:
    """Copy the certificate to the directory, for the user postgres."""
    sources = {
        "ssl_cert_file": certificate.path,
        "ssl_key_file": certificate.key,
        "ssl_ca_file": certificate.path.parent / "ca.pem",
    }
    settings = {"ssl": "on", "listen_addresses": "localhost"}
    for name, source in sources.items():
        target = directory / f"{name}.pem"
        target.write_bytes(source.read_bytes())
        target.chmod(0o600)
        if os.geteuid() == 0:
            shutil.chown(target, SUPERUSER)
        settings[name] = str(target)
    return settings
