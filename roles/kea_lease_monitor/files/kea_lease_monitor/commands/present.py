# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The present leases, for a command. Root reads a lease file as the owner of its directory, in a child process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Collection, Iterator, List, Optional, Sequence, Tuple

from kea_lease_monitor.clock import Clock
from kea_lease_monitor.commands import owner
from kea_lease_monitor.database import Link
from kea_lease_monitor.errors import MonitorError
from kea_lease_monitor.lease import EventKind, Lease, LeaseState
from kea_lease_monitor.settings import MonitorSettings
from kea_lease_monitor.sources import polling
from kea_lease_monitor.sources.base import Source
from kea_lease_monitor.sources.memfile.source import MemfileSource
from kea_lease_monitor.sources.registry import SOURCES

Client = Tuple[int, str, int, int, int]
"""Family, identifier, type of the lease, IAID and subnet of a client."""

_BATCH = 1000
_PRESENT = frozenset({EventKind.ASSIGNED, EventKind.RENEWED, EventKind.CHANGED})
_CHILD = "from kea_lease_monitor.commands import present; present.answer()"


def client(lease: Lease) -> Client:
    """Return the client of a lease: by hardware address; without one, by client identifier or DUID."""
    identifier = lease.hwaddr or lease.client_id if lease.family == 4 else lease.duid or lease.hwaddr
    return lease.family, identifier, lease.lease_type, lease.iaid, lease.subnet_id


class Present:
    """Looks leases up. It must be made before this process becomes another user, who may not read the lease file."""

    def __init__(self, settings: MonitorSettings) -> None:
        """Raises TemporaryError."""
        self._settings = settings
        self._child: Optional[subprocess.Popen[bytes]] = None
        self._shared = SOURCES[settings.source.type].shared
        if os.geteuid() == 0 and not self._shared:
            self._child = owner.started(settings.source.options.path, _CHILD)

    def of(self, clients: Collection[Client]) -> List[Lease]:
        """Return the present leases of these clients. Raises MonitorError."""
        if self._child is None:
            return _of(self._sources(), clients)
        asked = json.dumps({"paths": self._paths(), "clients": list(clients)})
        output = owner.asked(self._child, asked)
        return [Lease(**{**each, "state": LeaseState(each["state"])}) for each in json.loads(output)]

    def _paths(self) -> List[str]:
        """Return the lease files: of one server, or of both."""
        options = self._settings.source.options
        return [options.path, *([options.path6] if options.path6 else [])]

    def _sources(self) -> List[Source]:
        """Return sources that only read: that of events would prune its table."""
        if self._shared:
            return [polling.PollingSource(Link(self._settings.database), polling.Options(), Clock())]
        return [MemfileSource(path, Clock()) for path in self._paths()]

    def close(self) -> None:
        """End the child, if it was asked nothing."""
        owner.end([self._child] if self._child else [])


def answer() -> None:
    """Print the present leases that standard input asks for."""
    asked = owner.request()
    if asked is None:
        return
    try:
        sources = [MemfileSource(path, Clock()) for path in asked["paths"]]
        found = _of(sources, [tuple(each) for each in asked["clients"]])
    except MonitorError as error:
        sys.exit(str(error))
    print(json.dumps([lease._asdict() for lease in found]))


def _of(sources: Sequence[Source], clients: Collection[Tuple[object, ...]]) -> List[Lease]:
    wanted = frozenset(clients)
    try:
        return [lease for source in sources for lease in _read(source) if client(lease) in wanted]
    finally:
        for source in sources:
            source.close()


def _read(source: Source) -> Iterator[Lease]:
    position = source.start(True)
    while True:
        batch = source.read(position, _BATCH)
        yield from (event.lease for event in batch.events if event.kind in _PRESENT)
        if batch.caught_up:
            return
        position = batch.position
