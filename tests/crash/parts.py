# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is killed, cut, filled and promoted: a real Kea, its clients, PostgreSQL with a standby, a small disk."""

from __future__ import annotations

import contextlib
import signal
import subprocess
from pathlib import Path
from typing import Any

import psycopg2
from families import Family, Lease
from support.kea import KeaServer
from support.modules import run_module
from support.paths import KEA_SCHEMA
from support.postgres import Cluster
from support.programs import need
from support.wait import until

LFC_INTERVAL = 3
DATABASE, ROLE = "kea", "kea-lease-monitor"
DURABLE = {"shared_buffers": "32MB"}
"""Settings of PostgreSQL: what was committed outlives a crash."""


class Database:
    """A primary with Kea's schema, our trigger and constraint, and a standby without which nothing commits."""

    def __init__(self, directory: Path, family: Family) -> None:
        self._family = family
        first = Cluster(str(_directory(directory / "one")), DURABLE)
        self.servers = [first]
        first.start()
        first.administer(f"CREATE DATABASE {DATABASE}")
        first.administer(f'CREATE ROLE "{ROLE}" LOGIN')
        first.load(KEA_SCHEMA, DATABASE)
        login: dict[str, Any] = {**first.login, "login_db": DATABASE}
        options: dict[str, dict[str, Any]] = {
            "kea_hosts_constraint": {},
            "kea_lease_notify": {"readers": [ROLE], "lease6": family.switch},
            "kea_database_rights": {"monitor": ROLE, "dhcp6": family.switch},
        }
        for name, more in options.items():
            result = run_module(name, **login, **more)
            assert not result["failed"], result
        self.rows(f'CREATE SCHEMA kea_lease_monitor; GRANT USAGE, CREATE ON SCHEMA kea_lease_monitor TO "{ROLE}"')
        second = Cluster(str(_directory(directory / "two")), DURABLE, primary=first)
        self.servers.append(second)
        second.start()
        # What a client was told must outlive a promotion. That is the site's part, and this is how it is done.
        first.administer("ALTER SYSTEM SET synchronous_standby_names = '*'")
        first.administer("SELECT pg_reload_conf()")

    @property
    def hosts(self) -> str:
        """For whoever connects: all servers, the one that can be written to is found."""
        return ",".join(server.socket for server in self.servers)

    @property
    def primary(self) -> Cluster:
        return self.servers[0]

    def rows(self, statement: str) -> list[Any]:
        with contextlib.closing(psycopg2.connect(host=self.primary.socket, dbname=DATABASE, user="postgres")) as one:
            one.autocommit = True
            with one.cursor() as cursor:
                cursor.execute(statement)
                return cursor.fetchall() if cursor.description else []

    def restart(self) -> None:
        """Restart the primary at once, as after a power failure."""
        self.primary.stop()
        self.primary.start()

    def cut(self) -> int:
        """Every session but our own: Kea's, the monitor's, the standby's."""
        return len(self.rows("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"))

    def promote(self) -> None:
        """Stop the primary for good and promote the standby, which then commits without one."""
        gone = self.primary
        gone.stop()
        self.servers.reverse()
        self.primary.promote()
        self.primary.administer("ALTER SYSTEM SET synchronous_standby_names = ''")
        self.primary.administer("SELECT pg_reload_conf()")

    @property
    def promoted(self) -> bool:
        return self.primary.socket.endswith("two")

    def stop(self) -> None:
        for server in self.servers[: 1 if self.promoted else 2]:
            server.stop()

    def leases(self) -> list[Lease]:
        return self.rows(self._family.leases)

    def reservations(self) -> list[Lease]:
        return self.rows(self._family.reservations)


class Kea(KeaServer):
    """The DHCP server on the loopback interface. It is started again whenever it exits, as systemd would."""

    def __init__(self, directory: Path, family: Family, lease_database: dict[str, Any]) -> None:
        super().__init__(_directory(directory), family.number)
        self._ports = family.ports
        output = [{"output": str(directory / "log")}]
        self.configure(
            {
                "lease-database": lease_database,
                "valid-lifetime": 86400,
                "loggers": [{"name": f"kea-dhcp{family.number}", "severity": "WARN", "output_options": output}],
                **family.settings,
            }
        )
        self.starts = 0
        self.keep()

    def keep(self) -> None:
        """Start it unless it runs."""
        if self.runs():
            return
        self.starts += 1
        server, client = map(str, self._ports)
        self.launch("-p", server, "-P", client, KEA_LOCKFILE_DIR="none", PGTARGETSESSIONATTRS="read-write")


class Clients:
    """perfdhcp: new clients all the while, and some that renew."""

    def __init__(self, directory: Path, family: Family, rate: int, seed: int) -> None:
        self._family = family
        self._output = directory / "perfdhcp"
        command = [need("perfdhcp"), *family.traffic, "-r", str(rate), "-f", str(rate // 5), "-R", "1000000", "-x", "l"]
        server, client = map(str, family.ports)
        command += ["-s", str(seed), "-L", client, "-N", server, "-l", family.host, family.host]
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)

    def go_on(self) -> bool:
        return self._process.poll() is None

    def close(self) -> None:
        self._process.kill()
        self._process.wait()

    def stop(self) -> set[Lease]:
        """End them, and return what they were told by a DHCPACK or a reply."""
        self._process.send_signal(signal.SIGINT)
        self._process.wait()
        return self._family.told_in(self._output.read_text())


class Disk:
    """A small disk that the test fills up."""

    def __init__(self, directory: Path) -> None:
        self.directory = _directory(directory)
        self._ballast = directory / ".ballast"
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256m,mode=755", "crash", str(directory)], check=True)

    def fill(self) -> None:
        with contextlib.suppress(OSError), self._ballast.open("wb", buffering=0) as ballast:
            while ballast.write(bytes(65536)):
                pass

    def free(self) -> None:
        self._ballast.unlink(missing_ok=True)

    def close(self) -> None:
        subprocess.run(["umount", "--lazy", str(self.directory)], check=True)


class LeaseFile:
    """What Kea makes of its files, as the monitor is to see them."""

    def __init__(self, directory: Path, family: Family) -> None:
        self.path = directory / family.lease_file
        self._family = family
        self.cleaned = 0
        self._seen = 0

    def look(self) -> None:
        """Count Kea's own clean-ups."""
        with contextlib.suppress(FileNotFoundError):
            inode = Path(f"{self.path}.2").stat().st_ino
            self.cleaned += inode != self._seen
            self._seen = inode

    def leases(self) -> list[Lease]:
        """Return the leases of .2, .1 and the current file in this order; no LFC runs by now."""
        clients: dict[str, str] = {}
        for suffix in (".2", ".1", ""):
            with contextlib.suppress(FileNotFoundError):
                content = Path(f"{self.path}{suffix}").read_text()
                clients.update((address, client) for client, address in self._family.rows(content))
        return [(client, address) for address, client in clients.items()]


def _directory(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(0o755)
    return path


def rested(file: LeaseFile) -> None:
    """Wait until no clean-up is under way."""
    until(lambda: not any(Path(f"{file.path}{one}").exists() for one in (".1", ".pid", ".output")), "kea-lfc ended", 60)
