# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""TLS to the state store in PostgreSQL, as its own section configures it and as the server sees it."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from pathlib import Path
from typing import Iterator

import pytest
from kea_lease_monitor.app import create_state
from kea_lease_monitor.errors import TemporaryError
from kea_lease_monitor.settings import MonitorSettings
from kea_lease_monitor.state.location import StateLocation
from kea_lease_monitor.state.records import Bookmark
from kea_lease_monitor.state.store import Store
from support.certificates import Authority
from support.postgres import FAST, Cluster

from runtime.contracts import settle


class Secured(Cluster):
    """Also on localhost, with a certificate for that name."""

    def __init__(self, directory: Path) -> None:
        self.authority = Authority(directory, "ca")
        self.other = Authority(directory, "other-ca")
        own = self.authority.issue("server", host="localhost")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        files = {"ssl_cert_file": own.path, "ssl_key_file": own.key}
        for path in files.values():
            shutil.chown(path, "postgres" if os.geteuid() == 0 else None)
            path.chmod(0o600)
        given = {"listen_addresses": "localhost", "ssl": "on", **{name: str(path) for name, path in files.items()}}
        super().__init__(str(directory), {**FAST, **given}, port=port)
        self.start()
        self.administer("CREATE DATABASE monitor")

    def location(self, **more: str) -> StateLocation:
        """As a configuration says it whose leases are elsewhere."""
        database = {"host": "localhost", "port": self.port, "name": "monitor", "user": "postgres", **more}
        document = {
            "database": {"host": "/nowhere"},
            "source": {"type": "events"},
            "state": {"type": "postgresql", "database": database},
            "subscriptions": [{"name": "default", "sinks": [{"type": "reservation"}]}],
        }
        return MonitorSettings.parse(document).state


@pytest.fixture(scope="module")
def server() -> Iterator[Secured]:
    with tempfile.TemporaryDirectory(prefix="klmt") as directory:
        os.chmod(directory, 0o755)
        found = Secured(Path(directory))
        yield found
        found.stop()


@pytest.mark.parametrize(("ssl_mode", "encrypted"), [("verify-full", True), ("require", True), ("disable", False)])
def test_the_state_store_uses_tls_if_its_section_says_so(server: Secured, ssl_mode: str, encrypted: bool) -> None:
    location = server.location(ssl_mode=ssl_mode, ca_file=str(server.authority.own.path))
    create_state(location)
    store = Store(location)
    settle(store, Bookmark("default", "here", "some", 1.0))
    with store._session.transaction() as connection:
        seen = connection.exec_driver_sql("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()").scalar()
    assert seen is encrypted
    store.close()


@pytest.mark.parametrize("ssl_mode", ["verify-ca", "verify-full"])
def test_a_server_of_another_authority_is_refused(server: Secured, ssl_mode: str) -> None:
    for use in (create_state, Store):
        with pytest.raises(TemporaryError, match="certificate verify failed"):
            use(server.location(ssl_mode=ssl_mode, ca_file=str(server.other.own.path)))


def test_verify_full_checks_the_name_of_the_server(server: Secured) -> None:
    ca_file = str(server.authority.own.path)
    create_state(server.location(host="127.0.0.1", ssl_mode="verify-ca", ca_file=ca_file))
    with pytest.raises(TemporaryError, match="does not match host name"):
        Store(server.location(host="127.0.0.1", ssl_mode="verify-full", ca_file=ca_file))
