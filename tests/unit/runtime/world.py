# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A database with Kea's schema, and what a test does to it as Kea would."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable

import psycopg2
from ansible_collections.baremetal.kea.plugins.module_utils._events.ensure import ensure
from ansible_collections.baremetal.kea.plugins.module_utils._events.target import Wanted
from ansible_collections.baremetal.kea.plugins.module_utils._postgres import login, session
from ansible_collections.baremetal.kea.plugins.module_utils._rights import target as rights
from ansible_collections.baremetal.kea.plugins.module_utils._rights.ensure import ensure as ensure_rights
from kea_lease_monitor.database_settings import DatabaseSettings
from kea_lease_monitor.section import Section
from support.postgres import Cluster
from support.wait import until

MONITOR = "kea-lease-monitor"


class Kea:
    """A database with Kea's schema, and the statements that Kea would run in it."""

    def __init__(self, cluster: Cluster, name: str) -> None:
        self.cluster = cluster
        self.name = name
        self.connection = self.connect()

    def connect(self) -> Any:
        connection = psycopg2.connect(host=self.cluster.socket, dbname=self.name, user="postgres")
        connection.autocommit = True
        return connection

    def rows(self, statement: str, *parameters: Any) -> list[Any]:
        with self.connection.cursor() as cursor:
            cursor.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else []

    def lease(self, address: str, hwaddr: str, hostname: str = "", subnet: int = 1, **more: Any) -> None:
        """INSERT a lease of an hour, one statement in autocommit as Kea does."""
        self.rows(
            "INSERT INTO lease4 (address, hwaddr, client_id, valid_lifetime, expire, subnet_id, fqdn_fwd, fqdn_rev,"
            " hostname, state, user_context) VALUES (%s::inet - '0.0.0.0', decode(%s, 'hex'), '', %s,"
            " now() + make_interval(secs => %s), %s, false, false, %s, %s, '')",
            *(address, hwaddr.replace(":", ""), more.get("lifetime", 3600), more.get("left", 3600)),
            *(subnet, hostname, more.get("state", 0)),
        )

    def beside(self, write: Callable[[Kea], Any], act: Callable[[], Any]) -> Any:
        """Run ``write`` in another session and commit it once ``act`` waits for it. Return the result of ``act``."""
        other = Kea(self.cluster, self.name)
        other.connection.autocommit = False
        write(other)
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(act)
            # psql, because psycopg2 has one wait callback for all threads, and act sets it.
            locked = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            until(lambda: self.cluster.sql(locked, self.name), "it waits for the other session", pause=0.05)
            other.connection.commit()
            other.connection.close()
            return answer.result()

    def reservations(self) -> list[Any]:
        """Return (hwaddr, address, hostname, subnet) of each reservation, in the order of the addresses."""
        return self.rows(
            "SELECT encode(dhcp_identifier, 'hex'), host('0.0.0.0'::inet + ipv4_address), hostname, dhcp4_subnet_id"
            " FROM hosts ORDER BY ipv4_address, host_id"
        )


def _login(directory: str, database: str) -> dict[str, Any]:
    options = {key: option.get("default") for key, option in login.argument_spec().items()}
    return {**options, "login_unix_socket": directory, "login_db": database}


def grant_rights(directory: str, database: str, dhcp6: bool = False) -> None:
    """Give the monitor its rights with the code of the module ``kea_database_rights``, as the role kea_database does.

    A test that passes as superuser would prove nothing.
    """
    wanted = rights.Wanted(True, "public", MONITOR, [], public_connect=True, dhcp6=dhcp6)
    with session.connect(_login(directory, database)) as opened:
        ensure_rights(opened, wanted)


def install_events(directory: str, database: str, lease6: bool = False) -> None:
    """Create the event objects with the code of the module ``kea_lease_notify``, with its defaults."""
    wanted = Wanted(
        present=True,
        lease6=lease6,
        schema="public",
        event_schema="kea_events",
        owner="",
        readers=[MONITOR],
        delivery="events",
        wake_up="debounced",
        renewals=False,
        force=False,
    )
    with session.connect(_login(directory, database)) as opened:
        ensure(opened, wanted)


def settings(kea: Kea) -> DatabaseSettings:
    return DatabaseSettings.parse(Section({"host": kea.cluster.socket, "name": kea.name}, "database"))
