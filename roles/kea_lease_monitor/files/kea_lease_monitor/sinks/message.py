# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The JSON document in which a command or a web server of the site gets a batch of events."""

from __future__ import annotations

import json
from typing import Any, Dict, Sequence

from kea_lease_monitor.kea import machine
from kea_lease_monitor.lease import LeaseEvent
from kea_lease_monitor.sinks import names

VERSION = 1
"""Version of the document. It changes when a field is removed or changes its meaning."""


def document(events: Sequence[LeaseEvent]) -> bytes:
    """Return {"version": 1, "events": [{...}], "hosts": [...]} with the items of the events.

    ``hosts`` has the name of each client once.
    """
    items = [item(event) for event in events]
    hosts = list(dict.fromkeys(filter(None, (each["host"] for each in items))))
    return json.dumps({"version": VERSION, "events": items, "hosts": hosts}).encode()


def item(event: LeaseEvent) -> Dict[str, Any]:
    """Return {"kind", "ref", "recorded_at", "host", "machine": {...}, "lease": {...}}.

    ``host`` is the client's name in the inventory, without the suffix of a second subnet; empty if the lease tells no
    client.
    """
    name = names.of(event.lease)
    host = name.host if name.rest else ""
    told = {"host": host, "machine": machine.of(event.lease)._asdict(), "lease": event.lease._asdict()}
    return {**event._asdict(), "kind": event.kind.value, **told}
