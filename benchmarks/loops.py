# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the monitor is compared with: a bare LISTEN loop, and the loop of the document with its trigger."""

from __future__ import annotations

import select
import threading
import time
from contextlib import contextmanager
from typing import Any, Callable, Iterator

import psycopg2
from postgres import Server
from variants import CHANNEL, DOCUMENT

UPSERT = """INSERT INTO hosts (dhcp_identifier, dhcp_identifier_type, dhcp4_subnet_id, ipv4_address, hostname)
VALUES (decode(%s, 'hex'), 0, %s, (%s::inet - '0.0.0.0'::inet)::bigint, %s)
ON CONFLICT (dhcp_identifier, dhcp_identifier_type, dhcp4_subnet_id)
DO UPDATE SET ipv4_address = EXCLUDED.ipv4_address, hostname = EXCLUDED.hostname
RETURNING host_id, (xmax = 0) AS inserted"""
"""The document's. It has one subnet for all leases, and so have we here."""


@contextmanager
def _loop(server: Server, act: Callable[[Any, str], None]) -> Iterator[None]:
    """LISTEN, and for each notification ``act`` with the session and the payload."""
    ended = threading.Event()
    connection = psycopg2.connect(host=str(server.directory), user="monitor", dbname=DOCUMENT)
    connection.autocommit = True
    connection.cursor().execute(f"LISTEN {CHANNEL}")

    def listen() -> None:
        while not ended.is_set():
            if select.select([connection], [], [], 0.1)[0]:
                connection.poll()
            while connection.notifies and not ended.is_set():
                act(connection, connection.notifies.pop(0).payload)

    thread = threading.Thread(target=listen)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        connection.close()


@contextmanager
def bare(server: Server, heard: dict[int, float]) -> Iterator[None]:
    """Only listens: when each address was heard of, by the system's clock. The least that any listener needs."""

    def note(_connection: Any, payload: str) -> None:
        heard[int(payload.partition(":")[0])] = time.time()

    with _loop(server, note):
        yield


@contextmanager
def one_by_one(server: Server) -> Iterator[None]:
    """One lease, one transaction, as in the document; but over one connection that stays."""

    def reserve(connection: Any, payload: str) -> None:
        _number, address, hwaddr, hostname = payload.split(":")
        connection.cursor().execute(UPSERT, (hwaddr, 1, address, hostname))

    with _loop(server, reserve):
        yield
