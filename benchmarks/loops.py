# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Loops that the monitor is compared with: a bare LISTEN loop, and the loop of the user's document with its trigger."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import Any, Iterator

from postgres import Server
from variants import DOCUMENT, listener

UPSERT = """INSERT INTO hosts (dhcp_identifier, dhcp_identifier_type, dhcp4_subnet_id, ipv4_address, hostname)
VALUES (decode(%s, 'hex'), 0, %s, (%s::inet - '0.0.0.0'::inet)::bigint, %s)
ON CONFLICT (dhcp_identifier, dhcp_identifier_type, dhcp4_subnet_id)
DO UPDATE SET ipv4_address = EXCLUDED.ipv4_address, hostname = EXCLUDED.hostname
RETURNING host_id, (xmax = 0) AS inserted"""
"""Statement of the user's document, which has one subnet for all leases. So has this benchmark."""


@contextmanager
def bare(server: Server, heard: dict[int, float]) -> Iterator[None]:
    """Listen only, which is the least that any listener needs. Record in ``heard`` when each address was notified."""

    def note(_connection: Any, payload: str) -> None:
        heard[int(payload.partition(":")[0])] = time.time()

    with listener(server, DOCUMENT, note):
        yield


@contextmanager
def one_by_one(server: Server) -> Iterator[None]:
    """Write each reservation in a transaction of its own, as the document does, but over one permanent connection."""

    def reserve(connection: Any, payload: str) -> None:
        _number, address, hwaddr, hostname = payload.split(":")
        connection.cursor().execute(UPSERT, (hwaddr, 1, address, hostname))

    with listener(server, DOCUMENT, reserve):
        yield
