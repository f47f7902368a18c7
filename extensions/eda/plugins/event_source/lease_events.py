# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Event source of ansible-rulebook: the lease events in PostgreSQL.

It reads them with the lease monitor's own code, which this collection contains, so that no event is missed that is
committed late. It keeps a bookmark of its own, and changes nothing in the database.
"""

from __future__ import annotations

import asyncio
import logging
import os
import select
import sys
import time
from pathlib import Path
from typing import Any, Dict, List, Optional, Protocol

# ansible-rulebook runs this file by its path, with neither the collection nor the monitor in reach of imports.
_COLLECTION = Path(__file__).resolve().parents[4]
for _path in ("roles/kea_lease_monitor/files", "plugins/module_utils"):
    if str(_COLLECTION / _path) not in sys.path:
        sys.path.append(str(_COLLECTION / _path))

from kea_lease_monitor import files, position
from kea_lease_monitor.backoff import Backoff
from kea_lease_monitor.batch import Batch
from kea_lease_monitor.clock import Clock
from kea_lease_monitor.database import Link
from kea_lease_monitor.database_settings import SSL_MODES, DatabaseSettings
from kea_lease_monitor.errors import MonitorError, PositionLostError
from kea_lease_monitor.lease import LeaseEvent
from kea_lease_monitor.section import Section
from kea_lease_monitor.sinks import message
from kea_lease_monitor.sources.events.source import EventsSource
from kea_lease_monitor.sources.events.upkeep import Options

DOCUMENTATION = r"""
---
short_description: Follow Kea's lease events in PostgreSQL
description:
  - Delivers each change of a lease that the trigger of M(baremetal.kea.kea_lease_notify) wrote to its table. The
    event has C(kind), C(ref), C(recorded_at), C(host) and C(lease), as the monitor's sink C(exec) gets them.
  - C(host) is also in C(meta.hosts), so that an action is limited to that machine.
  - An event counts as read once ansible-rulebook took it. An action that was interrupted is not repeated.
  - If events are missing, or the bookmark is too old, all leases are delivered. Their C(ref) begins with C(scan:).
options:
  bookmark:
    description: File that holds how far the events were read. One for each rulebook.
    type: str
    required: true
  start:
    description: Whether a rulebook without a bookmark gets all present leases, or only later events.
    type: str
    choices: [all, now]
    default: now
  login_host:
    description: Host of the server, several with commas, or the directory of its unix socket.
    type: str
    default: /var/run/postgresql
  login_port:
    description: Port of the server.
    type: int
    default: 5432
  login_db:
    description: Kea's database.
    type: str
    default: kea
  login_user:
    description: Role that may read lease4, lease6 and the event table.
    type: str
    required: true
  login_password:
    description: Password of the role.
    type: str
  ssl_mode:
    description: How much TLS to require, as libpq's C(sslmode).
    type: str
    choices: [allow, disable, prefer, require, verify-ca, verify-full]
    default: prefer
  ca_cert:
    description: File with the authorities that must have signed the server's certificate.
    type: str
  ssl_cert:
    description: File with the client certificate.
    type: str
  ssl_key:
    description: File with the key of O(ssl_cert).
    type: str
  event_schema:
    description: Schema of the event table.
    type: str
    default: kea_events
"""

EXAMPLES = r"""
- baremetal.kea.lease_events:
    bookmark: /var/lib/eda/new-bmc.bookmark
    login_host: db.example.org
    login_user: eda
    login_password: "{{ kea_eda_password }}"
    ssl_mode: verify-full
    ca_cert: /etc/ssl/certs/site-ca.pem
"""

_LOG = logging.getLogger(__name__)
_BATCH = 1000
"""Events read at once."""
_PORTION = 1.0
"""Seconds of one wait in the thread that reads, so that a rulebook can be stopped."""
_IDLE = 60.0
"""Seconds between two bookmarks while no events arrive."""


class Queue(Protocol):
    """What is used of ansible-rulebook's queue."""

    async def put(self, data: Dict[str, Any]) -> None: ...


class Reader:
    """Reads events after the bookmark. All methods block, and are called one at a time. They raise MonitorError."""

    def __init__(self, source: EventsSource, bookmark: str, everything: bool) -> None:
        """``everything``: without a bookmark, begin with all present leases."""
        self._source = source
        self._path = bookmark
        self._everything = everything
        self._position: Optional[position.Position] = None
        self._lost = False
        self._more = True
        self._stored_at = 0.0

    @classmethod
    def of(cls, args: Dict[str, Any]) -> Reader:
        """Return the reader for the arguments of a rulebook. Raises MonitorError."""
        given = Section({key: value for key, value in args.items() if value is not None}, "lease_events")
        bookmark, start = given.text("bookmark"), given.choice("start", ("now", "all"), "now")
        options = Options(schema=given.text("event_schema", Options().schema), prunes=False)
        settings = _database(given)
        given.done()
        if not os.path.isabs(bookmark):
            raise given.error("bookmark", "an absolute path is needed")
        return cls(EventsSource("rulebook", Link(settings), options, {}, Clock()), bookmark, start == "all")

    def next(self) -> Batch:
        """Return the next events, or an empty batch after a second without any."""
        if self._position is None:
            self._position, self._more = self._begin(), True
            self._store()
        if not self._more:
            self._wait()
        batch = self._source.read(self._position, _BATCH)
        self._more = not batch.caught_up
        return batch

    def settle(self, batch: Batch) -> None:
        """Keep that these events were taken."""
        self._position = batch.position
        if batch.events or time.monotonic() - self._stored_at > _IDLE:
            self._store()

    def lose(self) -> None:
        """Read all leases next: the position is lost."""
        self._position, self._lost = None, True

    def close(self) -> None:
        """Close the session."""
        self._source.close()

    def _begin(self) -> position.Position:
        stored = None if self._lost else files.read(self._path)
        if stored is None:
            return self._source.start(self._everything or self._lost)
        return position.load(stored.decode("utf-8", "replace"))

    def _store(self) -> None:
        if self._position:
            files.replace(self._path, position.dump(self._position).encode(), 0o600)
            self._lost = False
            self._stored_at = time.monotonic()

    def _wait(self) -> None:
        poll = select.poll()
        descriptor = self._source.fileno()
        if descriptor is not None:
            poll.register(descriptor, select.POLLIN)
        seconds = min(_PORTION, self._source.due() - time.monotonic())
        poll.poll(max(0.0, seconds) * 1000)


def _database(given: Section) -> DatabaseSettings:
    return DatabaseSettings(
        host=given.text("login_host", "/var/run/postgresql"),
        port=given.number("login_port", 5432, 1, 65535),
        name=given.text("login_db", "kea"),
        user=given.text("login_user"),
        connect_timeout=5,
        password=given.secret("login_password"),
        ssl_mode=given.choice("ssl_mode", SSL_MODES, "prefer"),
        ca_file=given.optional_text("ca_cert"),
        cert_file=given.optional_text("ssl_cert"),
        key_file=given.optional_text("ssl_key"),
    )


def events_of(batch: Batch) -> List[Dict[str, Any]]:
    """Return what ansible-rulebook gets of a batch."""
    return [_limited(event) for event in batch.events]


def _limited(event: LeaseEvent) -> Dict[str, Any]:
    item = message.item(event)
    return {**item, "meta": {"hosts": item["host"]}} if item["host"] else item


async def main(queue: Queue, args: Dict[str, Any]) -> None:
    """Follow the events until ansible-rulebook cancels this task. Errors that may pass are retried for ever."""
    reader, backoff, attempt = Reader.of(args), Backoff(Clock().random), 0
    try:
        while True:
            problem = await _step(reader, queue)
            attempt = attempt + 1 if problem else 0
            if problem:
                wait = backoff.retry(0.0, attempt, problem).due
                _LOG.error("Will try again in %.1f seconds: %s", wait, problem)
                await asyncio.sleep(wait)
    finally:
        reader.close()


async def _step(reader: Reader, queue: Queue) -> str:
    """Deliver one batch. Return the error if it failed, else an empty text."""
    try:
        batch = await asyncio.to_thread(reader.next)
        for event in events_of(batch):
            await queue.put(event)
        await asyncio.to_thread(reader.settle, batch)
    except PositionLostError as lost:
        _LOG.warning("Reading all leases: %s", lost)
        reader.lose()
    except MonitorError as error:
        return str(error)
    return ""
