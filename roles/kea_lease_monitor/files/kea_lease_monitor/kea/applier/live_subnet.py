# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One subnet of a Kea that takes reservations by command: what changes, and how it comes into force."""

from __future__ import annotations

from typing import Dict, List, NamedTuple, Optional, Set

from kea_lease_monitor.kea.applier import hosts
from kea_lease_monitor.kea.applier.commands import Commands
from kea_lease_monitor.kea.applier.hosts import Host, Refusal
from kea_lease_monitor.kea.applier.included import Included
from kea_lease_monitor.kea.applier.placing import Held, Placing
from kea_lease_monitor.kea.applier.report import Subnet
from kea_lease_monitor.kea.applier.tail import Tail


class Change(NamedTuple):
    """What changed in the monitor's file."""

    written: int
    """Reservations in the file."""
    changed: List[Host]
    gone: Set[str]
    """Identifiers."""


class LiveSubnet:
    """What Kea, the files that it includes and the monitor's file have in a subnet."""

    def __init__(self, tail: Tail, included: Included, held: Held, status: Subnet) -> None:
        self.tail, self.included, self.held, self.status = tail, included, held, status
        self.refused: Dict[str, Refusal] = {}
        """By identifier."""

    def in_force(self) -> int:
        """Return how many reservations Kea has as they are written. Of a refused one it may have the former."""
        return len(self.held.hosts.keys() - self.refused.keys())

    def change(self) -> Optional[Change]:
        """Return what changed; None if only a test of the whole configuration can judge it. Raises TemporaryError."""
        if not self.tail.is_changed():
            return Change(self.status.written, [], set())
        lines = self.tail.appended()
        try:
            change = self._compared(self.tail.whole()) if lines is None else self._appended(lines)
        except ValueError:
            return None
        return change if change and all(host.is_plain() for host in change.changed) else None

    def _appended(self, lines: bytes) -> Optional[Change]:
        parsed = hosts.read(self.included.subnet, lines, {})
        new = {host.identifier for host in parsed.hosts}
        is_known = any(one in self.held.hosts or one in self.refused for one in new)
        if parsed.refused or is_known or len(new) < len(parsed.hosts):
            return None
        return Change(self.status.written + len(parsed.hosts), parsed.hosts, set())

    def _compared(self, content: bytes) -> Optional[Change]:
        parsed = hosts.read(self.included.subnet, content, {})
        wanted, held = {host.identifier for host in parsed.hosts}, self.held.hosts
        # A reservation that goes or changes may make room for a refused one.
        if parsed.refused or self.refused or len(wanted) < len(parsed.hosts):
            return None
        changed = [host for host in parsed.hosts if held.get(host.identifier) != host]
        return Change(len(wanted), changed, held.keys() - wanted)

    def apply(self, change: Change, commands: Commands) -> List[Refusal]:
        """Make the change in Kea, then in the files. Return what Kea refuses. Raises TemporaryError."""
        placing = Placing(commands, self.held)
        placing.run(change.changed, change.gone)
        touched = [*(host.identifier for host in change.changed), *sorted(change.gone)]
        self.included.change({one: self.held.hosts.get(one) for one in touched})
        self.refused.update({one.host: one for one in placing.refused})
        self.status = self.status._replace(
            written=change.written,
            in_force=self.in_force(),
            refused=self.status.refused + len(placing.refused),
            source=self.tail.source,
        )
        return placing.refused
