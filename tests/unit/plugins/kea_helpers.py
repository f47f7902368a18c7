# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs modules as Ansible does, but in this process, and finds the programs that the tests need."""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from ansible.module_utils.common import warnings
from ansible.module_utils.testing import patch_module_args
from authority import Certificate


def run_module(module_name: str, /, check: bool = False, **options: Any) -> dict[str, Any]:
    """The result of a module; C(failed) is always there."""
    module = importlib.import_module(f"ansible_collections.baremetal.kea.plugins.modules.{module_name}")
    arguments = {**options, "_ansible_check_mode": check, "_ansible_diff": True, "_ansible_no_log": False}
    output = io.StringIO()
    # A module has a process of its own; here the warnings of the one before it must be forgotten.
    warnings._global_warnings.clear()
    with patch_module_args(arguments), contextlib.redirect_stdout(output), pytest.raises(SystemExit):
        module.main()
    return {"failed": False, **json.loads(output.getvalue())}


def need(program: str) -> str:
    """The path of a program; a missing one fails the test, it never skips it."""
    found = shutil.which(program, path="/usr/sbin:/usr/bin:/usr/lib/postgresql/15/bin")
    assert found, f"{program} must be installed for these tests"
    return found


def snapshot(directory: Path) -> dict[str, tuple[bytes, int, int, int]]:
    """Content, owner, group and mode of every file in a directory."""
    return {
        path.name: (path.read_bytes(), path.stat().st_uid, path.stat().st_gid, path.stat().st_mode)
        for path in directory.iterdir()
    }


class Cluster(NamedTuple):
    """A PostgreSQL of our own that listens on a socket only, under a port number that is not the default."""

    directory: Path
    port: int = 54329

    @property
    def login(self) -> dict[str, Any]:
        """Options of a module that reach it as superuser."""
        return {"login_unix_socket": str(self.directory), "login_port": self.port, "login_user": "postgres"}

    def sql(self, statement: str, database: str = "postgres") -> str:
        """What psql prints."""
        command = [need("psql"), "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", self.directory, "-p", str(self.port)]
        command += ["-U", "postgres", "-d", database]
        return subprocess.run(command, input=statement, capture_output=True, text=True, check=True).stdout.strip()


@contextlib.contextmanager
def postgres_cluster(certificate: Certificate | None = None) -> Iterator[Cluster]:
    """Everybody may log in as postgres, all others need a password; with a certificate, on localhost by TLS too."""
    initdb, pg_ctl = need("initdb"), need("pg_ctl")
    with tempfile.TemporaryDirectory(prefix="kea-pg-") as directory:
        cluster = Cluster(Path(directory))
        data = cluster.directory / "data"
        os.chmod(directory, 0o755)
        shutil.chown(directory, "postgres", "postgres")
        run_as_postgres(initdb, "--no-sync", "-A", "trust", "-U", "postgres", "-D", data)
        (data / "pg_hba.conf").write_text("local all postgres trust\nlocal all all scram-sha-256\n")
        addresses = _offer_tls(data, certificate) if certificate else ""
        settings = (
            f"-c listen_addresses='{addresses}' -k {directory} -p {cluster.port} -c fsync=off -c max_wal_senders=0"
        )
        run_as_postgres(pg_ctl, "-w", "-s", "-D", data, "-l", data / "log", "-o", settings, "start")
        try:
            yield cluster
        finally:
            run_as_postgres(pg_ctl, "-s", "-m", "immediate", "-D", data, "stop")


def _offer_tls(data: Path, certificate: Certificate) -> str:
    """The certificate's own authority is that of the clients. Returns the addresses to listen on."""
    for name, source in {"server.crt": certificate.path, "server.key": certificate.key}.items():
        (data / name).write_bytes(source.read_bytes())
        (data / name).chmod(0o600)
        shutil.chown(data / name, "postgres", "postgres")
    (data / "ca.crt").write_bytes((certificate.path.parent / "ca.pem").read_bytes())
    with (data / "postgresql.conf").open("a") as file:
        file.write("ssl = on\nssl_ca_file = 'ca.crt'\n")
    with (data / "pg_hba.conf").open("a") as file:
        file.write("host all postgres localhost trust\n")
    return "localhost"


def run_as_postgres(*command: object) -> None:
    subprocess.run(
        ["runuser", "-u", "postgres", "--", *map(str, command)], check=True, stdout=subprocess.DEVNULL, cwd="/"
    )
