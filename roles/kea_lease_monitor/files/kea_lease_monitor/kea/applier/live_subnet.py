# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One subnet of a Kea that takes reservations by command: what changes, and how it comes into force."""

from __future__ import annotations

from typing import AbstractSet, Dict, List, Mapping, NamedTuple, Optional, Sequence, Set

from kea_lease_monitor.kea.applier import hosts
from kea_lease_monitor.kea.applier.commands import Commands
from kea_lease_monitor.kea.applier.confirming import is_unconfirmed
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
    refused: Mapping[str, Refusal]
    """What Kea refused before by identifier, and would refuse again: its text is the same, and there is no room."""
    unconfirmed: Sequence[Refusal] = ()
    """Refusals of what nothing confirms. No command is sent for it."""
    twins: AbstractSet[str] = frozenset()
    """See LiveSubnet. A file that has two reservations of a client is not compared without a test of all."""

    def without(self, unconfirmed: Sequence[Refusal]) -> Change:
        """Return the change without these reservations of it."""
        identifiers = {one.host for one in unconfirmed}
        changed = [host for host in self.changed if host.identifier not in identifiers]
        return self._replace(changed=changed, unconfirmed=unconfirmed)

    def again(self) -> Change:
        """Return the change with those that nothing confirmed before."""
        retried = [one for one in self.refused.values() if is_unconfirmed(one) and one.text]
        hosts = [Host(one.subnet, one.host, one.address, one.text) for one in retried]
        left = {identifier: one for identifier, one in self.refused.items() if one not in retried}
        return self._replace(changed=[*self.changed, *hosts], refused=left)


class LiveSubnet:
    """What Kea, the files that it includes and the monitor's file have in a subnet."""

    def __init__(self, tail: Tail, included: Included, held: Held, status: Subnet) -> None:
        self.tail, self.included, self.held, self.status = tail, included, held, status
        self.refused: Dict[str, Refusal] = {}
        """By identifier."""
        self.twins: AbstractSet[str] = frozenset()
        """Identifiers with a reservation that is in force as it is written, whatever else is refused for them."""

    def in_force(self) -> int:
        """Return how many reservations Kea has as they are written. Of a refused one it may have the former."""
        # The few refused ones are counted: a set of all would take milliseconds at each change.
        former = self.refused.keys() - self.twins
        return len(self.held.hosts) - sum(identifier in self.held.hosts for identifier in former)

    def change(self, again: bool) -> Optional[Change]:
        """Return what changed; None if only a test of the whole configuration can judge it. Raises TemporaryError.

        With ``again``, what nothing confirmed is among it.
        """
        try:
            change = self._change()
        except ValueError:
            return None
        change = change.again() if change and again else change
        return change if change and all(host.is_plain() for host in change.changed) else None

    def _change(self) -> Optional[Change]:
        if not self.tail.is_changed():
            return Change(self.status.written, [], set(), self.refused, twins=self.twins)
        lines = self.tail.appended()
        return self._compared(self.tail.whole()) if lines is None else self._appended(lines)

    def _appended(self, lines: bytes) -> Optional[Change]:
        parsed = hosts.read(self.included.subnet, lines, {})
        new = {host.identifier for host in parsed.hosts}
        is_known = any(one in self.held.hosts or one in self.refused for one in new)
        if parsed.refused or is_known or len(new) < len(parsed.hosts):
            return None
        return Change(self.status.written + len(parsed.hosts), parsed.hosts, set(), self.refused, twins=self.twins)

    def _compared(self, content: bytes) -> Optional[Change]:
        parsed = hosts.read(self.included.subnet, content, {})
        wanted, held = {host.identifier: host for host in parsed.hosts}, self.held.hosts
        # One that cannot be read is known, or may be an edit of a reservation that stays as Kea has it.
        if len(wanted) < len(parsed.hosts) or any(self.refused.get(one.host) != one for one in parsed.refused):
            return None
        unreadable = {one.host: one for one in parsed.refused}
        gone = held.keys() - wanted.keys() - unreadable.keys()
        differing = [host for host in parsed.hosts if held.get(host.identifier) != host]
        changed = [host for host in differing if not self._is_refused(host)]
        room = self._room({*gone, *(host.identifier for host in changed)})
        retried = [host for host in differing if self._is_refused(host) and room & {host.identifier, *host.addresses}]
        left = {host.identifier for host in differing if self._is_refused(host)} - {one.identifier for one in retried}
        refused = {**unreadable, **{identifier: self.refused[identifier] for identifier in sorted(left)}}
        claimed = {address for host in (*changed, *retried) for address in host.addresses}
        if any(one in held and not claimed.isdisjoint(held[one].addresses) for one in refused):
            # Kea has the former reservation of a client whose new one is refused, and another client wants its address.
            return None
        return Change(len(wanted) + len(unreadable), [*changed, *retried], gone, refused)

    def _is_refused(self, host: Host) -> bool:
        """Return whether Kea refused this very text. Its configuration is the same: otherwise all are tested."""
        found = self.refused.get(host.identifier)
        return found is not None and found.text == host.text

    def _room(self, identifiers: Set[str]) -> Set[str]:
        """Return the identifiers and addresses that become free when these clients' reservations go or change."""
        former = [self.held.hosts[one] for one in identifiers if one in self.held.hosts]
        return {part for host in former for part in (host.identifier, *host.addresses)}

    def apply(self, change: Change, commands: Commands) -> List[Refusal]:
        """Make the change in Kea, then in the files. Return what Kea refuses. Raises TemporaryError."""
        placing = Placing(commands, self.held)
        placing.run(change.changed, change.gone)
        touched = [*(host.identifier for host in change.changed), *sorted(change.gone)]
        self.included.change({one: self.held.hosts.get(one) for one in touched})
        before = len(self.refused)
        refused = [*change.unconfirmed, *placing.refused]
        self.refused = {**change.refused, **{one.host: one for one in refused}}
        self.twins = change.twins & self.refused.keys()
        self.status = self.status._replace(
            written=change.written,
            in_force=self.in_force(),
            refused=self.status.refused + len(self.refused) - before,
            source=self.tail.source,
        )
        return refused
