# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Variants that are compared: no trigger on lease4, the trigger of the user's document, the collection's trigger."""

from __future__ import annotations

import select
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Callable, Iterator

import psycopg2

if TYPE_CHECKING:
    from postgres import Server

NONE, DOCUMENT, OURS = "none", "document", "ours"
VARIANTS = (NONE, DOCUMENT, OURS)
CHANNEL = "kea_lease_events"
WAKE_UP = 0x6B65615F6C656173  # the advisory lock with which a transaction may send a wake-up
# The trigger of the document that the project started from, with two corrections: there it reads NEW.lease_id, which
# Kea's table never had, and takes NEW.address for an inet.
DOCUMENT_TRIGGER = f"""
CREATE OR REPLACE FUNCTION kea_lease_notify() RETURNS trigger AS $$
BEGIN
    PERFORM pg_notify('{CHANNEL}',
        NEW.address || ':' || host('0.0.0.0'::inet + NEW.address) || ':' ||
        encode(NEW.hwaddr, 'hex') || ':' || COALESCE(NEW.hostname, ''));
    RETURN NULL;
END;
$$ LANGUAGE plpgsql;
CREATE TRIGGER kea_lease_notify_trigger AFTER INSERT OR UPDATE ON lease4
    FOR EACH ROW EXECUTE FUNCTION kea_lease_notify();
"""


def prepare(server: Server, variant: str) -> None:
    """Create the variant's database with Kea's schema and its trigger."""
    server.create(variant)
    if variant == DOCUMENT:
        server.psql(variant, DOCUMENT_TRIGGER, user="_kea")
    if variant == OURS:
        server.module("kea_lease_notify", variant, readers=["monitor"])


def _drop(connection: Any, _payload: str) -> None:
    connection.notifies.clear()


@contextmanager
def listener(server: Server, variant: str, act: Callable[[Any, str], None] = _drop) -> Iterator[None]:
    """Listen in a session as a monitor does. Call ``act`` with session and payload of each notification."""
    ended = threading.Event()
    connection = psycopg2.connect(host=str(server.directory), user="monitor", dbname=variant)
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
