# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What docs/take-over.md says of a host cache in front of the database, with the Kea 3.0 of the newest host image."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from kea_lease_monitor.database import Link
from kea_lease_monitor.lease import BY_PERSON, EventKind
from kea_lease_monitor.sinks.reservations.database import ReservationSink
from support.by_command import image
from support.kea import DIRECTORIES, KeaServer
from support.postgres import Cluster
from support.wait import until

from runtime.builders import event
from runtime.test_clients import MAC, RELAY, SERVER, Client
from runtime.world import Kea, grant_rights, settings

pytestmark = [pytest.mark.kea, pytest.mark.slow]  # it needs an image of a host

DATABASE = "kea30"


@contextmanager
def database(cluster: Cluster, schema: Path) -> Iterator[Kea]:
    """Yield a database with the schema of the image's Kea."""
    script = Path(cluster.directory) / "schema.pgsql"  # which the user postgres can read
    shutil.copyfile(schema, script)
    script.chmod(0o644)
    cluster.administer(f"CREATE DATABASE {DATABASE}")
    try:
        cluster.load(str(script), DATABASE)
        grant_rights(cluster.socket, DATABASE)
        kea = Kea(cluster, DATABASE)
        yield kea
        kea.connection.close()
    finally:
        cluster.administer(f"DROP DATABASE {DATABASE} WITH (FORCE)")


def configured(directory: Path, program: str, hooks: Path, kea: Kea) -> KeaServer:
    server = KeaServer(directory, program=program)
    host = {"type": "postgresql", "host": kea.cluster.socket, "name": kea.name, "user": "postgres"}
    libraries = [{"library": f"{hooks}/libdhcp_{name}.so"} for name in ("pgsql", "host_cmds")]
    server.configure(
        {
            "interfaces-config": {"interfaces": ["lo"], "dhcp-socket-type": "udp"},
            "lease-database": {"type": "memfile", "persist": False},
            "hosts-database": host,
            "hooks-libraries": [
                *libraries,
                {"library": f"{hooks}/libdhcp_host_cache.so", "parameters": {"maximum": 1000}},
            ],
            "subnet4": [{"id": 1, "subnet": "127.0.0.0/8", "pools": [{"pool": "127.0.0.100 - 127.0.0.119"}]}],
        }
    )
    return server


@pytest.fixture
def world(tmp_path: Path, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[KeaServer, Client, Any]]:
    """Yield a Kea with a cache, a client of it, and the sink of the monitor."""
    tmp_path.chmod(0o755)
    files = tmp_path / "kea"
    files.mkdir()
    for name in (*DIRECTORIES, "KEA_LOG_FILE_DIR"):
        monkeypatch.setenv(name, str(files))
    with image(tmp_path) as (program, hooks):
        monkeypatch.setenv("KEA_HOOKS_PATH", str(hooks))
        schema = hooks.parents[3] / "share/kea/scripts/pgsql/dhcpdb_create.pgsql"
        with database(cluster, schema) as kea:
            server = configured(files, program, hooks, kea)
            client, sink = Client(), ReservationSink(Link(settings(kea)))
            try:
                server.launch("-p", str(SERVER), "-P", str(RELAY))
                until(server.answers, lambda: f"Kea's answer: {server.log.read_text()[-2000:]}", 60)
                yield server, client, sink
            finally:
                sink.close()
                client.socket.close()
                server.stop()


def cached(server: KeaServer) -> list[str]:
    """Return the addresses in the cache."""
    return [one["ip-address"] for one in server.ask("cache-get").get("arguments", [])]


def test_what_is_removed_from_the_database_stays_in_force_until_the_cache_forgets_it(
    world: tuple[KeaServer, Client, Any],
) -> None:
    server, client, sink = world
    home = client.lease("bmc")
    own = {"address": home, "hwaddr": MAC.hex(":"), "subnet_id": 1}
    assert cached(server) == [], "that a client has no reservation is not kept"
    assert sink.deliver([event(1, **own)]).created == 1
    assert client.lease("bmc") == home
    assert cached(server) == [home], "a new reservation is in force at once"
    forgotten = event(1, kind=EventKind.FORGOTTEN, **own)._replace(ref=BY_PERSON)
    assert sink.deliver([forgotten]).removed == 1
    assert (client.lease("bmc"), cached(server)) == (home, [home]), "Kea still has it"
    removed = server.ask("cache-remove", **{"ip-address": home, "subnet-id": 1})
    assert removed["result"] == 0, removed
    assert (client.lease("bmc"), cached(server)) == (home, [])


def test_a_reload_empties_the_cache(world: tuple[KeaServer, Client, Any]) -> None:
    server, client, sink = world
    home = client.lease("bmc")
    sink.deliver([event(1, address=home, hwaddr=MAC.hex(":"), subnet_id=1)])
    client.lease("bmc")
    assert cached(server) == [home]
    assert server.ask("config-reload")["result"] == 0
    assert cached(server) == []
