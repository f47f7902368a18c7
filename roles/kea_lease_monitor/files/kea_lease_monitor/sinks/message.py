# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The JSON document in which a command or a web server of the site gets a batch of events."""

from __future__ import annotations

import json
from typing import Sequence

from kea_lease_monitor.lease import LeaseEvent
from kea_lease_monitor.sinks import names

VERSION = 1
"""Version of the document. It changes when a field is removed or changes its meaning."""


def document(events: Sequence[LeaseEvent]) -> bytes:
    """Return {"version": 1, "hosts": [...], "events": [{"kind", "ref", "recorded_at", "host", "lease": {...}}]}.

    ``host`` is the client's name in the inventory, without the suffix of a second subnet; ``hosts`` has each once.
    """
    items = [
        {**event._asdict(), "kind": event.kind.value, "host": _host(event), "lease": event.lease._asdict()}
        for event in events
    ]
    hosts = list(dict.fromkeys(filter(None, (item["host"] for item in items))))
    return json.dumps({"version": VERSION, "hosts": hosts, "events": items}).encode()


def _host(event: LeaseEvent) -> str:
    """Return the name of the host; empty if the lease tells no client."""
    name = names.of(event.lease)
    return name.host if name.rest else ""
